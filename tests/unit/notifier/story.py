"""The history of one account in short words: each word is an event or command, folded by the real handlers."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from paycue.decision import Context, Decision, TimerFired
from paycue.events.v1 import account_pb2, common_pb2, dispute_pb2, payment_pb2, reminder_pb2, stop_pb2
from services.notifier.domain.calls import CallResult, Found
from services.notifier.domain.claim import Find, Send
from services.notifier.domain.commands import CallFinished, CallFound, DeliveryReported
from services.notifier.domain.gate import Gate, Message, Standing
from services.notifier.domain.replies import Delivery
from services.notifier.handlers import HANDLERS

NOW = datetime(2013, 3, 1, 9, tzinfo=UTC)
WHO: dict[str, Any] = {"tenant_id": "acme", "account_id": "a1"}
EMAIL, SMS = common_pb2.CHANNEL_EMAIL, common_pb2.CHANNEL_SMS
MAIL, OTHER_MAIL, PHONE = "a1@debtors.example", "b1@debtors.example", "+12025550123"
STANDING = Standing(creditor_name="Acme", sender_email="us@acme.example", sender_phone="+12025550199", channels=frozenset(["email", "sms"]))
LEASE = STANDING.lease_seconds
E = TypeVar("E")


def account(*addresses: str, version: int = 1) -> account_pb2.AccountRegistered:
    kinds = [common_pb2.CONTACT_KIND_EMAIL if "@" in address else common_pb2.CONTACT_KIND_PHONE for address in addresses]
    points = [common_pb2.ContactPoint(kind=kind, address=address) for kind, address in zip(kinds, addresses, strict=True)]
    return account_pb2.AccountRegistered(**WHO, version=version, name="Ann", locale="en", zone="UTC", contact_points=points)


def item(key: str, minor: int = 5000, version: int = 0) -> reminder_pb2.ReminderItem:
    return reminder_pb2.ReminderItem(invoice_id=key, currency="EUR", open_minor=minor, balance_version=version, due_on="2013-02-20")


def due(
    *items: reminder_pb2.ReminderItem, key: str = "r1", channels: tuple[int, ...] = (EMAIL, SMS), until: timedelta = timedelta(hours=9)
) -> reminder_pb2.ReminderDue:
    valid_until = Timestamp()
    valid_until.FromDatetime(NOW + until)
    return reminder_pb2.ReminderDue(
        **WHO,
        reminder_id=key,
        stage=common_pb2.STAGE_FRIENDLY,
        channels=channels,  # type: ignore[arg-type]
        items=items or [item("i1")],
        planned_on=date(2013, 3, 1).isoformat(),
        valid_until=valid_until,
    )


def balance(key: str, minor: int, version: int, cause: str = "p1") -> payment_pb2.BalanceChanged:
    told = payment_pb2.InvoiceBalance(invoice_id=key, currency="EUR", open_minor=minor, version=version, cause_id=cause)
    return payment_pb2.BalanceChanged(**WHO, balances=[told])


def money(key: str, *invoices: str) -> payment_pb2.PaymentReceived:
    return payment_pb2.PaymentReceived(
        **WHO, payment_id=key, currency="EUR", amount_minor=5000, received_on="2013-03-01", invoice_ids=invoices
    )


def applied(key: str, cause: str, *kept_for: str) -> payment_pb2.PaymentApplied:
    kept = [payment_pb2.Allocation(invoice_id=invoice, amount_minor=5000) for invoice in kept_for]
    return payment_pb2.PaymentApplied(**WHO, payment_id=key, cause_id=cause, currency="EUR", reserved=kept)


def rejected(key: str, cause: str) -> payment_pb2.PaymentRejected:
    return payment_pb2.PaymentRejected(**WHO, payment_id=key, cause_id=cause, reason="unknown currency")


def contested(key: str, invoice: str) -> dispute_pb2.DisputeRaised:
    return dispute_pb2.DisputeRaised(**WHO, dispute_id=key, invoice_id=invoice)


def registered(key: str, invoice: str, cause: str, version: int = 1) -> dispute_pb2.DisputeRegistered:
    return dispute_pb2.DisputeRegistered(**WHO, dispute_id=key, invoice_id=invoice, cause_id=cause, version=version)


def refused(key: str, invoice: str, cause: str) -> dispute_pb2.DisputeRefused:
    return dispute_pb2.DisputeRefused(**WHO, dispute_id=key, invoice_id=invoice, cause_id=cause, reason="unknown")


def resolved(key: str, invoice: str, credit: int = 0, version: int = 2) -> dispute_pb2.DisputeResolved:
    return dispute_pb2.DisputeResolved(**WHO, dispute_id=key, invoice_id=invoice, credit_minor=credit, version=version)


def paused(version: int, *invoices: str, whole: bool = False) -> account_pb2.AccountState:
    return account_pb2.AccountState(**WHO, version=version, paused=whole, paused_invoice_ids=invoices)


class Story:
    """An account's gate and everything its handlers said so far; `now` stands still until `at` moves it."""

    def __init__(self, facts: Iterable[Any] = (), *, standing: Standing = STANDING) -> None:
        self.gate, self.now, self.standing = Gate(), NOW, standing
        self.room, self.fresh = 0, True
        self.events, self.rows, self.calls, self.told = list[Any](), list[Any](), list[Any](), 0
        for fact in facts:
            self.tell(fact)

    def tell(self, fact: Any, cause: str = "") -> Decision[Gate]:
        """Fold one event or command; without a cause of its own it is told under a new one each time."""
        self.told += 1
        ctx = Context(self.now, "acme", "a1", cause or f"cause-{self.told}", self.standing, self.fresh, self.room)
        decision: Decision[Gate] = HANDLERS[type(fact)](self.gate, fact, ctx)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(decision.state), type=Gate) == decision.state
        self.gate = decision.state
        self.events += decision.events
        self.rows += decision.rows
        self.calls += decision.calls
        return decision

    def timers(self) -> "Story":
        """Fire the account's timer for as long as it is due."""
        for _ in range(20):
            if self.gate.next_action_at is None or self.gate.next_action_at > self.now:
                return self
            self.tell(TimerFired())
        raise AssertionError(f"the timer stays due: {self.gate}")

    def at(self, seconds: float) -> "Story":
        """Go on to so many seconds after the start, each timer on the way at its own instant."""
        target = NOW + timedelta(seconds=seconds)
        while self.timers().gate.next_action_at is not None and self.gate.next_action_at <= target:  # type: ignore[operator]
            self.now = self.gate.next_action_at  # type: ignore[assignment]
        self.now = target
        return self.timers()

    def ended(self, outcome: str, reason: str = "", *, call: int = -1, retry_after: float | None = None) -> "Story":
        """The provider call (the last one made, unless told) ends."""
        send = self.sends()[call]
        result = CallResult(outcome, reason=reason, retry_after=retry_after)  # type: ignore[arg-type]
        self.tell(CallFinished(send.reminder_id, send.call_id, result))
        return self.timers()

    def looked(self, found: Found) -> "Story":
        """The last lookup is answered."""
        find = self.finds()[-1]
        self.tell(CallFound(find.send.reminder_id, find.send.call_id, found, find.asked_at))
        return self.timers()

    def report(self, status: Delivery, code: str = "", *, call: int = -1) -> "Story":
        """The provider reports on a call."""
        send = self.sends()[call]
        self.tell(DeliveryReported(send.reminder_id, send.call_id, send.recipient, "SM1", status, code))
        return self.timers()

    def sends(self) -> list[Send]:
        return [call for call in self.calls if isinstance(call, Send)]

    def finds(self) -> list[Find]:
        return [call for call in self.calls if isinstance(call, Find)]

    def recipients(self) -> list[str]:
        return [send.recipient for send in self.sends()]

    def message(self, key: str = "r1") -> Message:
        found = self.gate.message(key)
        assert found is not None, "the message has come to its end"
        return found

    def outcomes(self) -> list[str]:
        """Every outcome told, such as `sent` or `skipped settled`."""
        told = [event for event in self.events if not isinstance(event, stop_pb2.StopReceipt)]
        return [f"{type(event).__name__.removeprefix('Reminder').lower()} {getattr(event, 'reason', '')}".strip() for event in told]

    def receipts(self) -> list[stop_pb2.StopReceipt]:
        """Every stop that was acknowledged."""
        return [event for event in self.events if isinstance(event, stop_pb2.StopReceipt)]

    def wrote(self, kind: type[E]) -> list[E]:
        return [row for row in self.rows if isinstance(row, kind)]


def sent(*facts: Any) -> Story:
    """An account with a mail address and a phone whose reminder was just claimed, after these facts."""
    return Story([account(MAIL, PHONE), *facts, due()]).timers()
