"""`paycue run`: services of an installation at work, as containers run them, until they are told to stop."""

import asyncio
from typing import Annotated, Any

import typer
import uvloop

from paycue.app import discover, serve
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus, security
from paycue.cli.progress import err
from paycue.clock import SystemClock
from paycue.ending import Ending
from paycue.observability import logs
from paycue.settings import load
from paycue.world import World


def register(app: typer.Typer) -> None:
    app.command("run")(command)


def command(names: Annotated[list[str], typer.Argument(metavar="SERVICE...", help="scheduler, notifier, payments, disputes")]) -> None:
    """Run services of an installation, set up by PAYCUE_* variables, until SIGTERM."""
    services = [(service, load(service.settings)) for service in discover(names)]
    first: Any = services[0][1]
    logs.configure(first.log_format, first.log_level)
    try:
        uvloop.run(_run(services, first))
    except asyncio.CancelledError:
        raise typer.Exit(130) from None  # Asked to end while it was starting.


async def _run(services: list[Any], settings: Any) -> None:
    ending, flow = Ending(), Flow()
    bus = KafkaBus(settings.kafka, flow, security=security(settings), session_seconds=settings.kafka_session_seconds)
    await bus.start()
    try:
        await serve(services, World(bus, SystemClock(), flow), _announce, ending)
    finally:
        await bus.stop()


def _announce(urls: dict[str, str]) -> None:
    for name, url in urls.items():
        err.print(f"  {name} is ready on {url}", highlight=False)
