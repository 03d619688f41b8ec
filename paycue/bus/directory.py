"""The directory as every service keeps it: creditors and API keys, folded from `operator.directory.v1` into its own schema.

Each event carries the whole present state of one creditor or key, so that the last one wins and compaction loses nothing. No
service ever asks another who is allowed.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache

import asyncpg
import msgspec
from google.protobuf.message import DecodeError

from paycue.auth.api_keys import ApiKey
from paycue.bus.batch import Input
from paycue.bus.envelope import Record, Undecodable, header, type_of
from paycue.bus.poison import set_aside
from paycue.bus.store import Store, Unit
from paycue.bus.topics import PACKAGE
from paycue.bus.validation import fault
from paycue.clock import Clock
from paycue.events.v1.directory_pb2 import ApiKeyRegistered, CreditorRegistered
from paycue.ids import TENANT

TOPIC = "operator.directory.v1"


class Creditor(msgspec.Struct, frozen=True):
    """A creditor the operator works for, as told by CreditorRegistered."""

    tenant: str
    name: str
    zone: str
    live_from: date | None = None
    live_until: date | None = None
    suspended: str = ""
    sender_email: str = ""
    sender_name: str = ""
    sender_phone: str = ""
    suspension_id: str = ""
    """The event that told of a suspension, under whose id it is acknowledged; empty: it is not suspended."""


Changed = Callable[[Unit, str], Awaitable[None]]
"""Told in the transaction in which a creditor (its tenant id) changed."""


class Directory:
    """One service's copy of the directory. `on_change` hears the id of every entry that was written, once that is durable."""

    def __init__(self, store: Store, clock: Clock, creditor_changed: Changed | None = None) -> None:
        self._store, self._clock, self._changed = store, clock, creditor_changed
        self.on_change: list[Callable[[str], None]] = []

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        """Fold directory events. One that cannot be read is a dead letter that parks nobody, for it belongs to no account."""
        read = [(record, _entry(record)) for record in records]
        entries = [entry for _, entry in read if not isinstance(entry, Undecodable)]
        now = self._clock.now()
        faults = [Input("", "", why, "", now, record=record) for record, why in read if isinstance(why, Undecodable)]
        async with self._store.transaction({e.tenant for _, e in entries if isinstance(e, Creditor)}) as unit:
            for entry_id, entry in entries:
                await self._write(unit, entry_id, entry)
            await set_aside(unit, faults, now)
        for entry_id, _ in entries:
            for heard in self.on_change:
                heard(entry_id)

    async def _write(self, unit: Unit, entry_id: str, entry: Creditor | ApiKey) -> None:
        changed = await unit.write_entry(entry_id, msgspec.msgpack.encode(entry))
        if changed and isinstance(entry, Creditor) and self._changed is not None:
            await self._changed(unit, entry.tenant)

    async def api_key(self, key_id: str) -> ApiKey | None:
        """A key by its id, revoked ones too; None when nobody registered it."""
        doc = await self._store.entry(f"key:{key_id}")
        return None if doc is None else msgspec.msgpack.decode(doc, type=ApiKey)

    async def creditor(self, tenant: str) -> Creditor | None:
        """A creditor by its tenant id."""
        doc = await self._store.entry(f"creditor:{tenant}")
        return None if doc is None else creditor_of(doc)

    async def tenants(self) -> list[str]:
        """Every creditor there is."""
        return await self._store.tenants()


def creditor_ids(tenants: Iterable[str]) -> list[str]:
    """The entries of creditors by tenant id."""
    return [f"creditor:{tenant}" for tenant in sorted(tenants)]


async def pinned(unit: Unit, tenants: Sequence[str], beside: Sequence[str] = ()) -> dict[str, Creditor]:
    """The creditors of `tenants` as they stay until the transaction ends, and with them the entries `beside`, whatever is in these.

    A creditor that is being changed at this moment is left out, as if it were not known. Raises LockNotAvailableError, which passes,
    while one of `beside` is.
    """
    found = await unit.pinned([*creditor_ids(tenants), *beside])
    for entry_id in beside:
        if entry_id not in found:
            raise asyncpg.LockNotAvailableError(f"{entry_id} is being changed")
        del found[entry_id]
    return {entry_id.removeprefix("creditor:"): creditor_of(doc) for entry_id, doc in found.items() if doc is not None}


@lru_cache(maxsize=4096)
def creditor_of(doc: bytes) -> Creditor:
    """A creditor from its entry; the same few are asked for with every batch."""
    return msgspec.msgpack.decode(doc, type=Creditor)


def entry_key(event: CreditorRegistered | ApiKeyRegistered) -> bytes:
    """The record key of a directory event."""
    name = f"creditor:{event.tenant_id}" if isinstance(event, CreditorRegistered) else f"key:{event.key_id}"
    return name.encode()


def _entry(record: Record) -> tuple[str, Creditor | ApiKey] | Undecodable:
    kind = type_of(record)
    try:
        if kind == f"{PACKAGE}.CreditorRegistered":
            return _creditor(CreditorRegistered.FromString(record.value or b""), header(record.headers, "ce_id") or "")
        if kind == f"{PACKAGE}.ApiKeyRegistered":
            return _api_key(ApiKeyRegistered.FromString(record.value or b""))
        return Undecodable(f"unknown type: {TOPIC} does not carry {kind!r}")
    except (ValueError, DecodeError) as error:
        return Undecodable(f"malformed: {error}")


def _creditor(event: CreditorRegistered, event_id: str) -> tuple[str, Creditor]:
    if wrong := fault(event):
        raise ValueError(wrong)
    live = (_day(event.live_from), _day(event.live_until))
    senders = (event.sender_email, event.sender_name, event.sender_phone)
    suspension_id = event_id if event.suspended else ""
    entry = Creditor(event.tenant_id, event.name, event.zone or "UTC", *live, event.suspended, *senders, suspension_id)
    return f"creditor:{event.tenant_id}", entry


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _api_key(event: ApiKeyRegistered) -> tuple[str, ApiKey]:
    if not event.key_id or len(event.secret_hash) != 32 or (event.tenant_id and not TENANT.fullmatch(event.tenant_id)):
        raise ValueError("an API key has a key_id, a secret_hash of 32 bytes, and a tenant_id of [a-z0-9-]{1,32} or none")
    key = ApiKey(event.key_id, event.secret_hash, event.tenant_id, tuple(event.scopes), event.label, event.revoked)
    return f"key:{event.key_id}", key
