"""The store of one service in memory, with the locks, orders and failures of PostgreSQL. It knows no service: one stands in for all.

What a process has not committed is lost with it. An answer can be lost after the commit happened; nobody can tell it from a
commit that did not.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from paycue.bus.batch import Aside
from paycue.bus.envelope import Envelope, Pending, Record
from paycue.bus.flow import TopicPartition
from paycue.bus.poison import digest_of, kept_of, record_of, refuse_overflow
from paycue.bus.store import Claim, Health, Letter, Outbox
from paycue.db.accounts import AccountStore, Key, Loaded
from paycue.db.bulk import Owned, RowTable
from paycue.db.engine import Connection
from paycue.observability.invariants import Invariant, Violation
from paycue.testing.faults import NO_FAULTS, StoreFaults
from paycue.testing.memory_tables import GONE, AccountRow, Changes, Tables
from paycue.testing.virtual_loop import Process


class MemoryUnit:
    """One transaction: what it changed, over what is committed."""

    def __init__(self, store: "MemoryStore", tenants: Iterable[str]) -> None:
        self._store, self._tables, self._tenants = store, store.tables, frozenset(tenants)
        self.changes: Changes = {}

    @property
    def tx(self) -> Connection:
        raise TypeError("a store in memory speaks no SQL")

    async def see_tenants(self, tenants: Iterable[str]) -> None:
        await self._statement("see tenants")
        self._tenants = frozenset(tenants)

    async def lock_lanes(self, consumer: str, ends: dict[TopicPartition, int]) -> None:
        await self._statement("lock lanes")
        for topic, partition in sorted(ends):
            await self._lock("lane", (consumer, topic, partition))
            self._put("lane", (consumer, topic, partition), ends[topic, partition])

    async def claim(self, envelopes: Sequence[Envelope]) -> list[Claim]:
        await self._statement("claim")
        first: dict[bytes, Envelope] = {}
        for envelope in envelopes:
            first.setdefault(envelope.inbox_id, envelope)
        claimed: dict[bytes, Envelope] = {}
        for inbox_id in sorted(first):
            await self._lock("inbox", inbox_id)
            if self._get("inbox", inbox_id) is None:
                self._put("inbox", inbox_id, first[inbox_id].digest)
                claimed[inbox_id] = first[inbox_id]
        return [self._verdict(one, claimed.get(one.inbox_id) is one) for one in envelopes]

    def _verdict(self, envelope: Envelope, claimed: bool) -> Claim:
        if claimed:
            return "new"
        return "duplicate" if self._get("inbox", envelope.inbox_id) == envelope.digest else "reused"

    async def load(self, wanted: Iterable[Key], lane_of: Callable[[Key], int]) -> dict[Key, Loaded]:
        await self._statement("load")
        found, accounts = {}, self._store.accounts
        for key in sorted(wanted):
            self._must_see(key[0])
            await self._lock("account", key)
            row: AccountRow | None = self._get("account", key)
            if row is None:
                row = AccountRow(lane_of(key), accounts.encode(accounts.empty))
                self._put("account", key, row)
            found[key] = Loaded(row.lane, row.parked_at is not None, accounts.decode(row.doc))
        return found

    async def save(self, states: dict[Key, Any], rows: Iterable[Owned]) -> None:
        await self._statement("save")
        for key, state in states.items():
            row = self._row(key)
            doc = self._store.accounts.encode(state)
            self._put("account", key, AccountRow(row.lane, doc, state.next_action_at, row.parked_at, row.version + 1))
        for owned in rows:
            self._write(self._store.accounts.rows[type(owned.row)], owned)

    def _write(self, table: RowTable, owned: Owned) -> None:
        self._must_see(owned.tenant)
        if not table.key:
            self._put(table.name, self._tables.next_number(table.name), owned)
            return
        key = (owned.tenant, owned.account, *(getattr(owned.row, name) for name in table.key))
        if table.on_conflict == "update" or self._get(table.name, key) is None:
            self._put(table.name, key, owned)

    async def append(self, events: Sequence[Pending]) -> None:
        await self._statement("append")
        for event in events:
            self._put("outbox", self._tables.next_number("outbox"), event)

    async def claim_due(self, now: datetime, most: int, lanes: Collection[int] | None) -> list[Key]:
        await self._statement("claim due")
        due: list[tuple[datetime, Key]] = []
        for key, row in self._tables.tables["account"].items():
            at = row.next_action_at
            if at is not None and at <= now and row.parked_at is None and (lanes is None or row.lane in lanes):
                due.append((at, key))
        free = [key for _, key in sorted(due) if self._tables.locks.free(("account", key), self)][:most]
        for key in free:
            self._tables.locks.take(("account", key), self)
        return free

    async def park(self, keys: Sequence[Key], at: datetime | None) -> None:
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
        return [letter for letter in _open(self._all("letter")) if (letter.tenant, letter.account) == key]

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

    async def _statement(self, name: str) -> None:
        await self._store.statement(name)

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


class MemoryOutbox:
    """The rows that wait, in the hands of who holds the relay's lock."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def waiting(self, most: int) -> list[tuple[int, Pending]]:
        await self._store.statement("waiting")
        return sorted(self._store.tables.tables["outbox"].items())[:most]

    async def delete(self, ids: Sequence[int]) -> None:
        async with self._store.transaction(()) as unit:
            unit.changes["outbox"] = dict.fromkeys(ids, GONE)


class MemoryStore:
    """One process's way to a service's tables."""

    def __init__(self, accounts: AccountStore, tables: Tables, faults: StoreFaults = NO_FAULTS, process: Process | None = None) -> None:
        self.accounts, self.tables = accounts, tables
        self._faults, self._process, self._open = faults, process, dict[MemoryUnit, None]()
        if process is not None:
            process.deaths.append(self._die)

    @asynccontextmanager
    async def transaction(self, tenants: Iterable[str]) -> AsyncIterator[Any]:
        await self.statement("begin")
        unit = MemoryUnit(self, tenants)
        self._open[unit] = None
        try:
            yield unit
            lost = await self._faults.commit()
            self._alive()
            self.tables.apply(unit.changes)
            unit.end()
            await self._faults.committed()
            self._alive()
        finally:
            self._open.pop(unit, None)
            unit.end()
        if lost:
            raise ConnectionError("the answer to a commit was lost")

    @property
    def busy(self) -> bool:
        """Whether a transaction of this process is open, or its answer on the way."""
        return bool(self._open)

    async def statement(self, name: str) -> None:
        """What every round trip costs, and may end in. Raises Killed in a dead process."""
        self._alive()
        await self._faults.statement(name)
        self._alive()

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[Outbox | None]:
        await self.statement("lead")
        if self.tables.relay is not None:
            yield None
            return
        self.tables.relay = self
        try:
            yield MemoryOutbox(self)
        finally:
            if self.tables.relay is self:
                self.tables.relay = None

    async def next_due(self) -> datetime | None:
        await self.statement("next due")
        return self.tables.earliest()

    async def entry(self, entry_id: str) -> bytes | None:
        await self.statement("entry")
        doc: bytes | None = self.tables.tables["directory"].get(entry_id)
        return doc

    async def tenants(self) -> list[str]:
        await self.statement("tenants")
        return [entry_id[9:] for entry_id in self.tables.tables["directory"] if entry_id.startswith("creditor:")]

    async def letters(self, only: int | None = None) -> list[Letter]:
        await self.statement("letters")
        return [letter for letter in _open(self.tables.tables["letter"]) if only in (None, letter.id)]

    async def check(self) -> None:
        await self.statement("check")

    async def health(self) -> Health:
        await self.statement("health")
        letters = _open(self.tables.tables["letter"])
        parked = {(letter.tenant, letter.account) for letter in letters if letter.parked}
        return Health(len(self.tables.tables["outbox"]), len(letters), len(parked), self.tables.earliest())

    async def prune(self, tenants: Sequence[str], answers_before: datetime) -> None:
        """There are no answers here, and ids are as old as the test."""

    async def violated(self, tenants: Sequence[str], invariants: Iterable[Invariant]) -> list[Violation]:
        """Invariants are SQL, and PostgreSQL's alone."""
        return []

    async def close(self) -> None:
        """Nothing is connected."""

    def _alive(self) -> None:
        if self._process is not None:
            self._process.alive()

    def _die(self) -> None:
        if self.tables.relay is self:
            self.tables.relay = None
        for unit in list(self._open):
            unit.end()


def _open(letters: dict[Any, Any]) -> list[Letter]:
    return sorted((letter for letter, resolved_at in letters.values() if resolved_at is None), key=lambda letter: letter.id)
