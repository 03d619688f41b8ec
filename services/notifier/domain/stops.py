"""What closes the gate and what opens it again: balances, disputes, pauses, and raw facts that nobody has resolved yet.

A provisional stop ends only by its own cause's resolution, whichever of the two comes first. A raw return never opens a gate.
Everything here is last-writer-wins by version, so that any order of the same facts gives the same gate.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from services.notifier.domain.gate import Balance, Gate, Hold, Stop

_KEPT = timedelta(days=400)
"""Settled balances, closed disputes and tombstones are kept longer than any topic, then forgotten."""


def raise_stop(gate: Gate, cause: str, invoice_ids: tuple[str, ...], now: datetime) -> Gate:
    """A raw fact was seen. If its resolution came first, the fact changes nothing and uses the tombstone up."""
    if any(resolved == cause for resolved, _ in gate.resolved):
        return replace(gate, resolved=tuple(r for r in gate.resolved if r[0] != cause))
    if any(stop.cause == cause for stop in gate.stops):
        return gate
    return replace(gate, stops=tuple(sorted((*gate.stops, Stop(cause, invoice_ids, now)), key=lambda stop: stop.cause)))


def resolve_stop(gate: Gate, cause: str, now: datetime) -> Gate:
    """The cause was dealt with. If its raw fact has not come yet, a tombstone waits for it."""
    if any(stop.cause == cause for stop in gate.stops):
        return replace(gate, stops=tuple(stop for stop in gate.stops if stop.cause != cause))
    if any(resolved == cause for resolved, _ in gate.resolved):
        return gate
    kept = (r for r in gate.resolved if r[1] > now - _KEPT)
    return replace(gate, resolved=tuple(sorted((*kept, (cause, now)))))


def set_balance(gate: Gate, invoice_id: str, open_minor: int, version: int, now: datetime) -> Gate:
    """Payments told what is open on an invoice."""
    known = gate.balance(invoice_id)
    if known is not None and known.version >= version:
        return gate
    others = (b for b in gate.balances if b.invoice_id != invoice_id and (b.open_minor > 0 or b.at > now - _KEPT))
    balances = sorted((*others, Balance(invoice_id, open_minor, version, now)), key=lambda b: b.invoice_id)
    return replace(gate, balances=tuple(balances))


def set_hold(gate: Gate, dispute_id: str, invoice_id: str, version: int, *, open_: bool) -> Gate:
    """Disputes told whether a dispute holds its invoice."""
    known = next((h for h in gate.holds if h.dispute_id == dispute_id), None)
    if known is not None and known.version >= version:
        return gate
    others = (h for h in gate.holds if h.dispute_id != dispute_id)
    return replace(gate, holds=tuple(sorted((*others, Hold(dispute_id, invoice_id, version, open_)), key=lambda h: h.dispute_id)))


def set_paused(gate: Gate, version: int, paused: bool, invoice_ids: tuple[str, ...]) -> Gate:
    """The scheduler told what a person paused."""
    if gate.state_version >= version:
        return gate
    return replace(gate, state_version=version, paused=paused, paused_invoices=invoice_ids)


def held(gate: Gate, invoice_id: str) -> str:
    """Why an invoice must not be chased for certain: `disputed`, `paused`, or nothing."""
    if any(h.open and h.invoice_id == invoice_id for h in gate.holds):
        return "disputed"
    return "paused" if gate.paused or invoice_id in gate.paused_invoices else ""


def stopped(gate: Gate, invoice_id: str) -> bool:
    """Whether a fact in sight may mean that the invoice is not open any more."""
    return any(not stop.invoice_ids or invoice_id in stop.invoice_ids for stop in gate.stops)
