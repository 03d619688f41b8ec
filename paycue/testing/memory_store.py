"""The store of one service in memory, with the locks, orders and failures of PostgreSQL. It knows no service: one stands in for all.

What a process has not committed is lost with it. An answer can be lost after the commit happened; nobody can tell it from a
commit that did not.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg

from paycue.bus.envelope import Pending
from paycue.bus.store import Health, Letter, Outbox
from paycue.bus.topics import topics
from paycue.bus.watermark import ANYWHERE, Watermark
from paycue.db.accounts import AccountStore
from paycue.observability.invariants import Invariant, Violation
from paycue.receipt import Receipt
from paycue.testing.faults import NO_FAULTS, StoreFaults
from paycue.testing.memory_tables import GONE, Tables
from paycue.testing.memory_unit import MemoryUnit, opened
from paycue.testing.virtual_loop import Process

_SILENT_SECONDS = 30.0
"""A relay that has said nothing for so long is taken for dead, as PostgreSQL's session timeout does."""


class MemoryOutbox:
    """The rows that wait, in the hands of who holds the relay's lock."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store

    async def waiting(self, most: int) -> list[tuple[int, Pending]]:
        await self._speak("waiting")
        rows = self._store.tables.tables["outbox"].items()
        return sorted(rows, key=lambda row: (not topics()[row[1].topic].beats, row[0]))[:most]

    async def _speak(self, statement: str) -> None:
        """Raises a connection's error when the server has ended this session, which was silent for too long."""
        await self._store.statement(statement)
        tables = self._store.tables
        if tables.relay is not self._store:
            raise asyncpg.ConnectionDoesNotExistError("the session was idle for too long")
        tables.relay_spoke = asyncio.get_running_loop().time()

    async def delete(self, ids: Sequence[int]) -> None:
        await self._speak("delete")
        async with self._store.transaction(()) as unit:
            unit.changes["outbox"] = dict.fromkeys(ids, GONE)


class MemoryStore:
    """One process's way to a service's tables."""

    def __init__(self, accounts: AccountStore, tables: Tables, faults: StoreFaults = NO_FAULTS, process: Process | None = None) -> None:
        self.accounts, self.tables = accounts, tables
        self._faults, self._process, self._open = faults, process, dict[MemoryUnit, None]()
        self.watermark = Watermark()
        if process is not None:
            process.deaths.append(self._die)

    @asynccontextmanager
    async def transaction(self, tenants: Iterable[str]) -> AsyncIterator[Any]:
        await self.statement("begin")
        unit = MemoryUnit(self.accounts, self.tables, tenants, self.statement, self.watermark)
        self._open[unit] = None
        lowest = ANYWHERE
        try:
            yield unit
            lost = await self._faults.commit()
            self._alive()
            self.tables.apply(unit.changes)
            unit.end()
            await self._faults.committed()
            self._alive()
            lowest = ANYWHERE if lost else unit.lowest
        finally:
            self.watermark.put(lowest)
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
        now = asyncio.get_running_loop().time()
        if self.tables.relay is not None and now < self.tables.relay_spoke + _SILENT_SECONDS:
            yield None
            return
        self.tables.relay, self.tables.relay_spoke = self, now
        try:
            yield MemoryOutbox(self)
        finally:
            if self.tables.relay is self:
                self.tables.relay = None

    async def next_due(self, lanes: Collection[int] | None = None) -> datetime | None:
        with self.watermark.looking(lanes) as look:
            await self.statement("next due")
            earliest = self.tables.earliest(lanes, look.began)
            self.watermark.rise(look, earliest)
            return earliest

    async def entry(self, entry_id: str) -> bytes | None:
        await self.statement("entry")
        doc: bytes | None = self.tables.tables["directory"].get(entry_id)
        return doc

    async def tenants(self) -> list[str]:
        await self.statement("tenants")
        return [entry_id[9:] for entry_id in self.tables.tables["directory"] if entry_id.startswith("creditor:")]

    async def receipts(self, tenant: str, stop_id: str) -> list[Receipt]:
        await self.statement("receipts")
        rows = self.tables.tables["stop_receipt"].values()
        return [owned.row for owned in rows if owned.tenant == tenant and owned.row.stop_id == stop_id]

    async def letters(self, only: int | None = None) -> list[Letter]:
        await self.statement("letters")
        return [letter for letter in opened(self.tables.tables["letter"]) if only in (None, letter.id)]

    async def check(self) -> None:
        await self.statement("check")

    async def health(self) -> Health:
        await self.statement("health")
        letters = opened(self.tables.tables["letter"])
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
