"""A service as data, and the way to run one or several of them in a process: start, serve, watch, drain.

What a service is stands in its `main.py`; what running means stands here, once. Nothing here knows a service by name.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
import structlog
from fastapi import APIRouter, FastAPI
from google.protobuf.message import Message

from paycue.bus.bus import BusError
from paycue.bus.store import References
from paycue.db.accounts import AccountStore
from paycue.db.engine import TRANSIENT
from paycue.decision import Handlers
from paycue.ending import Ending
from paycue.http.app import create_app
from paycue.http.serve import serving
from paycue.observability import metrics
from paycue.observability.invariants import Invariant
from paycue.runtime import Runtime
from paycue.settings import KernelSettings
from paycue.world import Outbound, World

_WATCH_SECONDS = 10
_STUCK_SECONDS = 60
_YOUNG_OBJECTS = 100_000
TROUBLE: tuple[type[BaseException], ...] = (BusError, *TRANSIENT)
log = structlog.get_logger(__name__)


class Service(msgspec.Struct, frozen=True):
    """Everything the kernel needs to know of a service.

    `consumers`: consumer group -> the event types it folds; stops have a group of their own so that they never queue behind a storm.
    `timers`: the group whose lanes this process's timers and sends follow; `stops`: the group whose topics have to be fresh for a send.
    `claims`: the group whose events may claim calls when they are folded.
    `prompt`: a timer that an event makes due fires in the transaction that folds the event.
    `takes_stops`: it takes requests that stop something, and keeps their receipts.
    `loops`: bodies that do one bounded piece of time-driven work and return how much that was.
    `outbound`: makes what performs the service's provider calls. `references`: settings -> what handlers get as `ctx.reference`.
    """

    name: str
    about: str
    settings: type[KernelSettings]
    store: AccountStore
    handlers: Handlers
    consumers: Mapping[str, tuple[type[Message], ...]]
    routers: tuple[APIRouter, ...]
    migrations: Path
    invariants: tuple[Invariant, ...] = ()
    loops: tuple[Callable[[Runtime], Awaitable[int]], ...] = ()
    timers: str = ""
    stops: str = ""
    claims: str = ""
    prompt: bool = False
    takes_stops: bool = False
    outbound: Callable[[Runtime], Outbound] | None = None
    references: Callable[[Any], References] | None = None
    pool_size: int = 8


def discover(names: Sequence[str] = ()) -> list[Service]:
    """The installed services, all or those named, by name. Raises LookupError that lists what there is."""
    found = {entry.name: entry for entry in entry_points(group="paycue.services")}
    if unknown := [name for name in names if name not in found]:
        raise LookupError(f"there is no service {unknown[0]!r}; installed are: {', '.join(sorted(found)) or 'none'}")
    return [found[name].load() for name in sorted(names or found)]


async def migrate_all(url: str, services: Sequence[Service]) -> None:
    """Bring the schema of each service up to date."""
    from paycue.db.migrate import migrate  # Alembic takes a second to import, and a service at work has no use for it.

    for service in services:
        await migrate(url, service.name, service.migrations)


def api(service: Service, runtime: Runtime | None = None) -> FastAPI:
    """The service's API; without a runtime only to be described."""
    app = create_app(f"paycue {service.name}", service.about, service.routers, service=service.name)
    if runtime is not None:
        app.state.runtime, app.state.directory = runtime, runtime.directory
        runtime.directory.on_change.append(app.state.recent.forget)
        app.state.checks = {service.name: runtime.unready}
        app.state.notes = {service.name: runtime.notes}
    return app


@contextlib.asynccontextmanager
async def running(services: Sequence[tuple[Service, Any]], world: World) -> AsyncIterator[list[Runtime]]:
    """Services at work, without HTTP: started on entry, drained on exit."""
    runtimes: list[Runtime] = []
    try:
        for service, settings in services:
            runtimes.append(Runtime(service, settings, world))
            await runtimes[-1].start()
        yield runtimes
    finally:
        for runtime in reversed(runtimes):
            await runtime.stop()


Ready = Callable[[dict[str, str]], None]
"""Hears service name -> URL once all answer."""


async def serve(services: Sequence[tuple[Service, Any]], world: World, ready: Ready, ending: Ending) -> None:
    """Run services with their APIs until they are asked to end. Raises RuntimeError when one gives up."""
    async with running(services, world) as runtimes:
        await serve_runtimes(runtimes, {service.name: settings.http_port for service, settings in services}, ready, ending)


async def serve_runtimes(runtimes: Sequence[Runtime], ports: Mapping[str, int], ready: Ready, ending: Ending) -> None:
    """Serve the APIs of services that run already, until they are asked to end."""
    _let_garbage_wait()
    ending.runs()
    async with contextlib.AsyncExitStack() as servers:
        urls = {}
        for runtime in runtimes:
            app = serving(api(runtime.service, runtime), runtime.settings.http_host, ports[runtime.service.name])
            urls[runtime.service.name] = await servers.enter_async_context(app)
        ready(urls)
        await until_over(runtimes, ending.asked)


def _let_garbage_wait() -> None:
    """Collect cycles rarely, and never look again at what was imported: a batch makes some hundred thousand objects, none in a cycle,
    and Python's own thresholds spend a quarter of the processor on walking through them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 50)


async def until_over(runtimes: Sequence[Runtime], stop: asyncio.Event) -> None:
    """Return when asked to stop; raise RuntimeError when a loop failed or nothing moves any more."""
    loop = asyncio.get_running_loop()
    watch, asked = loop.create_task(_watch(runtimes)), loop.create_task(stop.wait())
    gave_up: list[asyncio.Future[str]] = [watch, *(runtime.fatal for runtime in runtimes)]
    either: set[asyncio.Future[Any]] = {asked, *gave_up}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise RuntimeError("; ".join(future.result() for future in gave_up if future.done()))
    finally:
        watch.cancel()
        asked.cancel()


async def _watch(runtimes: Sequence[Runtime]) -> str:
    """Measure every ten seconds; returns when there is lag and nothing moved for a minute: a restart is the cure."""
    seen, still = -1, 0
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        try:
            lag = sum([await runtime.measure() for runtime in runtimes])
        except TROUBLE as error:
            log.warning("not measured", error=repr(error))
            continue
        moves = runtimes[0].world.flow.moves
        still = still + _WATCH_SECONDS if lag and moves == seen else 0
        seen = moves
        for runtime in runtimes:
            metrics.LAST_PROGRESS.labels(runtime.service.name).set(still)
        if still >= _STUCK_SECONDS:
            metrics.WATCHDOG.labels(runtimes[0].service.name).inc()
            return f"{lag} records wait and nothing moved for {still} seconds"
