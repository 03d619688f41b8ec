"""The notifier's tables and all of its SQL: where rows go, and the queries behind lists and callbacks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from paycue.bus.directory import creditors
from paycue.db.accounts import AccountStore, References
from paycue.db.bulk import RowTable
from paycue.db.engine import Connection
from services.notifier.domain.gate import Gate, Standing
from services.notifier.domain.rows import AddressRow, AttemptRow, CallRow, ConsentRow, MessageRow
from services.notifier.settings import NotifierSettings

SCHEMA = "notifier"
_CALL_MARGIN = 10.0

STORE = AccountStore(
    SCHEMA,
    Gate,
    {
        MessageRow: RowTable("message", key=("reminder_id",)),
        AttemptRow: RowTable("attempt"),
        CallRow: RowTable("call", key=("call_id",), on_conflict="nothing"),
        AddressRow: RowTable("address", key=("address", "channel"), on_conflict="nothing"),
        ConsentRow: RowTable("consent"),
    },
)


def references(settings: NotifierSettings) -> References:
    """What handlers know of a creditor and of this installation."""
    channels = frozenset([*(["email"] if settings.smtp_url else []), *(["sms"] if settings.twilio_account_sid else [])])
    installation = Standing(
        sender_email=settings.mail_from or "",
        sender_phone=settings.twilio_from or "",
        channels=channels,
        start_by_seconds=settings.start_by_seconds,
        lease_seconds=settings.start_by_seconds + max(settings.call_seconds * 2 + settings.smtp_final_reply_seconds, 1) + _CALL_MARGIN,
        find_after=settings.find_after,
    )

    async def of(tx: Connection, tenants: Sequence[str]) -> dict[str, Any]:
        known = await creditors(tx, SCHEMA, tenants)
        made = {}
        for tenant in tenants:
            creditor = known.get(tenant)
            made[tenant] = installation if creditor is None else _of(installation, creditor)
        return made

    return of


def _of(installation: Standing, creditor: Any) -> Standing:
    return msgspec.structs.replace(
        installation,
        creditor_name=creditor.name,
        suspended=creditor.suspended,
        zone=creditor.zone,
        sender_email=creditor.sender_email or installation.sender_email,
        sender_name=creditor.sender_name,
        sender_phone=creditor.sender_phone or installation.sender_phone,
    )




async def messages(tx: Connection, tenant: str, account: str | None, after: tuple[datetime, str] | None, limit: int) -> list[Any]:
    """Messages of a creditor, or of one account, newest first by (updated_at, reminder_id)."""
    return await tx.fetch(  # type: ignore[no-any-return]
        f"""select * from {SCHEMA}.message
            where tenant_id = $1 and ($2::text is null or account_id = $2)
              and ($3::timestamptz is null or (updated_at, reminder_id) < ($3, $4))
            order by updated_at desc, reminder_id desc limit $5""",
        *(tenant, account, *(after or (None, None)), limit),
    )


async def message(tx: Connection, tenant: str, reminder_id: str) -> Any | None:
    """One message with its row's columns."""
    return await tx.fetchrow(f"select * from {SCHEMA}.message where tenant_id = $1 and reminder_id = $2", tenant, reminder_id)


async def attempts(tx: Connection, tenant: str, account: str, reminder_id: str) -> list[Any]:
    """What happened to a message, oldest first."""
    return await tx.fetch(  # type: ignore[no-any-return]
        f"select * from {SCHEMA}.attempt where tenant_id = $1 and account_id = $2 and reminder_id = $3 order by id", tenant, account, reminder_id
    )


async def account_of_call(tx: Connection, call_id: str) -> tuple[str, str, str] | None:
    """Tenant, account and reminder of a provider call: a callback names nothing else."""
    row = await tx.fetchrow(f"select * from {SCHEMA}.account_of_call($1)", call_id)
    return None if row is None else (row[0], row[1], row[2])


async def accounts_of_address(tx: Connection, address: str, channel: str) -> list[tuple[str, str]]:
    """Every (tenant, account) that has an address, by its suppression key: a STOP names nobody."""
    rows = await tx.fetch(f"select * from {SCHEMA}.accounts_of_address($1, $2)", address, channel)
    return [(row[0], row[1]) for row in rows]
