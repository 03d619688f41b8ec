"""The stop fence: a stop is acknowledged once no call that was claimed before it can start any more.

The gate is closed in the same decision and nothing waits for it; only the acknowledgement waits, until every older call has ended,
or for five seconds, and then it names those that have not. By then they have started or never will: a claim has to start sooner.
"""

import json
from datetime import datetime, timedelta
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp
from msgspec.structs import replace

from paycue.events.v1 import stop_pb2
from paycue.receipt import Receipt
from services.notifier.domain import marks
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.gate import EVERYTHING, Closure, Gate, Message, Standing, StopTold

WITHIN = timedelta(seconds=5)
"""Longer than any claim may take to start."""
OWN = "notifier"
_KINDS = {name.removeprefix("STOP_KIND_").lower(): number for name, number in stop_pb2.StopKind.items()}


def close(gate: Gate, now: datetime, standing: Standing, stop: StopTold, address: str = EVERYTHING) -> Gate:
    """Have a stop acknowledged, once whatever comes again. It concerns the calls to `address` that cover one of its invoices."""
    seen = marks.add(gate.marks, "acknowledged", f"{stop.kind}:{stop.stop_id}", now)
    if seen is gate.marks:
        return gate
    older = [m for m in gate.messages if _under_way(m, now, standing) and _concerns(stop, address, m)]
    starts = [m.claimed_at for m in older if m.claimed_at is not None]
    not_after = max(starts) + timedelta(seconds=standing.start_by_seconds) if starts else now
    closure = Closure(stop, now, tuple(m.call_id for m in older), not_after)
    return replace(gate, marks=seen, closures=(*gate.closures, closure))


def acknowledge(gate: Gate, now: datetime, standing: Standing) -> tuple[Gate, tuple[Closure, ...]]:
    """The stops whose older calls have ended, or that have waited long enough: each with the calls still in flight."""
    if not gate.closures:
        return gate, ()
    under_way = {m.call_id for m in gate.messages if _under_way(m, now, standing)}
    left = [replace(closure, calls=tuple(call for call in closure.calls if call in under_way)) for closure in gate.closures]
    over = tuple(closure for closure in left if not closure.calls or now >= closure.accepted_at + WITHIN)
    return replace(gate, closures=tuple(closure for closure in left if closure not in over)), over


def receipt_event(tenant: str, account: str, closure: Closure, now: datetime) -> stop_pb2.StopReceipt:
    """The acknowledgement as everyone reads it."""
    told = closure.told
    return stop_pb2.StopReceipt(
        tenant_id=tenant,
        account_id=account,
        stop_id=told.stop_id,
        kind=_KINDS[told.kind],  # type: ignore[arg-type]
        cause=told.cause,
        taken_by=told.taken_by,
        invoice_ids=told.invoice_ids,
        accepted_at=_stamp(closure.accepted_at),
        effective_at=_stamp(now),
        calls_in_flight=closure.calls,
        none_started_after=_stamp(_started_by(closure, now)),
    )


@lru_cache(maxsize=256)
def _stamp(at: datetime) -> Timestamp:
    """Stops of a batch share their instants, and making one of these costs more than the rest of a receipt."""
    made = Timestamp()
    made.FromDatetime(at)
    return made


def receipt_row(closure: Closure, now: datetime) -> Receipt:
    """The acknowledgement of a stop that this service took, as it answers with it."""
    told, calls, started = closure.told, json.dumps(closure.calls), _started_by(closure, now)
    return Receipt(told.stop_id, told.kind, told.cause, json.dumps(told.invoice_ids), closure.accepted_at, now, calls, started)


def _started_by(closure: Closure, now: datetime) -> datetime:
    """Nothing starts after this. A call in flight is bound by the clock that claimed it, which need not be ours."""
    return closure.not_after if closure.calls else min(closure.not_after, now)


def _under_way(message: Message, now: datetime, standing: Standing) -> bool:
    """Whether the message of its call may still arrive."""
    if message.status == "pending" or message.claimed_at is None:
        return False
    return message.status == "claimed" or now < message.claimed_at + timedelta(seconds=standing.lease_seconds)


def _concerns(stop: StopTold, address: str, message: Message) -> bool:
    if address not in (EVERYTHING, suppression_key(message.recipient)):
        return False
    return not stop.invoice_ids or any(line.invoice_id in stop.invoice_ids for line in message.covered)
