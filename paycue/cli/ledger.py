"""`paycue import`: publishes a ledger's facts once."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus
from paycue.cli import quiet
from paycue.cli.options import SLUG, Kafka
from paycue.cli.progress import bar, out
from paycue.cli.replay import load
from paycue.cli.shown import show_row_errors
from paycue.ledger import Ledger
from paycue.replay.run import record

_CHUNK = 1000


def register(app: typer.Typer) -> None:
    app.command("import")(command)


def command(
    csv: Annotated[Path, typer.Option(help="The ledger.", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option(help="How to read it (YAML).", exists=True, dir_okay=False)],
    creditor: Annotated[str, typer.Option(help="Whose ledger it is: the creditor's slug.", parser=SLUG, metavar="SLUG")],
    kafka: Kafka,
) -> None:
    """Publish a CSV's invoices, payments and disputes. The same file again changes nothing; bad rows are listed and skipped."""
    quiet.configure()
    ledger = load(csv, mapping, creditor)
    with bar("Publishing", max(1, len(ledger.facts))) as update:
        uvloop.run(_publish(ledger, kafka, lambda done: update(done, f"{done} of {len(ledger.facts)} events")))
    out.print(f"  {len(ledger.facts)} events of {len(ledger.invoices)} invoices are published for {creditor}", highlight=False)
    show_row_errors(ledger.errors)
    if ledger.errors:
        raise typer.Exit(3)


async def _publish(ledger: Ledger, kafka: str, progress: Callable[[int], None]) -> None:
    bus = KafkaBus(kafka, Flow())
    await bus.start()
    try:
        for start in range(0, len(ledger.facts), _CHUNK):
            chunk = ledger.facts[start : start + _CHUNK]
            await bus.publish([record(bus, fact) for fact in chunk])
            progress(start + len(chunk))
    finally:
        await bus.stop()
