"""The world of one seed: creditors, debtors in six zones, what they owe and pay, contest and ask for, and when each of it is told.

Times are true time. Much of it comes just when a window opens, for that is when messages leave and stops race them.
"""

from copy import copy
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from google.protobuf.message import Message

from paycue.clock import instant
from paycue.events.v1 import directory_pb2, dispute_pb2, invoice_pb2, payment_pb2
from services.disputes.domain.commands import ResolveDispute
from services.notifier.domain.commands import OptOut
from services.payments.domain.commands import IssueCreditNote, RecordPayment
from services.scheduler.domain.commands import PauseAccount, PauseInvoice, ResumeAccount, ResumeInvoice
from services.scheduler.domain.policy import Policy, Step
from tests.simulation.actions import Action, Asked, Bill, Debtor, Fact, Garbage, Published, Tidied, What
from tests.simulation.chance import Chance
from tests.simulation.words import registered, replies

ZONES = ("Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Auckland", "America/Santiago")
# A month that contains a day on which the clocks of one of the zones are put forward or back.
STARTS = (date(2024, 3, 1), date(2024, 3, 20), date(2024, 4, 1), date(2024, 8, 25), date(2024, 9, 20), date(2024, 10, 10), date(2024, 2, 5))
STEPS = ((-7, "friendly"), (-1, "friendly"), (0, "friendly"), (3, "firm"), (7, "firm"), (10, "final_demand"), (14, "final_demand"))
WINDOWS = ((8, 18), (9, 12), (0, 0), (2, 4), (16, 23))


class Book:
    """Everything that will happen, by instant."""

    def __init__(self, chance: Chance, days: int) -> None:
        self.chance, self.days = chance, days
        self.start = datetime.combine(chance.one_of(STARTS), time(), UTC)
        self.policies: dict[str, list[Policy]] = {}
        self.debtors: list[Debtor] = []
        self.bills: list[Bill] = []
        self.actions: list[Action] = []
        self.reached: dict[tuple[str, str], tuple[str, ...]] = {}
        """Addresses that an account gets later on."""
        self._count = 0
        for tenant in ("acme", "beta"):
            self._creditor(tenant)
        self._replies()
        self.actions.sort(key=lambda action: action.at)

    def _replies(self) -> None:
        """By a chance apart: where nobody answers, a seed's story is the one without answers."""
        apart = copy(self)
        apart.chance = self.chance.apart("replies")
        said, reached = replies(apart)
        self.reached |= reached
        for action in said:
            self._at(action.at, action.what)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=self.days)

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count:04}"

    def _at(self, at: datetime, what: What) -> None:
        if at < self.end:
            self.actions.append(Action(at, what))

    def _tell(self, at: datetime, event: Message) -> str:
        event_id = self._id("e")
        self._at(at, Fact(event, event_id))
        return event_id

    def _ask(self, at: datetime, service: str, debtor: Debtor, command: Any) -> None:
        self._at(at, Asked(service, debtor.tenant, debtor.account, command, self._id("c")))

    def _creditor(self, tenant: str) -> None:
        chance = self.chance
        self._tell(self.start, self._registered(tenant))
        policy = self._policy(tenant, 1)
        self.policies[tenant] = [policy]
        self._at(self.start, Published(tenant, policy))
        if chance.happens(0.2):
            policy = self._policy(tenant, 2)
            self.policies[tenant].append(policy)
            self._at(self._sometime(2), Published(tenant, policy))
        for number in range(chance.whole(2, 3)):
            self._debtor(tenant, number, policy)
        for _ in range(chance.one_of((0, 0, 1, 3))):
            opening = self.moment(chance.one_of([bill for bill in self.bills if bill.debtor.tenant == tenant]), policy)
            at = opening + timedelta(seconds=chance.one_of((0.0, chance.between(0, 90))))
            self._tell(at, self._registered(tenant, "ordered by a court"))
            self._tell(at + timedelta(days=chance.between(0.01, 3)), self._registered(tenant))

    def _registered(self, tenant: str, suspended: str = "") -> directory_pb2.CreditorRegistered:
        return directory_pb2.CreditorRegistered(tenant_id=tenant, name=f"House of {tenant}", zone="UTC", suspended=suspended)

    def _policy(self, tenant: str, version: int) -> Policy:
        chance = self.chance
        channels = chance.one_of((("email",), ("sms",), ("email", "sms"), ("sms", "email")))
        chosen = [step for step in STEPS if chance.happens(0.6)] or [STEPS[2]]
        steps = tuple(Step(f"due{offset:+}d" if offset else "due", offset, stage, channels) for offset, stage in chosen)
        opens, closes = chance.one_of(WINDOWS)
        return Policy(
            *(f"standard-{tenant}", version, steps, chance.one_of(("invoice", "account")), time(opens), time(closes)),
            days=chance.one_of(("all", "all", "working")),
            minimum_gap=chance.one_of((0, 0, 2)),
        )

    def _sometime(self, after: int) -> datetime:
        return self.start + timedelta(days=self.chance.between(after, max(after + 1, self.days)))

    def _debtor(self, tenant: str, number: int, policy: Policy) -> None:
        chance, account = self.chance, f"{tenant}-{number}"
        addresses = (f"{account}@debtors.example", f"+120255501{len(self.debtors):02}")
        debtor = Debtor(tenant, account, chance.one_of(ZONES), addresses if chance.happens(0.8) else addresses[:1])
        self.debtors.append(debtor)
        # Sometimes decisions are taken before anybody knows where the debtor lives.
        late = timedelta(days=chance.between(0, self.days / 3)) if chance.happens(0.1) else timedelta()
        self._tell(self.start + timedelta(seconds=chance.between(1, 60)) + late, registered(debtor))
        for _ in range(chance.whole(1, max(3, self.days // 10))):
            self._bill(debtor, policy)
        self._wishes(debtor, policy)
        if chance.happens(0.15):
            self._garbage(debtor, policy)

    def _garbage(self, debtor: Debtor, policy: Policy) -> None:
        at = self.moment(self.chance.one_of([bill for bill in self.bills if bill.debtor is debtor]), policy)
        topic, kind = self.chance.one_of((("erp.invoices.v1", "InvoiceIssued"), ("erp.payments.v1", "PaymentReceived")))
        self._at(at, Garbage(topic, f"paycue.events.v1.{kind}", debtor.tenant, debtor.account, self._id("g")))
        self._at(at + timedelta(minutes=self.chance.between(0, 50)), Tidied())

    def _bill(self, debtor: Debtor, policy: Policy) -> None:
        chance = self.chance
        issued_on = (self.start + timedelta(days=chance.between(0, max(self.days / 3, self.days - 25)))).date()
        due_on = issued_on + timedelta(days=chance.whole(0, 12))
        bill = Bill(debtor, self._id("I"), chance.one_of(("EUR", "EUR", "USD", "JPY")), chance.whole(1000, 90000), issued_on, due_on)
        self.bills.append(bill)
        told_at = instant(issued_on, time(chance.whole(0, 20)), debtor.zone) + timedelta(days=3 if chance.happens(0.1) else 0)
        self._tell(max(told_at, self.start + timedelta(minutes=2)), self._issued(bill))
        if chance.happens(0.75):
            self._payment(bill, policy)
        if chance.happens(0.3):
            self._dispute(bill, policy)
        if chance.happens(0.15):
            note = IssueCreditNote(self._id("N"), bill.invoice_id, bill.currency, chance.whole(1, bill.amount_minor), "goodwill")
            self._ask(self.moment(bill, policy), "payments", debtor, note)

    def _issued(self, bill: Bill) -> invoice_pb2.InvoiceIssued:
        return invoice_pb2.InvoiceIssued(
            tenant_id=bill.debtor.tenant,
            account_id=bill.debtor.account,
            invoice_id=bill.invoice_id,
            currency=bill.currency,
            amount_minor=bill.amount_minor,
            issued_on=bill.issued_on.isoformat(),
            due_on=bill.due_on.isoformat(),
        )

    def moment(self, bill: Bill, policy: Policy) -> datetime:
        """Rather often within seconds of an opening of the window on the day of a step."""
        chance, step = self.chance, self.chance.one_of(policy.steps)
        opening = instant(bill.due_on + timedelta(days=step.offset_days), policy.window_from, bill.debtor.zone)
        if chance.happens(0.7):
            return max(opening + timedelta(seconds=chance.between(-2, 8)), self.start + timedelta(minutes=3))
        return self._sometime(0)

    def _payment(self, bill: Bill, policy: Policy) -> None:
        chance, whose = self.chance, self._whose(bill.debtor)
        at, payment_id = self.moment(bill, policy), self._id("P")
        minor = bill.amount_minor if chance.happens(0.7) else chance.whole(1, bill.amount_minor * 2)
        named = [bill.invoice_id] if chance.happens(0.7) else []
        received_on = (at - timedelta(days=3 if chance.happens(0.2) else 0)).date()
        money: dict[str, Any] = {"payment_id": payment_id, "currency": bill.currency, "amount_minor": minor}
        if chance.happens(0.3):
            self._ask(at, "payments", bill.debtor, RecordPayment(**money, received_on=received_on, invoice_ids=tuple(named)))
        else:
            paid = payment_pb2.PaymentReceived(**whose, **money, received_on=received_on.isoformat(), invoice_ids=named)
            self._tell(at, paid)
            if chance.happens(0.15):
                self._tell(at + timedelta(hours=chance.between(0, 30)), paid)
        if chance.happens(0.2):
            back = payment_pb2.PaymentReturned(**whose, return_id=self._id("R"), payment_id=payment_id, currency=bill.currency)
            self._tell(at + timedelta(days=chance.between(-0.1, 6)), back)
        if chance.happens(0.3):
            self._payment(bill, policy)

    def _whose(self, debtor: Debtor) -> dict[str, Any]:
        return {"tenant_id": debtor.tenant, "account_id": debtor.account}

    def _dispute(self, bill: Bill, policy: Policy) -> None:
        chance, whose = self.chance, self._whose(bill.debtor)
        at, dispute_id = self.moment(bill, policy), self._id("D")
        minor = chance.whole(1, bill.amount_minor) if chance.happens(0.5) else 0
        raised = dispute_pb2.DisputeRaised(**whose, dispute_id=dispute_id, invoice_id=bill.invoice_id, disputed_minor=minor)
        raised.currency, raised.reason = bill.currency if minor else "", dispute_pb2.DISPUTE_REASON_OTHER
        self._tell(at, raised)
        if chance.happens(0.7):
            later, outcome = at + timedelta(days=chance.between(0, 8)), chance.one_of(("valid", "invalid", "withdrawn"))
            if chance.happens(0.5):
                self._ask(later, "disputes", bill.debtor, ResolveDispute(dispute_id, outcome, by="desk"))
            else:
                name = f"DISPUTE_OUTCOME_{outcome.upper()}"
                self._tell(later, dispute_pb2.DisputeDecided(**whose, dispute_id=dispute_id, outcome=name))

    def _wishes(self, debtor: Debtor, policy: Policy) -> None:
        """What a debtor, or somebody at the desk, asks for."""
        chance = self.chance
        bills = [bill for bill in self.bills if bill.debtor is debtor]
        if chance.happens(0.3):
            at = self.moment(chance.one_of(bills), policy)
            self._ask(at, "scheduler", debtor, PauseAccount("asked for time"))
            if chance.happens(0.7):
                self._ask(at + timedelta(days=chance.between(0, 6)), "scheduler", debtor, ResumeAccount("time is over"))
        if chance.happens(0.3):
            bill = chance.one_of(bills)
            at = self.moment(bill, policy)
            self._ask(at, "scheduler", debtor, PauseInvoice(bill.invoice_id, "a question"))
            if chance.happens(0.7):
                self._ask(at + timedelta(days=chance.between(0, 6)), "scheduler", debtor, ResumeInvoice(bill.invoice_id))
        if chance.happens(0.15):
            address = chance.one_of(debtor.addresses)
            said = OptOut(address, "email" if "@" in address else "sms", "reply", "STOP")
            self._ask(self.moment(chance.one_of(bills), policy), "notifier", debtor, said)
