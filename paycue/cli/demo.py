"""`paycue demo`: replays the small ledger of `examples/demo` through Kafka and shows what happened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from paycue.app import serve_runtimes
from paycue.cli import quiet
from paycue.cli.progress import err
from paycue.cli.replay import load, run
from paycue.cli.shown import show_report
from paycue.cli.up import PORTS, free_port, show_addresses
from paycue.ending import Ending
from paycue.handwritten import text_of
from paycue.installation import Installation
from paycue.local.errors import LocalStackError
from paycue.replay.report import Report, canonical
from paycue.replay.run import Asked
from paycue.runtime import Runtime

_EXAMPLE = Path("examples/demo")
_RESULT = Path("var/demo")


def register(app: typer.Typer) -> None:
    app.command("demo")(command)


def command(keep: Annotated[bool, typer.Option("--keep", help="Leave it running and print the addresses.")] = False) -> None:
    """Replay a small ledger through Kafka and PostgreSQL, and show what happened.

    The report is written to var/demo/report.json, the messages to var/demo/inbox.
    """
    quiet.configure()
    if not (_EXAMPLE / "ledger.csv").is_file():
        raise LocalStackError(f"{_EXAMPLE} is not here: run the demo from the folder of paycue's source")
    err.print("\n  [bold]A small ledger goes through real Kafka and real PostgreSQL[/bold]: invoices in, reminders out.\n", soft_wrap=True)
    ledger = load(_EXAMPLE / "ledger.csv", _EXAMPLE / "mapping.yaml")
    policy = _EXAMPLE / "policy.yaml"
    asked = Asked(ledger, text_of(policy), str(policy), "kafka", inbox=_RESULT / "inbox")
    run(asked, _show_and_keep if keep else _show)


async def _show(report: Report, house: Installation, runtimes: Sequence[Runtime], key: str) -> None:
    path = _RESULT / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical(report))
    show_report(report, text_of(_EXAMPLE / "policy.yaml"), str(path))


async def _show_and_keep(report: Report, house: Installation, runtimes: Sequence[Runtime], key: str) -> None:
    await _show(report, house, runtimes, key)
    ports = {name: free_port(port) for name, port in PORTS.items()}
    await serve_runtimes(runtimes, ports, lambda urls: show_addresses(house, key, urls), Ending())
