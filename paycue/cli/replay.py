"""`paycue replay`: a ledger's history through the real services, and the report."""

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from paycue.cli import quiet
from paycue.cli.progress import bar, say
from paycue.cli.shown import show_report, show_row_errors
from paycue.handwritten import text_of
from paycue.ledger import Ledger, load_ledger
from paycue.replay.report import Report, canonical
from paycue.replay.run import TENANT, After, Asked, replay


class Bus(StrEnum):
    """Where events travel."""

    kafka = "kafka"
    memory = "memory"


def register(app: typer.Typer) -> None:
    app.command("replay")(command)


def command(
    csv: Annotated[Path, typer.Option(help="The ledger.", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option(help="How to read it (YAML).", exists=True, dir_okay=False)],
    policy: Annotated[Path, typer.Option(help="The policy to try (YAML).", exists=True, dir_okay=False)],
    report: Annotated[Path, typer.Option(help="Where the report goes (JSON).", dir_okay=False)],
    from_: Annotated[
        datetime | None, typer.Option("--from", help="First day; what is dated before loads as state.", formats=["%Y-%m-%d"])
    ] = None,
    to: Annotated[datetime | None, typer.Option(help="Last day.", formats=["%Y-%m-%d"])] = None,
    bus: Annotated[Bus, typer.Option(help="Where events travel.")] = Bus.kafka,
    inbox: Annotated[
        Path | None, typer.Option(help="A folder for each message received, as a file; those of an earlier replay go.", file_okay=False)
    ] = None,
) -> None:
    """Drive a ledger's history through the real services in accelerated time and report what was sent, what was not, and why."""
    quiet.configure()
    ledger = load(csv, mapping)
    if from_ and to and from_ > to:
        raise typer.BadParameter(f"{from_:%Y-%m-%d} is after --to {to:%Y-%m-%d}", param_hint="--from")
    if not ledger.invoices:
        raise RuntimeError(f"{csv} has no good row to replay")
    _writable(report)
    asked = Asked(ledger, text_of(policy), str(policy), bus.value, _day(from_), _day(to), inbox)
    made = run(asked)
    report.write_bytes(canonical(made))
    show_report(made, asked.policy, str(report))
    show_row_errors(ledger.errors)
    if ledger.errors:
        raise typer.Exit(3)


def load(csv: Path, mapping: Path, tenant: str = TENANT) -> Ledger:
    """Read a ledger, with its progress."""
    with bar("Reading the ledger", None) as update:
        return load_ledger(csv, mapping, tenant, lambda rows: update(rows, f"{rows} rows"))


def run(asked: Asked, after: After | None = None) -> Report:
    """Replay with a bar of the days that have passed."""
    with bar("Replaying", 1.0) as update:
        first = min(fact.on for fact in asked.ledger.facts)

        def progress(day: date, last: date, messages: int) -> None:
            update((day - first).days / max(1, (last - first).days), f"{day}, {messages} messages received")

        return uvloop.run(replay(asked, say, progress, after))


def _writable(path: Path) -> None:
    """Better now than after the work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab"):
        return


def _day(at: datetime | None) -> date | None:
    return at.date() if at else None
