"""`paycue up`, `paycue run`, `paycue demo`: services at work until they are told to stop."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from paycue.app import discover, serve
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus, security
from paycue.cli.demo import demo
from paycue.cli.home import HOME
from paycue.cli.progress import err
from paycue.cli.up import up
from paycue.clock import SystemClock
from paycue.observability import logs
from paycue.runtime import World
from paycue.settings import load


def register(app: typer.Typer) -> None:
    app.command("up")(up_command)
    app.command("run")(run_command)
    app.command("demo")(demo_command)


def up_command(
    folder: Annotated[Path, typer.Option(help="Where the data is kept.", file_okay=False)] = HOME,
    processes: Annotated[bool, typer.Option("--processes", help="A process for each service instead of one for all.")] = False,
) -> None:
    """Start PostgreSQL, Kafka, the local inbox and every service; Ctrl-C stops everything, a second start finds the data again."""
    logs.configure("console", os.environ.get("PAYCUE_LOG_LEVEL", "warning"))
    uvloop.run(up(folder, processes))


def demo_command(keep: Annotated[bool, typer.Option("--keep", help="Leave it running and print the addresses.")] = False) -> None:
    """Replay a small ledger through Kafka and PostgreSQL, and show what happened."""
    demo(keep)


def run_command(names: Annotated[list[str], typer.Argument(metavar="SERVICE...", help="scheduler, notifier, payments, disputes")]) -> None:
    """Run services of this installation, set up by PAYCUE_* variables, until SIGTERM."""
    services = [(service, load(service.settings)) for service in discover(names)]
    first: Any = services[0][1]
    logs.configure(first.log_format, first.log_level)
    uvloop.run(_run(services, first))


async def _run(services: list[Any], settings: Any) -> None:
    flow = Flow()
    bus = KafkaBus(settings.kafka, flow, security=security(settings))
    await bus.start()
    try:
        await serve(services, World(bus, SystemClock(), flow), _announce)
    finally:
        await bus.stop()


def _announce(urls: dict[str, str]) -> None:
    for name, url in urls.items():
        err.print(f"  {name} is ready on {url}", highlight=False)
