"""`paycue prepare`: fills the cache of the local stack, for set-up. What is there already is left alone."""

import typer
import uvloop

from paycue.cli.progress import say
from paycue.local.stack import prepare


def register(app: typer.Typer) -> None:
    app.command("prepare")(command)


def command() -> None:
    """Download and prepare what `paycue up` and `paycue replay` start, so that they start fast."""
    uvloop.run(prepare(say))
    say("Apache Kafka and PostgreSQL are ready to start")
