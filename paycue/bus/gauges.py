"""What a service's tables say about its health: what waits to be sent, who is parked, whose timer is late. Measured, never acted on."""

from datetime import datetime

from paycue.db.accounts import AccountStore
from paycue.db.engine import Connection
from paycue.observability import metrics


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
