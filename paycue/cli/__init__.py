"""The command `paycue`. Each group of commands has a file; here they are put together, and errors become one sentence.

A person who typed something wrong never sees a stack trace; `PAYCUE_LOG_LEVEL=debug` shows it to who looks for it.
"""

import os
import sys

import typer

from paycue.cli import bus, directory, inbox, ledger, letters, replay, serve
from paycue.cli.errors import KNOWN, sentence

app = typer.Typer(
    name="paycue",
    help="Reminders of what is owed, on Kafka and PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (serve, replay, ledger, inbox, bus, directory, letters):
    part.register(app)


def main() -> None:
    """The entry point of the command."""
    try:
        app()
    except KNOWN as error:
        if os.environ.get("PAYCUE_LOG_LEVEL") == "debug":
            raise
        sys.exit(f"paycue: {sentence(error)}")
