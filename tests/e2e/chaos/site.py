"""A run's whole scene: the ground, the services on it, the creditors whose debtors are reminded, the book, and whoever starts a service
again that ended by itself, as an orchestrator does.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.e2e.chaos.book import Book
from tests.e2e.chaos.ground import Ground, ground
from tests.e2e.chaos.listener import Listener, listening
from tests.e2e.estate import SERVICES, Estate
from tests.e2e.processes import Process, free_port, is_ok
from tests.e2e.world import World, creditor

RATE = "400"
"""Messages a second and channel: more than the load asks for, so that nothing queues for a quiet second."""
QUICK = {
    # A killed service's partitions are its successor's after this, not after ten seconds of silence.
    "PAYCUE_KAFKA_SESSION_SECONDS": "3",
    # Providers are slow here: what is between a claim and its message's arrival is what stops have to reckon with.
    "PAYCUE_SMTP_CONNECTIONS": "100",
    "PAYCUE_SMS_CONCURRENCY": "100",
    "PAYCUE_EMAIL_RATE": RATE,
    "PAYCUE_SMS_RATE": RATE,
    # The looks that count come once no message of the call can be under way any more: 13 seconds after its claim.
    "PAYCUE_FIND_AFTER": "[1, 5, 14, 30, 60]",
}
POLICY = """
policy: plain
version: 1
consolidate: {by}
steps:
  - {{when: due, stage: friendly, channels: [email, sms]}}
"""
_LOOKS_EVERY = 0.2
_READY_WITHIN = 90.0


@dataclass
class Site:
    """The scene. `plain` has a message for each invoice, `joint` one for all invoices of an account."""

    ground: Ground
    estate: Estate
    plain: World
    joint: World
    book: Book
    listener: Listener
    rng: random.Random
    """Decides what is drawn for the faults."""
    ended: list[str] = field(default_factory=list)
    """Services that ended by themselves, with their last words."""
    extra: list[str] = field(default_factory=list)
    """What went wrong beside the reminders themselves, in words."""
    poisoned: int = 0
    """Accounts that a record was spoilt for."""
    locks: dict[str, asyncio.Lock] = field(default_factory=lambda: {name: asyncio.Lock() for name in SERVICES})
    """Nobody kills or freezes a service that another scenario has in hand."""
    _down: set[str] = field(default_factory=set)
    _twins: int = 0

    @property
    def worlds(self) -> tuple[World, World]:
        return self.plain, self.joint

    @contextmanager
    def down(self, *services: str) -> Iterator[None]:
        """Services whose end is meant."""
        self._down.update(services)
        try:
            yield
        finally:
            self._down.difference_update(services)

    async def watch(self) -> None:
        """Start again whatever ended by itself, until cancelled."""
        while True:
            await asyncio.sleep(_LOOKS_EVERY)
            for name, process in self.estate.processes.items():
                if name not in self._down and (status := process.status()) is not None:
                    words = [line for line in process.said().splitlines() if line.startswith("paycue:")]
                    self.ended.append(f"{name} ended with {status} during {self.book.scenario}: {words[-1] if words else 'no word'}")
                    process.start()

    async def slow(self) -> None:
        """Providers answer now at once and now after a while, until cancelled: half a second to a mail's dot, and as long for an SMS."""
        while True:
            self.ground.smtp.delay = self.rng.choice((0.0, 0.02, 0.05))
            self.ground.twilio.delay = self.rng.choice((0.0, 0.1, 0.3))
            await asyncio.sleep(self.rng.uniform(0.2, 1))

    async def ready(self, service: str) -> None:
        """Until a service is ready, though it may end by itself and be started again meanwhile. That it never is so is a finding."""
        try:
            async with asyncio.timeout(_READY_WITHIN), httpx2.AsyncClient(trust_env=False, timeout=5) as client:
                while not await is_ok(client, f"{self.estate.urls[service]}/readyz"):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            said = self.estate.processes[service].said()[-500:]
            self.extra.append(f"{service} was not ready within {_READY_WITHIN:.0f} s of {self.book.scenario}: {said}")

    def twin(self, service: str) -> Process:
        """A second instance of a service, not started."""
        self._twins += 1
        environment = {**self.estate.environment, f"PAYCUE_{service.upper()}_PORT": str(free_port())}
        return Process(f"{service}-twin{self._twins}", ("run", service), self.estate.folder, environment)


@asynccontextmanager
async def site(folder: Path, seed: int) -> AsyncIterator[Site]:
    """The scene, all services at work; at the end everything stopped, whatever happened."""
    async with AsyncExitStack() as stack:
        below = await stack.enter_async_context(ground(folder))
        book = Book(random.Random(f"load {seed}"))
        below.inbox.watch(book.receive)
        estate = Estate(below, below.database_url, below.inbox, folder, QUICK | below.environment)
        await asyncio.gather(estate.run("migrate"), estate.run("topics"))
        stack.callback(_kill, estate)
        await estate.start()
        plain, joint = [await stack.enter_async_context(creditor(estate)) for _ in range(2)]
        for world, by in ((plain, "invoice"), (joint, "account")):
            await world.policy(POLICY.format(by=by))
        listener = await stack.enter_async_context(listening(below.kafka, book))
        made = Site(below, estate, plain, joint, book, listener, random.Random(f"faults {seed}"))
        for work in (made.watch(), made.slow()):
            stack.callback(asyncio.ensure_future(work).cancel)
        yield made


def _kill(estate: Estate) -> None:
    """Nothing is left running, however the run ended."""
    for name in SERVICES:
        if estate.processes[name].status() is None:
            estate.processes[name].kill()
