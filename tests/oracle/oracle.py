"""Says what a replay must report and send, by looking at every invoice, step and contact day in the simplest way.
It must never import the system under test, nor be made fast or clever: its only virtue is that it is plainly right."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypedDict
from zoneinfo import ZoneInfo

from tests.oracle.inputs import CHANNELS, STAGES, Debtor, Item, Ledger, Policy, Step, money, read_ledger, read_policy


class ReportPolicy(TypedDict):
    name: str
    version: int


class Sent(TypedDict):
    on: str
    step: str | None
    channel: str


class NotSent(TypedDict):
    on: str
    step: str
    reason: str


class InvoiceLines(TypedDict):
    invoice: str
    account: str
    reminders: list[Sent]
    not_sent: list[NotSent]


class Totals(TypedDict):
    accounts: int
    invoices: int
    payments: int
    reminders: int
    by_step: dict[str, int]
    by_channel: dict[str, int]
    not_sent: dict[str, int]
    settled: dict[str, str]
    late: int
    duplicate: int
    unknown: int
    dead_letters: int


Report = TypedDict("Report", {"policy": ReportPolicy, "from": str, "to": str, "totals": Totals, "invoices": list[InvoiceLines]})


@dataclass(frozen=True)
class Landing:
    """A step of an invoice: its own date, and the day on which it may go."""

    item: Item
    step: Step
    own: date
    day: date


@dataclass(frozen=True)
class Covered:
    item: Item
    step: Step | None
    on: date


@dataclass(frozen=True)
class Message:
    debtor: Debtor
    day: date
    at: datetime
    channel: str
    recipient: str
    covered: tuple[Covered, ...]


@dataclass(frozen=True)
class Held:
    item: Item
    step: Step
    on: date
    reason: str


@dataclass
class Expected:
    report: Report
    messages: list[Message] = field(default_factory=list)


def state(item: Item, day: date) -> str | None:
    """Why nothing is chased when that day's window opens, or None; facts hold from 00:00 of their date."""
    if item.issued > day:
        return "before_issue"
    if item.paid_on is not None and item.paid_on <= day:
        return "settled"
    if item.disputed_on is not None and item.disputed_on <= day:
        return "disputed"
    return None


def contact_day(own: date, working: bool) -> date:
    while working and own.weekday() >= 5:
        own += timedelta(days=1)
    return own


def opening(day: date, opens: time, zone: str) -> datetime:
    """The first instant at or after that local time: a gap moves it on, an hour that comes twice counts once."""
    local = datetime.combine(day, opens)
    while local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
        local += timedelta(minutes=1)
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def fact_days(ledger: Ledger) -> list[date]:
    return [day for item in ledger.items for day in (item.issued, item.paid_on, item.disputed_on) if day is not None]


def landings(ledger: Ledger, policy: Policy, first: date, last: date) -> dict[tuple[str, date], list[Landing]]:
    found: dict[tuple[str, date], list[Landing]] = defaultdict(list)
    for item in ledger.items:
        for step in policy.steps:
            own = item.due + timedelta(days=step.offset)
            if first <= own <= last:
                day = contact_day(own, policy.working)
                found[item.account, day].append(Landing(item, step, own, day))
    return found


def reason(landing: Landing, landed: list[Landing]) -> str | None:
    later = any(other.item == landing.item and other.own > landing.own for other in landed)
    return state(landing.item, landing.day) or ("superseded" if later else None)


def coverage(items: list[Item], day: date, sending: list[Landing], consolidate: str) -> list[list[Covered]]:
    """What each message of that day covers: a message per step, or one for all that is open and due or has a step."""
    stepping = [Covered(landing.item, landing.step, landing.own) for landing in sending]
    if consolidate == "invoice":
        return [[covered] for covered in stepping]
    with_step = [covered.item for covered in stepping]
    others = [item for item in items if item not in with_step and item.due <= day and state(item, day) is None]
    return [stepping + [Covered(item, None, day) for item in others]]


def carrier(covered: list[Covered]) -> Step:
    steps = [part.step for part in covered if part.step is not None]
    return max(steps, key=lambda step: (STAGES.index(step.stage), step.position))


def contact(items: list[Item], debtor: Debtor, landed: list[Landing], policy: Policy) -> tuple[list[Message], list[Held]]:
    """Everything that happens to one account on one day."""
    day, messages = landed[0].day, []
    reasons = [(landing, reason(landing, landed)) for landing in landed]
    held = [Held(landing.item, landing.step, landing.own, why) for landing, why in reasons if why is not None]
    sending = [landing for landing, why in reasons if why is None]
    for covered in coverage(items, day, sending, policy.consolidate) if sending else []:
        reachable = [(channel, debtor.address(channel)) for channel in carrier(covered).channels]
        channel, recipient = next(((channel, address) for channel, address in reachable if address), ("", ""))
        if recipient:
            messages.append(Message(debtor, day, opening(day, policy.opens, debtor.zone), channel, recipient, tuple(covered)))
        else:
            held += [Held(part.item, part.step, part.on, "no_contact") for part in covered if part.step is not None]
    return messages, held


def invoice_lines(item: Item, sent: list[tuple[Covered, str]], held: list[Held], last: int) -> InvoiceLines:
    sent = sorted(sent, key=lambda pair: (pair[0].on, last if pair[0].step is None else pair[0].step.position))
    held = sorted(held, key=lambda line: (line.on, line.step.position))
    return {
        "invoice": item.invoice,
        "account": item.account,
        "reminders": [
            {"on": part.on.isoformat(), "step": None if part.step is None else part.step.name, "channel": channel} for part, channel in sent
        ],
        "not_sent": [{"on": line.on.isoformat(), "step": line.step.name, "reason": line.reason} for line in held],
    }


def totals(ledger: Ledger, policy: Policy, last: date, messages: list[Message], held: list[Held]) -> Totals:
    paid = [item for item in ledger.items if item.paid_on is not None and item.paid_on <= last]
    settled: dict[str, Decimal] = defaultdict(Decimal)
    for item in paid:
        settled[item.currency] += item.amount
    steps = [part.step.name for message in messages for part in message.covered if part.step is not None]
    reasons = [line.reason for line in held]
    known = ["before_issue", "settled", "disputed"]
    return {
        "accounts": len(ledger.debtors),
        "invoices": len(ledger.items),
        "payments": len(paid),
        "reminders": len(messages),
        "by_step": {step.name: steps.count(step.name) for step in policy.steps},
        "by_channel": {channel: sum(message.channel == channel for message in messages) for channel in CHANNELS},
        "not_sent": {why: reasons.count(why) for why in known + sorted(set(reasons) - set(known))},
        "settled": {currency: money(settled[currency], currency) for currency in sorted(settled)},
        "late": 0,
        "duplicate": 0,
        "unknown": 0,
        "dead_letters": 0,
    }


def expected(csv: Path, mapping: Path, policy_path: Path, from_: date | None = None, to: date | None = None) -> Expected:
    ledger, policy = read_ledger(csv, mapping), read_policy(policy_path)
    facts = fact_days(ledger)
    step_days = [item.due + timedelta(days=step.offset) for item in ledger.items for step in policy.steps]
    first, last = from_ or min(facts), to or max(facts + step_days)
    items: dict[str, list[Item]] = defaultdict(list)
    for item in ledger.items:
        items[item.account].append(item)
    messages: list[Message] = []
    held: list[Held] = []
    for (account, _), landed in sorted(landings(ledger, policy, first, last).items()):
        sent, not_sent = contact(items[account], ledger.debtors[account], landed, policy)
        messages, held = messages + sent, held + not_sent
    report: Report = {
        "policy": {"name": policy.name, "version": policy.version},
        "from": first.isoformat(),
        "to": last.isoformat(),
        "totals": totals(ledger, policy, last, messages, held),
        "invoices": listed(ledger, policy, messages, held),
    }
    return Expected(report, messages)


def listed(ledger: Ledger, policy: Policy, messages: list[Message], held: list[Held]) -> list[InvoiceLines]:
    sent: dict[Item, list[tuple[Covered, str]]] = defaultdict(list)
    kept: dict[Item, list[Held]] = defaultdict(list)
    for message in messages:
        for part in message.covered:
            sent[part.item].append((part, message.channel))
    for line in held:
        kept[line.item].append(line)
    return [invoice_lines(item, sent[item], kept[item], len(policy.steps)) for item in ledger.items]


def expected_report(csv: Path, mapping: Path, policy: Path, from_: date | None = None, to: date | None = None) -> Report:
    """The report without its `reminder_id` values, which only the system under test can choose."""
    return expected(csv, mapping, policy, from_, to).report
