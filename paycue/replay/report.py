"""The report of a replay: what was sent, what was not and why, per invoice and in all. Canonical: the same history gives the same bytes.

It is made of the services' recorded decisions and of what the inbox received; it depends on natural keys and business instants only,
never on offsets, batches, hosts or wall time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from paycue.ledger import InvoiceRow
from paycue.replay.received import Tally
from paycue.replay.span import Span, Step, step_days

Report = dict[str, Any]
_ALWAYS = ("before_issue", "settled", "disputed")


class Evidence(msgspec.Struct, frozen=True):
    """What the services recorded: decisions in the order they were taken, messages by reminder, and sums."""

    decisions: Sequence[Mapping[str, Any]]
    messages: Mapping[str, Mapping[str, Any]]
    payments: int
    settled: Mapping[str, str]
    dead_letters: int


class Sent(msgspec.Struct, frozen=True):
    """A line of an invoice's `reminders`; `step` None: covered without a step of its own."""

    on: date
    step: str | None
    channel: str
    reminder_id: str


class NotSent(msgspec.Struct, frozen=True):
    """A line of an invoice's `not_sent`."""

    on: date
    step: str
    reason: str


class Lines(msgspec.Struct, frozen=True):
    """One invoice of the report."""

    invoice: str
    account: str
    reminders: tuple[Sent, ...]
    not_sent: tuple[NotSent, ...]


def report(
    policy: Mapping[str, Any], span: Span, rows: Sequence[InvoiceRow], steps: Sequence[Step], evidence: Evidence, tally: Tally
) -> Report:
    """The whole report."""
    decided = _by_invoice(evidence.decisions)
    places = {step.name: place for place, step in enumerate(steps)}
    ordered = sorted(rows, key=lambda row: (row.invoice, row.account))
    invoices = [_lines(row, span, steps, places, decided.get((row.account, row.invoice), []), evidence) for row in ordered]
    return {
        "policy": {"name": policy["policy"], "version": policy["version"]},
        "from": span.first.isoformat(),
        "to": span.last.isoformat(),
        "totals": _totals(rows, steps, invoices, evidence, tally),
        "invoices": msgspec.to_builtins(invoices),
    }


def canonical(made: Report) -> bytes:
    """The bytes of a report: one form, keys in their order, a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def _by_invoice(decisions: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for decision in decisions:
        grouped.setdefault((decision["account_id"], decision["invoice_id"]), []).append(decision)
    return grouped


def _lines(
    row: InvoiceRow,
    span: Span,
    steps: Sequence[Step],
    places: Mapping[str, int],
    decisions: Sequence[Mapping[str, Any]],
    evidence: Evidence,
) -> Lines:
    last = {d["step"]: d for d in decisions if d["step"] and d["outcome"] != "deferred"}
    lines: list[Sent | NotSent] = [
        _step_line(row, step, on, last.get(step.name), evidence) for step, on in step_days(row, steps) if on in span
    ]
    lines += [line for d in decisions if not d["step"] and (line := _covered(d, span, row, evidence))]
    order = {name: (place,) for name, place in places.items()}
    lines.sort(key=lambda line: (line.on, order.get(line.step or "", (len(places),))))
    sent = tuple(line for line in lines if isinstance(line, Sent))
    return Lines(row.invoice, row.account, sent, tuple(line for line in lines if isinstance(line, NotSent)))


def _step_line(row: InvoiceRow, step: Step, on: date, decision: Mapping[str, Any] | None, evidence: Evidence) -> Sent | NotSent:
    """What became of a step. One that nobody decided belongs to an invoice that was not issued by then."""
    if decision is None:
        if on >= row.issued:
            raise ValueError(f"the scheduler recorded nothing of step {step.name} of invoice {row.invoice} on {on}")
        return NotSent(on, step.name, "before_issue")
    if decision["outcome"] != "due":
        return NotSent(on, step.name, decision["reason"])
    message = evidence.messages.get(decision["reminder_id"])
    why = _why_not(message, row.invoice)
    if message is None or why:
        return NotSent(on, step.name, why)
    return Sent(on, step.name, message["channel"], decision["reminder_id"])


def _covered(decision: Mapping[str, Any], span: Span, row: InvoiceRow, evidence: Evidence) -> Sent | None:
    message, on = evidence.messages.get(decision["reminder_id"]), date.fromisoformat(decision["on"])
    if on not in span or message is None or _why_not(message, row.invoice):
        return None
    return Sent(on, None, message["channel"], decision["reminder_id"])


def _why_not(message: Mapping[str, Any] | None, invoice: str) -> str:
    """Why a reminder did not reach the debtor for this invoice; empty when it did, as far as anybody can tell."""
    if message is None:
        return "not_delivered"
    if message["status"] not in ("sent", "unknown"):
        return str(message["reason"] or message["status"])
    return "" if invoice in message["invoice_ids"] else "stopped"


def _totals(
    rows: Sequence[InvoiceRow], steps: Sequence[Step], invoices: Sequence[Lines], evidence: Evidence, tally: Tally
) -> dict[str, Any]:
    by_step = Counter(line.step for lines in invoices for line in lines.reminders if line.step)
    reasons = Counter(line.reason for lines in invoices for line in lines.not_sent)
    others = sorted(reasons.keys() - set(_ALWAYS))
    return {
        "accounts": len({row.account for row in rows}),
        "invoices": len(rows),
        "payments": evidence.payments,
        "reminders": sum(tally.by_channel.values()),
        "by_step": {step.name: by_step[step.name] for step in steps},
        "by_channel": tally.by_channel,
        "not_sent": {reason: reasons[reason] for reason in (*_ALWAYS, *others)},
        "settled": dict(evidence.settled),
        "late": tally.late,
        "duplicate": tally.duplicate,
        "unknown": sum(message["status"] == "unknown" for message in evidence.messages.values()),
        "dead_letters": evidence.dead_letters,
    }
