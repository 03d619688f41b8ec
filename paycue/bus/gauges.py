"""What a service's tables say about its health: what waits, who is parked, which invariant is broken. Measured, never acted on."""

from collections.abc import Iterable
from datetime import datetime

import structlog

from paycue.bus.store import Store
from paycue.observability import metrics
from paycue.observability.invariants import Invariant, Violation

log = structlog.get_logger(__name__)


async def measure(store: Store, service: str, now: datetime) -> None:
    """Set the gauges of one service."""
    health = await store.health()
    metrics.OUTBOX_PENDING.labels(service).set(health.outbox)
    metrics.OPEN_DEAD_LETTERS.labels(service).set(health.letters)
    metrics.PARKED_ACCOUNTS.labels(service).set(health.parked)
    # Counting them would need to see every tenant; the earliest timer tells whether there is any.
    metrics.DUE_ACCOUNTS.labels(service).set(1 if health.next_due is not None and health.next_due <= now else 0)


async def check_invariants(store: Store, service: str, invariants: Iterable[Invariant]) -> list[Violation]:
    """The invariants that do not hold for the rows of every creditor; sets the gauge that alerts, for each of them."""
    asked = tuple(invariants)
    found = await store.violated(await store.tenants(), asked)
    counts = {violation.invariant.sentence: violation.count for violation in found}
    for invariant in asked:
        metrics.VIOLATIONS.labels(service, invariant.sentence).set(counts.get(invariant.sentence, 0))
    for violation in found:
        log.error("invariant violated", invariant=violation.invariant.sentence, count=violation.count)
    return found
