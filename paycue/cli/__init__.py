"""The command `paycue`. Each group of commands has a module, imported when it is typed; here errors become one sentence.

A person who typed something wrong never sees a stack trace; `PAYCUE_LOG_LEVEL=debug` shows it to who looks for it.
"""

import importlib
import os
import signal
import sys

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "up": ("up", "Start PostgreSQL, Kafka, the local inbox and every service; Ctrl-C stops everything."),
    "demo": ("demo", "Replay a small ledger through Kafka and PostgreSQL, and show what happened."),
    "replay": ("replay", "Drive a ledger's history through the real services and report what was sent, what was not, and why."),
    "import": ("ledger", "Publish a CSV's invoices, payments and disputes once; bad rows are listed and skipped."),
    "inbox": ("inbox", "List the newest messages of the local inbox."),
    "run": ("run", "Run services of an installation, set up by PAYCUE_* variables, until SIGTERM."),
    "migrate": ("bus", "Bring the database schemas up to date."),
    "topics": ("bus", "Create the topics that are missing."),
    "creditors": ("directory", "Register the creditors that the operator works for."),
    "keys": ("directory", "Issue and revoke API keys."),
    "dead-letters": ("letters", "List what could not be folded, show it, replay or discard it."),
    "prepare": ("prepare", "Download and prepare what `paycue up` and `paycue replay` start, so that they start fast."),
}
"""Command -> the module that has it, and what it is for in a line."""


class Commands(TyperGroup):
    """Imports a command's module only when that command is typed: listing them, or running one, loads nothing else."""

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def]  # the type names of typer's own copy of click are private
        if args and args[0] in COMMANDS:
            part = typer.Typer()
            part.callback()(_alone)
            importlib.import_module(f"{__name__}.{COMMANDS[args[0]][0]}").register(part)
            _hear()
            self.commands[args[0]] = typer.main.get_group(part).commands[args[0]]
        return super().resolve_command(ctx, args)


def _alone() -> None:
    """Keeps a part with one command a group."""


def _before(context: typer.Context) -> None:
    """Commands that speak with an installation find the one of `paycue up` where the environment names none."""
    if context.invoked_subcommand in ("import", "migrate", "topics", "creditors", "keys", "dead-letters"):
        from paycue.cli.home import adopt

        adopt()


app = typer.Typer(
    name="paycue",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback(help="Reminders of what is owed, on Kafka and PostgreSQL.")(_before)


def _hear() -> None:
    """From now on there may be something to undo. Before, an interrupt amid what is being imported would come out as anybody's error."""
    signal.signal(signal.SIGTERM, _interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupted(number: int, frame: object) -> None:
    """SIGTERM ends a command as Ctrl-C does: what it started is stopped, what it made for itself is removed."""
    signal.raise_signal(signal.SIGINT)


def main() -> None:
    """The entry point of the command."""
    command = typer.main.get_group(app)
    for name, (_, about) in COMMANDS.items():
        command.add_command(TyperCommand(name, help=about))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # What a script starts in the background is born deaf to SIGINT.
    try:
        command(prog_name="paycue")
    except Exception as error:
        if os.environ.get("PAYCUE_LOG_LEVEL") == "debug":
            raise
        from paycue.cli.errors import sentence

        sys.exit(f"paycue: {sentence(error)}")
