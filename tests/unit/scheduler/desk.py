"""A scheduler of one account made of values: facts and commands in, what it says and writes down out. Time stands where a test puts it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from paycue.decision import Context, TimerFired
from paycue.events.v1 import account_pb2, dispute_pb2, invoice_pb2, payment_pb2, reminder_pb2
from services.scheduler.domain.account import Account
from services.scheduler.domain.policy import Policy
from services.scheduler.domain.policy_form import read_policy
from services.scheduler.domain.rows import Decided
from services.scheduler.domain.standing import Moment, Standing, moment_of
from services.scheduler.handlers import HANDLERS

WHO = {"tenant_id": "acme", "account_id": "A1"}
LADDER = """
policy: standard
version: 1
window: {from: "09:00", to: "18:00", days: all}
steps:
  - {when: due - 7d,  stage: friendly, channels: [email]}
  - {when: due,       stage: friendly, channels: [email]}
  - {when: due + 7d,  stage: firm,     channels: [email, sms]}
  - {when: due + 15d, stage: firm,     channels: [email, sms]}
  - {when: due + 30d, stage: final_demand, channels: [email]}
"""


def issued(
    invoice: str = "I1", issued_on: str = "2013-01-01", due_on: str = "2013-02-01", minor: int = 10_000, currency: str = "USD"
) -> Any:
    return invoice_pb2.InvoiceIssued(**WHO, invoice_id=invoice, currency=currency, amount_minor=minor, issued_on=issued_on, due_on=due_on)


def registered(zone: str, version: int = 1) -> Any:
    return account_pb2.AccountRegistered(tenant_id="acme", account_id="A1", version=version, zone=zone, locale="en")


def balance(kind: str, version: int, open_minor: int = 0, invoice: str = "I1", reopening: int = 0) -> Any:
    """A balance as `settled`, `reopened` or `changed`."""
    told = payment_pb2.InvoiceBalance(invoice_id=invoice, currency="USD", open_minor=open_minor, version=version, reopening=reopening)
    if kind == "changed":
        return payment_pb2.BalanceChanged(**WHO, balances=[told])
    return (payment_pb2.InvoiceSettled if kind == "settled" else payment_pb2.InvoiceReopened)(**WHO, balance=told)


def dispute(kind: str, version: int = 1, invoice: str = "I1", dispute_id: str = "D1") -> Any:
    """A dispute as `registered`, `reviewed` or `resolved`."""
    event = {"registered": dispute_pb2.DisputeRegistered, "reviewed": dispute_pb2.DisputeReviewed, "resolved": dispute_pb2.DisputeResolved}
    return event[kind](**WHO, dispute_id=dispute_id, invoice_id=invoice, version=version)


_MOST_TIMERS = 5000
"""More than any story has; a timer that stays due never ends."""


class Desk:
    """One account of the creditor acme. `zone` is where tests tell the time; it is the creditor's too."""

    def __init__(self, policy: Policy | None, zone: str = "UTC", live_from: date | None = None, suspended: str = "") -> None:
        self.standing = Standing(policy, zone, live_from, suspended=suspended)
        self.zone, self.state = zone, Account()
        self.now = datetime(2012, 1, 1, tzinfo=UTC)
        self.events: list[Any] = []
        self.rows: list[Any] = []
        self.causes = 0

    def at(self, local: str) -> "Desk":
        """Go to a local time, firing every timer on the way at its own instant."""
        target = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        for _ in range(_MOST_TIMERS):
            if (due := self.state.next_action_at) is None or due > target:
                self.now = target
                return self
            self.now = max(self.now, due)
            self.fold(TimerFired())
        raise AssertionError(f"the timer stays due: {self.state}")

    def jump(self, local: str) -> "Desk":
        """Go to a local time as after an outage: no timer fires on the way."""
        self.now = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        return self

    def fold(self, *events: Any) -> Any:
        """Fold events and commands; the answer of the last."""
        answer = None
        for event in events:
            self.causes += 1
            context = Context(self.now, "acme", "A1", f"cause-{self.causes}", self.standing)
            decision = HANDLERS[type(event)](self.state, event, context)
            packed = msgspec.msgpack.encode(decision.state)
            assert msgspec.msgpack.decode(packed, type=Account) == decision.state
            self.state, answer = decision.state, decision.answer
            self.events += decision.events
            self.rows += decision.rows
        return answer

    @property
    def moment(self) -> Moment:
        return moment_of(self.now, "acme", "A1", self.state.zone, self.standing)

    @property
    def due(self) -> list[Any]:
        return [event for event in self.events if isinstance(event, reminder_pb2.ReminderDue)]

    @property
    def sent(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Contacts as (planned on, [(invoice, step)])."""
        return [(event.planned_on, [(item.invoice_id, item.step) for item in event.items]) for event in self.due]

    @property
    def decided(self) -> list[Decided]:
        return [row for row in self.rows if isinstance(row, Decided)]

    def last(self, invoice: str = "I1") -> list[tuple[str, str, str]]:
        """The decision that stands for each step of an invoice as (date, step, reason, or `due`)."""
        found = {row.step: row for row in sorted(self.decided, key=lambda row: row.seq) if row.invoice_id == invoice and row.step}
        return sorted((row.on.isoformat(), row.step, "due" if row.outcome == "due" else row.reason) for row in found.values())

    def wakes(self) -> str:
        """The next timer in local time; empty if there is none."""
        at = self.state.next_action_at
        return at.astimezone(ZoneInfo(self.zone)).isoformat(timespec="minutes") if at else ""


def desk(steps: Sequence[tuple[str, ...]] = (), zone: str = "UTC", live_from: date | None = None, suspended: str = "", **keys: str) -> Desk:
    """`desk()` runs the standard ladder, `desk(steps=[("due", "friendly")], consolidate="account")` another."""
    policy = LADDER
    if steps:
        lines = [f"- {{when: {when}, stage: {stage}, channels: [{', '.join(channels or ['email'])}]}}" for when, stage, *channels in steps]
        policy = policy.partition("steps:")[0] + "steps:\n  " + "\n  ".join(lines)
    for key, value in keys.items():
        kept = [line for line in policy.splitlines() if not line.startswith(f"{key}:")]
        policy = "\n".join([f"{key}: {value}", *kept])
    return Desk(read_policy(policy, "policy.yaml"), zone, live_from, suspended)
