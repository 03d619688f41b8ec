"""One transaction in memory: what it changed over what is committed, its locks, and the tenants it sees.

A statement waits, fails and orders its locks as PostgreSQL's does. Nothing of it is there for anybody else before the commit.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from paycue.bus.batch import Aside
from paycue.bus.envelope import Envelope, Pending, Record
from paycue.bus.flow import TopicPartition
from paycue.bus.poison import digest_of, kept_of, record_of, refuse_overflow
from paycue.bus.store import Claim, Letter
from paycue.bus.watermark import ANYWHERE, NOWHERE, Watermark
from paycue.db.accounts import AccountStore, Key, Loaded
from paycue.db.bulk import Owned, RowTable
from paycue.db.engine import Connection
from paycue.testing.memory_tables import GONE, AccountRow, Changes, Tables


class MemoryUnit:
    """One transaction: what it changed, over what is committed. `lowest`: the earliest timer that it put."""

    def __init__(
        self,
        accounts: AccountStore,
        tables: Tables,
        tenants: Iterable[str],
        statement: Callable[[str], Awaitable[None]],
        watermark: Watermark,
    ) -> None:
        self._accounts, self._tables, self._tenants, self._statement = accounts, tables, frozenset(tenants), statement
        self._watermark, self.lowest = watermark, NOWHERE
        self.changes: Changes = {}

    @property
    def tx(self) -> Connection:
        raise TypeError("a store in memory speaks no SQL")

    async def see_tenants(self, tenants: Iterable[str]) -> None:
        await self._statement("see tenants")
        self._tenants = frozenset(tenants)

    async def lock_lanes(
        self, consumer: str, ends: dict[TopicPartition, int], envelopes: Sequence[Envelope] = (), keys: Collection[Key] = ()
    ) -> None:
        await self._statement("lock lanes")
        for topic, partition in sorted(ends):
            await self._lock("lane", (consumer, topic, partition))
            self._put("lane", (consumer, topic, partition), ends[topic, partition])

    async def claim(self, envelopes: Sequence[Envelope]) -> list[Claim]:
        await self._statement("claim")
        first: dict[bytes, Envelope] = {}
        for envelope in envelopes:
            if envelope.type not in self._accounts.knows:
                first.setdefault(envelope.inbox_id, envelope)
        claimed: dict[bytes, Envelope] = {}
        for inbox_id in sorted(first):
            await self._lock("inbox", inbox_id)
            if self._get("inbox", inbox_id) is None:
                self._put("inbox", inbox_id, first[inbox_id].digest)
                claimed[inbox_id] = first[inbox_id]
        return [self._verdict(one, claimed.get(one.inbox_id) is one) for one in envelopes]

    def _verdict(self, envelope: Envelope, claimed: bool) -> Claim:
        if claimed or envelope.type in self._accounts.knows:
            return "new"
        return "duplicate" if self._get("inbox", envelope.inbox_id) == envelope.digest else "reused"

    async def load(self, wanted: Iterable[Key], lane_of: Callable[[Key], int]) -> dict[Key, Loaded]:
        await self._statement("load")
        found, accounts = {}, self._accounts
        for key in sorted(wanted):
            self._must_see(key[0])
            await self._lock("account", key)
            row: AccountRow | None = self._get("account", key)
            if row is None:
                row = AccountRow(lane_of(key), accounts.encode(accounts.empty))
                self._put("account", key, row)
            found[key] = Loaded(row.lane, row.parked_at is not None, accounts.decode(row.doc))
        return found

    async def save(self, states: dict[Key, Any], rows: Iterable[Owned], events: Sequence[Pending] = ()) -> None:
        self.lowest = min([self.lowest, *(at for state in states.values() if (at := state.next_action_at) is not None)])
        await self._statement("save")
        for key, state in states.items():
            row = self._row(key)
            doc = self._accounts.encode(state)
            self._put("account", key, AccountRow(row.lane, doc, state.next_action_at, row.parked_at, row.version + 1))
        for owned in rows:
            self._write(self._accounts.rows[type(owned.row)], owned)
        for event in events:
            self._put("outbox", self._tables.next_number("outbox"), event)

    def _write(self, table: RowTable, owned: Owned) -> None:
        self._must_see(owned.tenant)
        if not table.key:
            self._put(table.name, self._tables.next_number(table.name), owned)
            return
        key = (owned.tenant, owned.account, *(getattr(owned.row, name) for name in table.key))
        if table.on_conflict == "update" or self._get(table.name, key) is None:
            self._put(table.name, key, owned)

    async def claim_due(self, now: datetime, most: int, lanes: Collection[int] | None) -> list[Key]:
        floor = self._watermark.claiming(lanes, now)
        await self._statement("claim due")
        due: list[tuple[datetime, Key]] = []
        for key, row in self._tables.tables["account"].items():
            at = row.next_action_at
            if at is not None and floor <= at <= now and row.parked_at is None and (lanes is None or row.lane in lanes):
                due.append((at, key))
        free = [key for _, key in sorted(due) if self._tables.locks.free(("account", key), self)][:most]
        for key in free:
            self._tables.locks.take(("account", key), self)
        return free

    async def park(self, keys: Sequence[Key], at: datetime | None) -> None:
        self.lowest = ANYWHERE if at is None else self.lowest
        await self._statement("park")
        for key in keys:
            self._put("account", key, msgspec.structs.replace(self._row(key), parked_at=at))

    async def keep(self, aside: Sequence[Aside], now: datetime) -> None:
        kept = kept_of(aside)
        if not kept:
            return
        await self._statement("keep")
        for key, more in sorted(Counter(one.input.key for one in kept if one.reason is None).items()):
            refuse_overflow(key, sum(owner == key for owner, _ in self._all("parked").values()), more)
        for one in kept:
            number, record = self._tables.next_number("letter"), record_of(one.input)
            if one.reason is None:
                self._put("parked", number, (one.input.key, record))
                continue
            tenant, account = one.input.tenant or None, one.input.account or None
            letter = Letter(number, record, one.reason, now, tenant, account, account is not None)
            self._put("letter", digest_of(record), (letter, None))

    async def buried(self, digests: Collection[bytes]) -> set[bytes]:
        await self._statement("buried")
        return {digest for digest in digests if self._get("letter", digest) is not None}

    async def letters_of(self, key: Key) -> list[Letter]:
        await self._statement("letters of")
        return [letter for letter in opened(self._all("letter")) if (letter.tenant, letter.account) == key]

    async def take_parked(self, key: Key) -> list[tuple[int, Record]]:
        await self._statement("take parked")
        self._must_see(key[0])
        waiting = sorted((number, record) for number, (owner, record) in self._all("parked").items() if owner == key)
        for number, _ in waiting:
            self._put("parked", number, GONE)
        return waiting

    async def resolve(self, letters: Sequence[int], now: datetime) -> None:
        await self._statement("resolve")
        for digest, (letter, _) in self._all("letter").items():
            if letter.id in letters:
                self._put("letter", digest, (letter, now))

    async def pinned(self, entry_ids: Sequence[str]) -> dict[str, bytes | None]:
        await self._statement("pinned")
        held = [entry_id for entry_id in entry_ids if self._tables.locks.share(("directory", entry_id), self)]
        return {entry_id: self._get("directory", entry_id) for entry_id in held}

    async def write_entry(self, entry_id: str, doc: bytes) -> bool:
        await self._statement("write entry")
        await self._lock("directory", entry_id)
        if self._get("directory", entry_id) == doc:
            return False
        self._put("directory", entry_id, doc)
        return True

    async def entries(self, entry_ids: Sequence[str]) -> dict[str, bytes]:
        await self._statement("entries")
        return {entry_id: doc for entry_id in entry_ids if (doc := self._get("directory", entry_id)) is not None}

    async def wake_tenant(self, tenant: str, now: datetime) -> None:
        self.lowest = min(self.lowest, now)
        await self._statement("wake tenant")
        for key in sorted(key for key in self._all("account") if key[0] == tenant and tenant in self._tenants):
            await self._lock("account", key)
            row = self._row(key)
            at = now if row.next_action_at is None else min(row.next_action_at, now)
            self._put("account", key, msgspec.structs.replace(row, next_action_at=at))

    def end(self) -> None:
        """Let go of every lock; what is not committed never was."""
        self.changes = {}
        self._tables.locks.release(self)

    async def _lock(self, table: str, key: Hashable) -> None:
        await self._tables.locks.acquire((table, key), self)

    def _row(self, key: Key) -> AccountRow:
        self._must_see(key[0])
        row: AccountRow = self._get("account", key)
        return row

    def _must_see(self, tenant: str) -> None:
        if tenant not in self._tenants:
            raise asyncpg.InsufficientPrivilegeError(f"the transaction does not see {tenant}")

    def _get(self, table: str, key: Hashable) -> Any:
        changed = self.changes.get(table)
        if changed is not None and key in changed:
            return None if changed[key] is GONE else changed[key]
        return self._tables.tables[table].get(key)

    def _all(self, table: str) -> dict[Any, Any]:
        merged = {**self._tables.tables[table], **self.changes.get(table, {})}
        return {key: value for key, value in merged.items() if value is not GONE}

    def _put(self, table: str, key: Hashable, value: Any) -> None:
        self.changes.setdefault(table, {})[key] = value


def opened(letters: dict[Any, Any]) -> list[Letter]:
    """The dead letters that nobody has resolved, oldest first."""
    return sorted((letter for letter, resolved_at in letters.values() if resolved_at is None), key=lambda letter: letter.id)
