"""The notifier's tables and all of its SQL: where rows go, and the queries behind lists and callbacks."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import msgspec

from paycue.bus.batch import Input
from paycue.bus.directory import Creditor, creditor_ids, pinned
from paycue.bus.store import References, Unit
from paycue.db.accounts import AccountStore
from paycue.db.bulk import RowTable
from paycue.db.engine import Connection
from paycue.events.v1.account_pb2 import AccountRegistered
from paycue.events.v1.reminder_pb2 import ReminderDue
from paycue.ids import digest16
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.commands import SetContactPoint
from services.notifier.domain.gate import Gate, Standing
from services.notifier.domain.incoming import Address, addresses
from services.notifier.domain.rows import AddressRow, ConsentRow, MessageRow, OverdueStopRow, ReportRow
from services.notifier.domain.said import Words, in_force
from services.notifier.settings import NotifierSettings

SCHEMA = "notifier"
_SHARES = 64
"""Addresses share so many locks: one for each would be thousands in a batch of new accounts."""

STORE = AccountStore(
    SCHEMA,
    Gate,
    {
        MessageRow: RowTable("message", copied=True),
        ReportRow: RowTable("report", key=("call_id", "status"), on_conflict="nothing"),
        OverdueStopRow: RowTable("overdue_stop", key=("cause",)),
        AddressRow: RowTable("address", key=("address", "channel"), on_conflict="nothing"),
        ConsentRow: RowTable("consent"),
    },
    # A reminder is among the gate's messages, and then among its marks.
    knows={ReminderDue.DESCRIPTOR.full_name},
    pins=creditor_ids,
)


def references(settings: NotifierSettings) -> References:
    """What handlers know of a creditor and of this installation."""
    channels = frozenset([*(["email"] if settings.smtp_url else []), *(["sms"] if settings.twilio_account_sid else [])])
    installation = Standing(
        registered=False,
        sender_email=settings.mail_from or "",
        sender_phone=settings.twilio_from or "",
        channels=channels,
        start_by_seconds=settings.start_by_seconds,
        lease_seconds=lease_seconds(settings),
        find_after=settings.find_after,
    )

    async def of(unit: Unit, tenants: Sequence[str], inputs: Sequence[Input]) -> dict[str, Any]:
        getting = {_entry_of(*address): suppression_key(address[1]) for one in inputs for address in _may_get(one.event)}
        # Pinned: whoever suspends a creditor waits for the claims that knew nothing of it, and later ones wait for the suspension. So
        # does whoever has an address stopped, for those who fold an account that gets it.
        known = await pinned(unit, tenants, sorted(set(map(_lock_of, getting))))
        standings = {tenant: _of(installation, known[tenant]) if tenant in known else installation for tenant in tenants}
        words = await unit.entries(list(getting)) if getting else {}
        return {tenant: _hearing(standing, tenant, words, getting) for tenant, standing in standings.items()} if words else standings

    return of


def _may_get(event: object) -> Sequence[Address]:
    """The addresses that an account may get by an event."""
    if isinstance(event, AccountRegistered):
        return addresses(event)
    return [(event.channel, event.address)] if isinstance(event, SetContactPoint) else ()


def _hearing(standing: Standing, tenant: str, words: dict[str, bytes], getting: dict[str, str]) -> Standing:
    """What a creditor's accounts hear of the addresses that they are getting, entry -> suppression key."""
    said = {getting[entry]: word for entry, doc in words.items() if (word := in_force(_words(doc), tenant)) is not None}
    return msgspec.structs.replace(standing, refused=said) if said else standing


async def say(unit: Unit, address: Address, change: Callable[[Words], Words]) -> None:
    """Change what is kept of an address. Whoever folds an account that gets it is waited for, and later ones know of it; so the accounts
    that have the address, read after this in the same transaction, and those that get it later, are all there will be.
    """
    entry = _entry_of(*address)
    await unit.write_entry(_lock_of(entry), b"")
    doc = (await unit.entries([entry])).get(entry)
    before = _words(doc) if doc else {}
    if (after := change(before)) != before:
        await unit.write_entry(entry, msgspec.msgpack.encode(after))


_words = msgspec.msgpack.Decoder(Words).decode


def _entry_of(channel: str, address: str) -> str:
    """Beside the directory's own entries, as they are read and locked."""
    return f"said:{channel}:{suppression_key(address)}"


def _lock_of(entry: str) -> str:
    return f"said:{digest16(entry.encode())[0] % _SHARES}"


def lease_seconds(settings: NotifierSettings) -> float:
    """How long after a claim its outcome may still come from whoever claimed it, and its message still arrive.

    A call starts within `start_by_seconds`. Then either all goes well up to a mail's final dot, which is answered within
    `smtp_final_reply_seconds`, or a broken connection (one request long) is followed by a new one (another). Whoever asks may have
    another clock than who claimed.
    """
    return settings.start_by_seconds + max(2 * settings.call_seconds, settings.smtp_final_reply_seconds) + settings.clock_skew_seconds


def _of(installation: Standing, creditor: Creditor) -> Standing:
    return msgspec.structs.replace(
        installation,
        registered=True,
        creditor_name=creditor.name,
        suspended=creditor.suspended,
        suspension_id=creditor.suspension_id,
        zone=creditor.zone,
        sender_email=creditor.sender_email or installation.sender_email,
        sender_name=creditor.sender_name,
        sender_phone=creditor.sender_phone or installation.sender_phone,
    )


async def messages(
    tx: Connection, tenant: str, account: str | None, status: str | None, after: tuple[date, str, str] | None, limit: int
) -> list[Any]:
    """Messages of a creditor, or of one account, latest planned first: by (planned_on descending, account_id, reminder_id)."""
    return await tx.fetch(
        f"""select m.* from {SCHEMA}.message o cross join lateral (
                select * from {SCHEMA}.message s where s.tenant_id = o.tenant_id and s.account_id = o.account_id
                    and s.reminder_id = o.reminder_id and s.status <> '' order by s.id desc limit 1) m
            where o.opens and o.tenant_id = $1 and ($2::text is null or o.account_id = $2) and ($3::text is null or m.status = $3)
              and ($4::date is null or o.planned_on < $4 or (o.planned_on = $4 and (o.account_id, o.reminder_id) > ($5, $6)))
            order by o.planned_on desc, o.account_id, o.reminder_id limit $7""",
        *(tenant, account, status, *(after or (None, None, None)), limit),
    )


async def message(tx: Connection, tenant: str, account: str, reminder_id: str) -> Any | None:
    """How one message stands, with its row's columns."""
    return await tx.fetchrow(
        f"""select * from {SCHEMA}.message where tenant_id = $1 and account_id = $2 and reminder_id = $3 and status <> ''
            order by id desc limit 1""",
        *(tenant, account, reminder_id),
    )


async def attempts(tx: Connection, tenant: str, account: str, reminder_id: str) -> list[Any]:
    """What happened to a message, oldest first."""
    return await tx.fetch(
        f"""select * from {SCHEMA}.message where tenant_id = $1 and account_id = $2 and reminder_id = $3 and what <> ''
            order by id""",
        *(tenant, account, reminder_id),
    )


async def reports(tx: Connection, tenant: str, account: str, reminder_id: str) -> list[Any]:
    """What providers reported of a message's calls, oldest first."""
    return await tx.fetch(
        f"""select r.* from {SCHEMA}.report r where r.tenant_id = $1 and r.account_id = $2 and r.reminder_id = $3
            order by r.at, r.call_id, r.status""",
        *(tenant, account, reminder_id),
    )


async def account_of_call(tx: Connection, call_id: str) -> tuple[str, str, str] | None:
    """Tenant, account and reminder of a provider call: a callback names nothing else."""
    row = await tx.fetchrow(f"select * from {SCHEMA}.account_of_call($1)", call_id)
    return None if row is None else (row[0], row[1], row[2])


async def accounts_of_address(tx: Connection, address: str, channel: str) -> list[tuple[str, str]]:
    """Every (tenant, account) that has an address, by its suppression key: a STOP names nobody."""
    rows = await tx.fetch(f"select * from {SCHEMA}.accounts_of_address($1, $2)", address, channel)
    return [(row[0], row[1]) for row in rows]
