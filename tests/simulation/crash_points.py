"""One short story, killed at every await in turn: a reminder is sent while a stop comes, in fair weather but for the kill.

A step of a process is what runs between two awaits. A story is told once to count the steps of each service while it happens, and then
once for each of them.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from paycue.events.v1 import payment_pb2
from services.notifier.domain.commands import OptOut
from services.payments.domain.commands import RecordPayment
from services.scheduler.domain.commands import PauseInvoice
from services.scheduler.domain.policy import Policy, Step
from tests.simulation.actions import Bill, Debtor, Published, Replied
from tests.simulation.book import Book
from tests.simulation.chance import Chance
from tests.simulation.incidents import closed
from tests.simulation.simulation import Simulation, play
from tests.simulation.words import registered

STARTS = date(2024, 3, 4)
OPENING = datetime(2024, 3, 5, 8, tzinfo=UTC)
_DAYS = 3
_A_WHILE = timedelta(seconds=8)
_BACK_AFTER = 2.0
STOPS = ("payment", "request", "pause", "opt_out", "reply")
SERVICES = ("notifier", "scheduler", "payments")


class ShortBook(Book):
    """One debtor of one creditor, one invoice that is due on the second day, and one stop just after its reminder may leave."""

    def __init__(self, chance: Chance, stop: str) -> None:
        self.chance, self.days, self.start = chance, _DAYS, datetime.combine(STARTS, time(), UTC)
        self.debtors, self.bills, self.actions, self.reached, self._count = [], [], [], {}, 0
        channel, address = ("sms", "+12025550101") if stop == "reply" else ("email", "a1@debtors.example")
        policy = Policy("short", 1, (Step("due", 0, "friendly", (channel,)),), "invoice", time(8), time(18))
        self.policies = {"acme": [policy]}
        self._tell(self.start, self._registered("acme"))
        self._at(self.start, Published("acme", policy))
        debtor = Debtor("acme", "a1", "UTC", (address,))
        bill = Bill(debtor, "I-1", "EUR", 5000, STARTS, OPENING.date())
        self.debtors.append(debtor)
        self.bills.append(bill)
        self._tell(self.start + timedelta(minutes=1), registered(debtor))
        self._tell(self.start + timedelta(minutes=2), self._issued(bill))
        self._stop(stop, OPENING + timedelta(seconds=0.1), bill)
        self.actions.sort(key=lambda action: action.at)

    def _stop(self, stop: str, at: datetime, bill: Bill) -> None:
        debtor = bill.debtor
        match stop:
            case "payment":
                money: dict[str, Any] = {"payment_id": "P-1", "currency": "EUR", "amount_minor": 5000, "received_on": at.date().isoformat()}
                self._tell(at, payment_pb2.PaymentReceived(**self._whose(debtor), **money, invoice_ids=["I-1"]))
            case "request":
                self._ask(at, "payments", debtor, RecordPayment("P-1", "EUR", 5000, at.date(), ("I-1",)))
            case "pause":
                self._ask(at, "scheduler", debtor, PauseInvoice("I-1", "a question"))
            case "reply":
                self._at(at, Replied(debtor.addresses[0], "SM-1"))
            case _:
                self._ask(at, "notifier", debtor, OptOut(debtor.addresses[0], "email", "reply", "STOP"))


class ShortStory(Simulation):
    """The story with a kill of `service` before its step number `at`, counted from the opening of the window; 0: with none."""

    def __init__(self, stop: str, service: str, at: int, tell: Callable[[str], None] | None = None) -> None:
        super().__init__(1, _DAYS, tell, book=lambda chance, _: ShortBook(chance, stop))
        self.chance.calm()
        for house in self.estate.houses.values():
            house.skew = timedelta()
        self.service, self.steps, self._at, self._counting = service, 0, at, False

    def trouble(self) -> None:
        """Once the window opens, every step of the service counts."""
        if not self._counting and self.shared.now() >= OPENING - timedelta(minutes=10):
            self._counting = True
            for worker in self.estate.houses[self.service].working:
                worker.process.on_step = self._step

    def _step(self, _: int) -> None:
        if self.shared.now() > OPENING + _A_WHILE:
            return
        self.steps += 1
        if self.steps == self._at:
            house = self.estate.houses[self.service]
            for worker in house.working:
                self.estate.kill(worker)
            closed(self.estate, house, _BACK_AFTER)


def told(stop: str, service: str, at: int, tell: Callable[[str], None] | None = None) -> ShortStory:
    """The story when `service` is killed before its step `at`; 0: when nobody is."""
    story = ShortStory(stop, service, at, tell)
    play(story)
    return story


def broken(stop: str, service: str) -> tuple[int, list[str]]:
    """How many crash points the service has in the story, and what does not hold after some of them, with how to see it again."""
    steps = told(stop, service, 0).steps
    stories = ((at, told(stop, service, at).trace.violations) for at in range(1, steps + 1))
    return steps, [f"{found[0]}\n    {again(stop, service, at)}" for at, found in stories if found]


def again(stop: str, service: str, at: int) -> str:
    """The command that tells one story with a trace that can be read."""
    return f"python -m tests.simulation CRASH={stop}:{service}:{at}"
