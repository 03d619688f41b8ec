"""One seed from its first instant to its last: act, let everything come to rest, check, move on to the next interesting instant.

Business time flows while something is going on and jumps when all is at rest, so that a month costs its bursts of activity alone.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog

from paycue.bus.bus import BusError
from paycue.bus.directory import entry_key
from paycue.bus.envelope import Outgoing, headers_for, outgoing
from paycue.bus.topics import topic_of
from paycue.db.engine import is_transient
from paycue.events.v1.directory_pb2 import CreditorRegistered
from paycue.ids import account_key, drawn_from
from paycue.testing.clocks import SharedTime
from paycue.testing.virtual_loop import VirtualLoop
from tests.simulation import incidents, requests, rest
from tests.simulation.actions import Action, Asked, Fact, Garbage, Published, Replied, Tidied
from tests.simulation.book import Book
from tests.simulation.chance import Chance
from tests.simulation.estate import Estate, House, Worker
from tests.simulation.history import GARBAGE
from tests.simulation.judge import Judge
from tests.simulation.providers import Received
from tests.simulation.trace import Trace, Violation

PATIENCE_SECONDS = 400.0
"""Of the loop: what has not come to rest by then is stuck."""
AFTERWARDS = timedelta(days=3)
"""How long a simulation goes on after its last fact, in fair weather, for lookups and repeats to end."""
_LOOK_SECONDS = 0.05
_BETWEEN_LOOKS = timedelta(minutes=5)
_CLIENT_SECONDS = 10.0
_REPORTS: tuple[requests.Report, ...] = ("sent", "delivered", "delivered")


class Outcome(msgspec.Struct, frozen=True):
    """What became of a seed."""

    seed: int
    days: int
    digest: str
    violations: tuple[Violation, ...]
    counts: dict[str, int]


class Simulation:
    """All that one seed decides."""

    def __init__(
        self, seed: int, days: int, tell: Callable[[str], None] | None = None, *, book: Callable[[Chance, int], Book] = Book
    ) -> None:
        self.chance = Chance(seed)
        self.loop = VirtualLoop(self.chance.shuffle)
        self.book = book(self.chance, days)
        self.shared = SharedTime(self.book.start, self.loop)
        self.trace = Trace(self.shared.now, tell)
        self.estate = Estate(self.loop, self.shared, self.chance, self.trace)
        self.judge = Judge(self.book, self.estate, self.trace)
        for provider in self.estate.providers.values():
            provider.takers.append(self._taken)
        self._acting, self._fair = set[asyncio.Task[None]](), False
        self._patient = Counter[str]()

    async def run(self) -> None:
        """To the end of its days, and a while longer in fair weather."""
        left = list(self.book.actions)
        await self._settle()
        while not self.trace.violations and (at := self._next(left)) is not None:
            self.shared.move_to(at)
            if self.shared.now() < self.book.end:
                self.trouble()
            else:
                self._fair_weather()
            while left and left[0].at <= self.shared.now():
                self._act(left.pop(0))
            await self._settle()
            self.judge.after_a_burst()
        if not self.trace.violations:
            self.judge.at_the_end()

    def trouble(self) -> None:
        """Perhaps something is about to happen to one of the services."""
        incidents.arm(self.estate, self.chance)

    def _taken(self, received: Received) -> None:
        """A provider may report on what it took, once or more often, soon or late."""
        if received.channel == "sms":
            for status in self.chance.some_of(_REPORTS, 0.3):
                report = partial(requests.report, self.judge, received=received, status=status)
                self._begin(self._insist("notifier", report, self.chance.one_of((0.2, 5.0))))

    def _fair_weather(self) -> None:
        """Nothing goes wrong any more, and whatever was set aside meanwhile is looked through once more."""
        if self._fair:
            return
        self._fair = True
        self.chance.calm()
        self._act(Action(self.shared.now(), Tidied()))
        for house in self.estate.houses.values():
            house.down_until = None
            for worker in house.workers:
                worker.process.on_step = None

    def _next(self, left: list[Action]) -> datetime | None:
        """The next instant at which anything is to happen; None when nothing is, or not in time."""
        wanted = [left[0].at] if left else []
        for house in self.estate.houses.values():
            if house.down_until is not None:
                wanted.append(house.down_until)
            elif house.service.loops and (due := house.first_timer()) is not None:
                wanted.append(max(due, self._earliest_look(house)))
        now, end = self.shared.now(), self.book.end
        if now < end:
            return min([*wanted, end])
        at = min(wanted, default=None)
        return at if at is not None and at < end + AFTERWARDS else None

    def _earliest_look(self, house: House) -> datetime:
        """A service whose feeds are stale looks again every ten seconds; looking less often shows the same."""
        stale = any(worker.runtime is not None and worker.runtime.notes() for worker in house.working)
        return self.shared.now() + (_BETWEEN_LOOKS if stale else timedelta())

    def _act(self, action: Action) -> None:
        match action.what:
            case Fact() as fact:
                self._begin(self._send(self._record(fact)))
            case Garbage() as garbage:
                self._begin(self._send(self._unreadable(garbage)))
            case Tidied():
                for service in sorted(self.estate.houses):
                    self._begin(self._insist(service, requests.tidy))
            case Asked() as asked:
                self._begin(self._insist(asked.service, partial(requests.obey, self.judge, asked=asked)))
            case Replied() as reply:
                self._begin(self._insist("notifier", partial(requests.silence, self.judge, reply=reply)))
            case Published() as published:
                if published.policy.version == 1:
                    # Whoever begins has a policy first: what was settled before there was one has no steps to record.
                    self.estate.policies[published.tenant] = published.policy
                self._begin(self._insist("scheduler", partial(requests.put_in_force, self.estate, published=published)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def _send(self, record: Outgoing) -> None:
        """An ERP repeats what was not acknowledged."""
        await self.chance.passes(0.2)
        while True:
            try:
                return await self.estate.bus.publish([record])
            except BusError:
                await asyncio.sleep(1)

    def _unreadable(self, garbage: Garbage) -> Outgoing:
        key = account_key(garbage.tenant, garbage.account)
        headers = headers_for(garbage.event_id, "urn:erp", garbage.type, self.shared.now(), None)
        return Outgoing(garbage.topic, self.estate.bus.partition(garbage.topic, key), key, GARBAGE, headers)

    def _record(self, fact: Fact) -> Outgoing:
        event, topic = fact.event, topic_of(type(fact.event))
        creditor = isinstance(event, CreditorRegistered)
        key = entry_key(event) if isinstance(event, CreditorRegistered) else account_key(event.tenant_id, event.account_id)  # type: ignore[attr-defined]
        partition = 0 if creditor else self.estate.bus.partition(topic.name, key)
        return outgoing(event, event_id=fact.event_id, source="urn:erp", at=self.shared.now(), partition=partition, key=key)

    async def _insist(self, service: str, request: Callable[[Worker], Coroutine[Any, Any, str]], after: float = 0.2) -> None:
        """A client asks until it is answered; its requests are requests of one of the service's processes."""
        await self.chance.passes(after)
        house = self.estate.houses[service]
        while True:
            await self._until_up(house)
            if working := house.working:
                task = self.chance.one_of(working).process.start(request(self.chance.one_of(working)))
                await asyncio.wait([task], timeout=_CLIENT_SECONDS)
                if task.done() and not task.cancelled() and self._answered(service, task):
                    return
            await asyncio.sleep(1)

    def _waiting_for_a_start(self) -> int:
        """Who waits for a service that is down for hours keeps nothing else from coming to rest."""
        return sum(self._patient[house.name] for house in self.estate.houses.values() if house.down_until is not None)

    async def _until_up(self, house: House) -> None:
        self._patient[house.name] += 1
        while house.down_until is not None:
            await asyncio.sleep(1)
        self._patient[house.name] -= 1

    def _answered(self, service: str, task: asyncio.Task[str]) -> bool:
        """Whether the client need not ask again."""
        error = task.exception()
        if error is None:
            self.trace.add("answer", f"{service} {task.result()}")
        elif not is_transient(error):
            self.trace.violated("API", f"{service} answered with an error of its own: {error!r}")
        return error is None

    async def _settle(self) -> None:
        """Until all is at rest."""
        began = self.loop.time()
        self.estate.heal()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.estate.heal()
            acting = len(self._acting) - self._waiting_for_a_start()
            waiting = f"{acting} actions" if acting else rest.unrest(self.estate)
            if not waiting or self.trace.violations:
                return
            if self.loop.time() > began + PATIENCE_SECONDS:
                return self.trace.violated("I10 alive", f"not at rest after {PATIENCE_SECONDS:.0f} seconds: {waiting}")

    def close(self) -> None:
        """Kill what is left and let it unwind."""
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _end(self) -> None:
        for house in self.estate.houses.values():
            for worker in house.workers:
                worker.process.kill()
        await asyncio.sleep(60)


def _quiet(*_: object) -> structlog.typing.EventDict:
    """What services log of a storm interests nobody; what matters is in the trace."""
    raise structlog.DropEvent


def run(seed: int, days: int = 30, tell: Callable[[str], None] | None = None) -> Outcome:
    """Simulate a seed. `tell` hears its trace line by line."""
    simulation = Simulation(seed, days, tell)
    play(simulation)
    trace = simulation.trace
    return Outcome(seed, days, trace.digest, tuple(trace.violations), dict(trace.counts))


def play(simulation: Simulation) -> None:
    """Run a simulation that nobody hears of but its trace."""
    structlog.configure(processors=[_quiet])
    try:
        with drawn_from(simulation.chance.id):
            try:
                simulation.loop.run_until_complete(simulation.run())
            finally:
                simulation.close()
    finally:
        structlog.reset_defaults()
