"""What a service's tables say about its health: what waits, who is parked, which invariant is broken. Measured, never acted on."""

from collections.abc import Iterable
from datetime import datetime

import structlog

from paycue.db.accounts import AccountStore
from paycue.db.engine import Connection
from paycue.observability import metrics
from paycue.observability.invariants import Invariant, Violation, violated

log = structlog.get_logger(__name__)


async def measure(connection: Connection, store: AccountStore, service: str, now: datetime) -> None:
    """Set the gauges of one service."""
    schema = store.schema
    metrics.OUTBOX_PENDING.labels(service).set(await connection.fetchval(f"select count(*) from {schema}.outbox"))
    open_letters = f"from {schema}.dead_letter where resolved_at is null"
    metrics.OPEN_DEAD_LETTERS.labels(service).set(await connection.fetchval(f"select count(*) {open_letters}"))
    parked = await connection.fetchval(f"select count(distinct (tenant_id, account_id)) {open_letters} and parked")
    metrics.PARKED_ACCOUNTS.labels(service).set(parked)
    # Counting them would need to see every tenant; the earliest timer tells whether there is any.
    due = await store.next_due(connection)
    metrics.DUE_ACCOUNTS.labels(service).set(1 if due is not None and due <= now else 0)


async def check_invariants(tx: Connection, service: str, invariants: Iterable[Invariant]) -> list[Violation]:
    """The invariants that do not hold for the tenants of the transaction; sets the gauge that alerts, for each of them."""
    asked = tuple(invariants)
    found = await violated(tx, asked)
    counts = {violation.invariant.sentence: violation.count for violation in found}
    for invariant in asked:
        metrics.VIOLATIONS.labels(service, invariant.sentence).set(counts.get(invariant.sentence, 0))
    for violation in found:
        log.error("invariant violated", invariant=violation.invariant.sentence, count=violation.count)
    return found
