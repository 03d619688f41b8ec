"""What closes the gate and what opens it again: balances, disputes, pauses, and raw facts that nobody has resolved yet.

A provisional stop ends only by its own cause's resolution, whichever of the two comes first. A raw return never opens a gate.
Everything here is last-writer-wins by version or only grows, so that any order of the same facts gives the same gate.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from services.notifier.domain import marks
from services.notifier.domain.gate import Balance, Gate, Hold, Stop

OVERDUE = timedelta(hours=1)
"""A stop that nobody resolved for this long is somebody's business."""
_KEPT = timedelta(days=60)
"""Settled balances and closed disputes are of use while a reminder that knew less may still come; marks are kept longer."""


def cause_of(kind: str, own_id: str, event_id: str) -> str:
    """The name of a provisional stop: ERPs may use one event id for a payment and for a dispute, or two sources the same one."""
    return f"{kind}:{own_id}:{event_id}"


def reserved(invoice_id: str) -> str:
    """The name of the stop of an invoice that money came for before it did. The balance told at its arrival, without a cause, ends it."""
    return cause_of("reserved", invoice_id, "")


def raise_stop(gate: Gate, cause: str, invoice_ids: tuple[str, ...], now: datetime) -> Gate:
    """A raw fact was seen. If its resolution came first, or it came before, it changes nothing."""
    if marks.has(gate.marks, "resolved", cause) or any(stop.cause == cause for stop in gate.stops):
        return gate
    return replace(gate, stops=tuple(sorted((*gate.stops, Stop(cause, invoice_ids, now)), key=lambda stop: stop.cause)))


def resolve_stop(gate: Gate, cause: str, now: datetime) -> Gate:
    """The cause was dealt with. The mark stays, for its raw fact may come later, or again."""
    seen = marks.add(gate.marks, "resolved", cause, now)
    if seen is gate.marks:
        return gate
    return replace(gate, marks=seen, stops=tuple(stop for stop in gate.stops if stop.cause != cause))


def set_balance(gate: Gate, told: Balance, cause_id: str) -> Gate:
    """Payments told what is open on an invoice, and which payment, return, credit note or dispute made it so (none: the invoice)."""
    seen = marks.add(gate.marks, "credited", cause_id, told.at) if cause_id else gate.marks
    if not cause_id or told.open_minor <= 0:
        # The ledger has met the invoice with all that waited for it, or nothing is left to credit: no event will name a dispute.
        seen = marks.add(seen, "in_books", told.invoice_id, told.at)
    gate = gate if seen is gate.marks else replace(gate, marks=seen)
    known = gate.balance(told.invoice_id)
    if known is not None and known.version >= told.version:
        return gate
    others = (b for b in gate.balances if b.invoice_id != told.invoice_id and (b.open_minor > 0 or b.at > told.at - _KEPT))
    return replace(gate, balances=tuple(sorted((*others, told), key=lambda b: b.invoice_id)))


def set_hold(gate: Gate, told: Hold) -> Gate:
    """Disputes told whether a dispute holds its invoice."""
    known = next((h for h in gate.holds if h.dispute_id == told.dispute_id), None)
    if known is not None and known.version >= told.version:
        return gate
    others = (h for h in gate.holds if h.dispute_id != told.dispute_id and (_holds(gate, h) or h.at > told.at - _KEPT))
    return replace(gate, holds=tuple(sorted((*others, told), key=lambda h: h.dispute_id)))


def set_paused(gate: Gate, version: int, paused: bool, invoice_ids: tuple[str, ...]) -> Gate:
    """The scheduler told what a person paused."""
    if gate.state_version >= version:
        return gate
    return replace(gate, state_version=version, paused=paused, paused_invoices=invoice_ids)


def held(gate: Gate, invoice_id: str) -> str:
    """Why an invoice must not be chased for certain: `disputed`, `paused`, or nothing."""
    if gate.holds and any(h.open and h.invoice_id == invoice_id for h in gate.holds):
        return "disputed"
    return "paused" if gate.paused or invoice_id in gate.paused_invoices else ""


def stopped(gate: Gate, invoice_id: str) -> bool:
    """Whether a fact in sight may mean that the invoice is not open any more, or not by this much."""
    if not gate.stops and not gate.holds:
        return False
    raw = any(not stop.invoice_ids or invoice_id in stop.invoice_ids for stop in gate.stops)
    return raw or any(hold.invoice_id == invoice_id for hold in awaiting_credit(gate))


def awaiting_credit(gate: Gate) -> Iterator[Hold]:
    """Disputes that ended with a credit which the ledger has not told of yet."""
    return (hold for hold in gate.holds if _awaits_credit(gate, hold))


def mark_overdue(gate: Gate, now: datetime) -> tuple[Gate, tuple[Stop, ...]]:
    """The gate with its long unresolved stops marked, and those that are so since now."""
    late = tuple(replace(stop, overdue=True) for stop in gate.stops if not stop.overdue and now >= stop.since + OVERDUE)
    if not late:
        return gate, ()
    named = {stop.cause: stop for stop in late}
    return replace(gate, stops=tuple(named.get(stop.cause, stop) for stop in gate.stops)), late


def _holds(gate: Gate, hold: Hold) -> bool:
    return hold.open or _awaits_credit(gate, hold)


def _awaits_credit(gate: Gate, hold: Hold) -> bool:
    if hold.open or not hold.credits:
        return False
    return not marks.has(gate.marks, "credited", hold.dispute_id) and not marks.has(gate.marks, "in_books", hold.invoice_id)
