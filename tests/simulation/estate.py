"""The services of one simulation, each of them some processes on the same tables: started, killed, frozen, drained, started again.

What outlives a process stands here: tables, the cluster, the providers, the policies. A process is a real Runtime in a context of
its own on the virtual loop.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any

import msgspec

from paycue.app import Service, discover
from paycue.bus.directory import creditor_of
from paycue.bus.envelope import Record, header
from paycue.bus.feeds import BEAT_KEY
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.store import References, Unit
from paycue.runtime import Runtime
from paycue.testing.clocks import SharedTime, SkewedClock
from paycue.testing.faulty_bus import FaultyBus
from paycue.testing.memory_store import MemoryStore
from paycue.testing.memory_tables import Changes, Tables
from paycue.testing.virtual_loop import Process, VirtualLoop
from paycue.world import World
from services.notifier.loops import Sender
from services.scheduler.domain.policy import Policy
from services.scheduler.store import standing_of
from tests.simulation.chance import Chance, SeededBusFaults, SeededStoreFaults
from tests.simulation.providers import FakeChannel, Provider
from tests.simulation.trace import Trace

PARTITIONS = 2
APART = 300.0
"""Seconds: how far the clocks of two processes of one service may be apart, and as far the clocks of two services on the whole."""
_SETTINGS = {
    "database_url": "postgresql://nobody@nowhere/none",
    "kafka": "nowhere:9092",
    "secret": "0123456789abcdefghijklmnopqrstuv",
    "public_url": "https://pay.example.com",
}
_OF_THE_NOTIFIER = {
    "smtp_url": "smtp://nowhere:25",
    "mail_from": "reminders@example.com",
    "twilio_account_sid": "AC" + "0" * 32,
    "twilio_auth_token": "0123456789abcdef",
    "twilio_from": "+12025550199",
    "smtp_final_reply_seconds": 60.0,
    "call_seconds": 30.0,
    "clock_skew_seconds": APART,
}


class Worker:
    """One process of a service."""

    def __init__(self, house: "House", number: int, clock: SkewedClock, estate: "Estate") -> None:
        self.house, self.name = house, f"{house.name}#{number}"
        self.process = Process(self.name, estate.loop)
        self.store = MemoryStore(house.service.store, house.tables, SeededStoreFaults(estate.chance), self.process)
        self.flow = Flow()
        self.world = World(estate.bus, clock, self.flow, lambda service, settings: self.store)
        self.runtime: Runtime | None = None
        self.clock, self.leaving = clock, False

    async def run(self) -> None:
        """As `paycue run` does: until it is told to leave."""
        self.runtime = Runtime(self.house.service, self.house.settings, self.world)
        await self.runtime.start()

    @property
    def serving(self) -> Runtime:
        """What obeys. Only of a process that is at work."""
        assert self.runtime is not None
        return self.runtime

    @property
    def at_work(self) -> bool:
        return self.runtime is not None and not self.process.dead and not self.leaving


class House:
    """One service: what its processes share."""

    def __init__(self, service: Service, settings: Any, skew: timedelta) -> None:
        self.service, self.settings, self.skew, self.name = service, settings, skew, service.name
        """Of its clocks on the whole; each process's differs from it."""
        self.tables = Tables()
        self.workers: list[Worker] = []
        self.folded = set[bytes]()
        """Every id that its inbox ever had."""
        self.started = 0
        self.closed = 0
        """Who has it stay down for some seconds."""
        self.down_until: datetime | None = None
        """It stays down until this instant."""

    @property
    def is_down(self) -> bool:
        return self.closed > 0 or self.down_until is not None

    def owns(self, process: Process | None) -> bool:
        return any(worker.process is process for worker in self.workers)

    @property
    def working(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.at_work]

    def first_timer(self) -> datetime | None:
        """When, in true time, its first timer is due by the clock of whoever owns its lane; where nobody does, by the fastest one."""
        due = [(at, lane) for lane in range(PARTITIONS) if (at := self.tables.earliest([lane])) is not None]
        return min((at - self._skew_on(lane) for at, lane in due), default=None)

    def _skew_on(self, lane: int) -> timedelta:
        owners = [worker for worker in self.working if worker.runtime is not None and lane in worker.runtime.lanes()]
        return max((worker.clock.skew for worker in owners or self.working), default=self.skew)


class Estate:
    """Everything of one simulation that is not a test of it."""

    def __init__(self, loop: VirtualLoop, shared: SharedTime, chance: Chance, trace: Trace) -> None:
        self.loop, self.shared, self.chance, self.trace = loop, shared, chance, trace
        self.bus = FaultyBus(Flow(), PARTITIONS, SeededBusFaults(chance))
        self.bus.watchers.append(self._appended)
        self.providers = {"email": Provider("email", chance, trace, shared.now), "sms": Provider("sms", chance, trace, shared.now)}
        self.policies: dict[str, Policy] = {}
        self.records: list[tuple[int, Record]] = []
        """Every record in the order it was appended, with its place in the trace."""
        self.beaten: dict[TopicPartition, float] = {}
        """When, of the loop's clock, a stop feed of ours last carried a beat."""
        self.replayed = ""
        """Which topics were read from the start: those of ERPs, or everything."""
        self._drains = set[asyncio.Task[None]]()
        self.houses = {service.name: self._house(service) for service in discover()}

    def _house(self, service: Service) -> House:
        told: dict[str, Any] = {**_SETTINGS, **(_OF_THE_NOTIFIER if service.name == "notifier" else {})}
        if service.name == "notifier" and self.chance.happens(0.3):
            # So early that what is looked for may still be under way.
            told["find_after"] = (5, 20, 300, 3_600, 86_400)
        changed: dict[str, Any] = {}
        if service.name == "notifier":
            changed["outbound"] = lambda runtime: Sender(runtime, lambda _: {n: FakeChannel(p) for n, p in self.providers.items()})
        if service.name == "scheduler":
            changed["references"] = lambda settings: self._standings()
        skew = timedelta(seconds=self.chance.between(-APART / 2, APART / 2) if self.chance.happens(0.7) else 0)
        house = House(msgspec.structs.replace(service, **changed), service.settings(**told), skew)
        house.tables.watchers.append(lambda changes: self._committed(house, changes))
        return house

    def _standings(self) -> References:
        async def of(unit: Unit, tenants: Sequence[str], inputs: object) -> dict[str, Any]:
            known = await unit.entries([f"creditor:{tenant}" for tenant in tenants])
            creditors = {tenant: creditor_of(doc) for tenant in tenants if (doc := known.get(f"creditor:{tenant}"))}
            return {tenant: standing_of(creditors.get(tenant), self.policies.get(tenant)) for tenant in tenants}

        return of

    def start(self, name: str) -> Worker:
        """One more process of a service."""
        house = self.houses[name]
        house.started += 1
        apart = timedelta(seconds=self.chance.between(-APART / 2, APART / 2) if house.skew else 0)
        worker = Worker(house, house.started, SkewedClock(self.shared, house.skew + apart), self)
        house.workers.append(worker)
        self.trace.add("start", worker.name)
        worker.process.start(self._watched(worker))
        return worker

    def skew_of(self, process: Process | None) -> timedelta:
        """How far the clock of a running process is ahead of the truth."""
        return next(w.clock.skew for house in self.houses.values() for w in house.workers if w.process is process)

    async def _watched(self, worker: Worker) -> None:
        """The orchestrator: what cannot start, or gives up, is killed, and `heal` starts another."""
        try:
            await worker.run()
            assert worker.runtime is not None
            why = await asyncio.shield(worker.runtime.fatal)
        except Exception as error:
            why = repr(error)
            self.trace.add("no start", f"{worker.name} {why}")
        else:
            self.trace.violated("I10 alive", f"{worker.name} gave up: {why}")
        self.kill(worker)

    def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        if not worker.process.dead:
            self.trace.add("kill", f"{worker.name} at step {worker.process.steps}")
            worker.process.kill()
            worker.clock.gone()

    def begin_drain(self, worker: Worker) -> None:
        """`drain`, as a task of nobody's."""
        task = self.loop.create_task(self.drain(worker), context=Context())
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)

    async def drain(self, worker: Worker) -> None:
        """SIGTERM: it finishes what it has in hand and ends."""
        if worker.runtime is None or worker.leaving:
            return
        worker.leaving = True
        self.trace.add("drain", worker.name)
        await asyncio.wait([worker.process.start(worker.runtime.stop())])
        self.kill(worker)

    def heal(self) -> None:
        """Start what should run and does not."""
        for house in self.houses.values():
            house.workers = [worker for worker in house.workers if not (worker.process.dead and worker.process.unwound)]
            if house.down_until is not None and self.shared.now() >= house.down_until:
                house.down_until = None
            if not house.is_down and not any(not worker.process.dead and not worker.leaving for worker in house.workers):
                self.start(house.name)

    def _appended(self, record: Record) -> None:
        if record.key == BEAT_KEY:
            self.beaten[record.topic, record.partition] = self.loop.time()
            return
        kind, event_id = header(record.headers, "ce_type") or "", header(record.headers, "ce_id") or ""
        where = f"{record.topic}/{record.partition}@{record.offset}"
        self.records.append((self.trace.add("record", f"{where} {kind.rpartition('.')[2]} {record.key!r} {event_id[-12:]}"), record))

    def _committed(self, house: House, changes: Changes) -> None:
        house.folded.update(changes.get("inbox", ()))
        told = " ".join(f"{table}:{len(changed)}" for table, changed in changes.items() if changed)
        if told:
            self.trace.add("commit", f"{house.name} {told}")
