"""One running service: its database, its consumers, relay, timers and provider calls, started in order and drained in order.

A task that fails for a reason nobody handles stops the process rather than half of it; only too much poison stops one consumer
alone, since the rest of the service still does what it should.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from paycue.alarm import IDLE_SECONDS, Alarm
from paycue.bus.batch import Batch
from paycue.bus.consumer import LaneConsumer
from paycue.bus.directory import TOPIC as DIRECTORY
from paycue.bus.directory import Directory
from paycue.bus.feeds import Feeds
from paycue.bus.fold import Folder
from paycue.bus.gauges import check_invariants, measure
from paycue.bus.outbox import Relay
from paycue.bus.poison import TooMuchPoison
from paycue.bus.postgres import PostgresStore
from paycue.bus.ramp import Ramp
from paycue.bus.receipts import TOPIC as RECEIPTS
from paycue.bus.receipts import Receipts
from paycue.bus.store import Unit, no_references
from paycue.bus.topics import topics_of
from paycue.db.engine import TRANSIENT, Database
from paycue.observability.invariants import Violation
from paycue.world import World

if TYPE_CHECKING:
    from paycue.app import Service

_MOST, _MOST_STOPS, _MOST_WHILE_STOPPING = 2000, 250, 50
_LINGER_MS = 50
"""Every service reads all receipts and hardly one is its own: whoever waits for it waits this long beside a storm of others."""
_HOUSEKEEPING_SECONDS = 3600
_ANSWERS_KEPT = timedelta(days=30)
log = structlog.get_logger(__name__)


class Runtime:
    """A service at work. `fatal` is set when the process has to end, and why."""

    def __init__(self, service: "Service", settings: Any, world: World) -> None:
        self.service, self.settings, self.world = service, settings, world
        self.clock, self.bus = world.clock, world.bus
        self.store = world.keep(service, settings)
        references = service.references(settings) if service.references else no_references
        self.folder = Folder(service.name, self.store, service.handlers, world.bus, world.clock, world.flow, references)
        self.relay = Relay(service.name, self.store, world.bus, world.clock, world.flow, self.most, pace=world.pace)
        self.directory = Directory(self.store, world.clock, self._creditor_changed)
        self.receipts = Receipts(service.name, self.store, world.clock)
        self.feeds = Feeds(topics_of(service.consumers[service.stops]), world.fresh_seconds) if service.stops else None
        self.consumers = self._consumers()
        self._lane_owner = next((consumer for consumer in self.consumers if consumer.group == service.timers), None)
        self.folder.fresh, self._ramp = self.fresh, Ramp(self.most)
        self.alarm = Alarm(self)
        self.outbound = service.outbound(self) if service.outbound else None
        if service.prompt:
            self.folder.prompt = self._prompt
        self.folder.claiming, self.folder.allowance = service.claims, self.outbound
        self.fatal: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.timers = asyncio.Event()
        """Cleared: loops wait. A replay folds an instant's facts before its timers."""
        self.timers.set()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._relaying: asyncio.Task[None] | None = None
        self._housekeeping: asyncio.Task[None] | None = None
        self._poisoned: set[str] = set()

    def _consumers(self) -> list[LaneConsumer]:
        """Each has connections of its own, so that stops never queue behind a storm; two are left for the rest."""
        service, bus = self.service, self.bus
        at_once = max(1, (service.pool_size - 2) // (len(service.consumers) + 1))
        made = [LaneConsumer(f"{service.name}.directory", (DIRECTORY,), bus, self.directory, lanes_at_once=at_once)]
        if service.takes_stops:
            made.append(LaneConsumer(f"{service.name}.receipts", (RECEIPTS,), bus, self.receipts, lanes_at_once=1, linger_ms=_LINGER_MS))
        for group, events in service.consumers.items():
            feeds, heard = (self.feeds if group == service.stops else None), topics_of(events)
            most = self.most if feeds is None else lambda: _MOST_STOPS
            made.append(LaneConsumer(group, heard, bus, self.folder, lanes_at_once=at_once, most=most, feeds=feeds))
        return made

    def most(self) -> int:
        """How much a batch may hold now, unless it is of stops: little while they come, for they wait for the loop and for its accounts."""
        stopping = any(consumer.group == self.service.stops and consumer.busy for consumer in self.consumers)
        return _MOST_WHILE_STOPPING if stopping else _MOST

    async def fold_due(self, room: int | None = None) -> int:
        """Fold `TimerFired` into accounts of ours that are due, at most `room`; how many that were. Raises TooMuchPoison."""
        asked = self._ramp.ask()
        return self._ramp.came(await self.folder.fold_due(asked if room is None else min(room, asked), self.lanes()))

    def lanes(self) -> frozenset[int]:
        """The lanes whose timers and sends are this process's."""
        return self._lane_owner.lanes() if self._lane_owner is not None else frozenset()

    def _prompt(self) -> frozenset[int]:
        """Where timers may fire now; a replay has them wait until all facts of an instant are folded."""
        return self.lanes() if self.timers.is_set() else frozenset()

    def fresh(self, lane: int) -> bool:
        """Whether a lane is this process's and everything that may stop a send on it is known."""
        if self.feeds is None:
            return True
        return lane in self.lanes() and not self.feeds.stale(lane, asyncio.get_running_loop().time())

    def stale_feeds(self) -> dict[int, list[str]]:
        """The lanes of this process on which nothing is claimed, each with the feeds that are too old."""
        if self.feeds is None:
            return {}
        now = asyncio.get_running_loop().time()
        return {lane: stale for lane in sorted(self.lanes()) if (stale := self.feeds.stale(lane, now))}

    @property
    def database(self) -> Database:
        """Where lists and reports are read. Raises TypeError when the store is not PostgreSQL's."""
        if not isinstance(self.store, PostgresStore):
            raise TypeError(f"{self.service.name} does not keep its tables in PostgreSQL")
        return self.store.database

    async def start(self) -> None:
        """Check the schema, join the groups, start every loop."""
        await self.store.check()
        self.folder.on_commit += [self._on_commit, self.receipts.heard]
        self.clock.on_step(self.alarm.ring)
        if self.outbound is not None:
            await self.outbound.start()
        self._relaying = self._spawn(self.relay.run(), "relay")
        self._housekeeping = self._spawn(self._keep_house(), "housekeeping")
        await self._join()
        for loop in self.service.loops:
            self._spawn(self._loop(loop), f"{self.service.name}.{loop.__name__}")

    async def _join(self) -> None:
        """Join all groups at once, for each takes its time. Raises what the first of those that cannot says."""
        joined = await asyncio.gather(*(consumer.start() for consumer in self.consumers), return_exceptions=True)
        for consumer, error in zip(self.consumers, joined, strict=True):
            if error is None:
                self._spawn(self._consume(consumer), consumer.group)
        for error in joined:
            if error is not None:
                raise error

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.fatal.done():
            log.critical("a loop failed", loop=task.get_name(), exc_info=error)
            self.fatal.set_result(f"{task.get_name()} failed: {error!r}")

    async def _consume(self, consumer: LaneConsumer) -> None:
        try:
            await consumer.run()
        except TooMuchPoison as error:
            self._poisoned.add(consumer.group)
            log.critical("consumer stopped", consumer=consumer.group, reason=str(error))

    async def _loop(self, body: Callable[["Runtime"], Awaitable[int]]) -> None:
        """Run a loop's body until it finds nothing, then sleep until the alarm."""
        while not self._stopping:
            await self.timers.wait()
            self.alarm.hush()
            try:
                while not self._stopping and await body(self):
                    self.world.flow.stir()
                await self.alarm.wait()
            except TooMuchPoison as error:
                self._poisoned.add(body.__name__)
                log.critical("loop stopped", loop=body.__name__, reason=str(error))
                return
            except TRANSIENT as error:
                log.warning("loop backs off", loop=body.__name__, error=repr(error))
                await asyncio.sleep(IDLE_SECONDS)

    async def _keep_house(self) -> None:
        """Every hour: forget what is of no use any more, and ask whether what must always hold still does."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            try:
                await self.store.prune(await self.directory.tenants(), self.clock.now() - _ANSWERS_KEPT)
                await self.check_invariants()
            except TRANSIENT as error:
                log.warning("housekeeping is done later", service=self.service.name, error=repr(error))

    async def check_invariants(self) -> list[Violation]:
        """Ask every invariant over every creditor's rows, as the service's own role sees them; set the gauge that alerts."""
        return await check_invariants(self.store, self.service.name, self.service.invariants)

    def _on_commit(self, batch: Batch) -> None:
        if batch.events:
            self.relay.nudge(batch.events)
        if batch.calls and self.outbound is not None:
            self.outbound.submit(batch.calls, batch.began)
        due = [state.next_action_at for state in batch.changed.values() if state.next_action_at is not None]
        if due and min(due) <= self.clock.now():
            self.alarm.ring()

    async def _creditor_changed(self, unit: Unit, tenant: str) -> None:
        if not self.service.loops:
            return  # No timer would ever take the wake-up down again.
        await unit.wake_tenant(tenant, self.clock.now())
        self.alarm.ring()

    async def unready(self) -> str | None:
        """Why this service should get no traffic now; None when it should."""
        if self._poisoned:
            return f"{', '.join(sorted(self._poisoned))} stopped: too many dead letters; run `paycue dead-letters list`"
        tired = [consumer.group for consumer in self.consumers if not consumer.ready]
        return f"{', '.join(tired)} cannot fold: the database keeps failing" if tired else None

    async def measure(self) -> int:
        """Set the gauges; the records behind, over all consumers."""
        await measure(self.store, self.service.name, self.clock.now())
        if self.feeds is not None:
            self.feeds.measure(self.service.name, self.lanes(), asyncio.get_running_loop().time())
        lags = [await consumer.lag() for consumer in self.consumers if consumer.group not in self._poisoned]
        return sum(lags)

    def notes(self) -> list[str]:
        """What is not as it should be although the service may well be spoken to."""
        if self.feeds is not None and not self.lanes():
            return ["nothing is sent: no lane is ours yet"]
        return [f"nothing is sent on lane {lane}: {', '.join(stale)} too old" for lane, stale in self.stale_feeds().items()]

    async def stop(self) -> None:
        """Stop polling, drain lanes, commit and leave; finish calls, for nothing claims any more; stop the relay."""
        self._stopping = True
        self.timers.set()
        self.alarm.ring()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        for consumer in self.consumers:
            await consumer.stop()
        await asyncio.gather(*(task for task in self._tasks if task is not self._relaying), return_exceptions=True)
        if self.outbound is not None:
            await self.outbound.stop()
        self.relay.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()
