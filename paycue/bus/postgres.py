"""The store on PostgreSQL: each method one statement or a few, whatever the size of the batch. The SQL stands in the module of its table.

Nothing here decides. A transaction names its tenants, and row-level security shows it no other's rows.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import asyncpg

from paycue.bus import inbox, letter_rows, outbox_rows
from paycue.bus.batch import Aside
from paycue.bus.envelope import Envelope, Pending, Record
from paycue.bus.flow import TopicPartition
from paycue.bus.opening import Opening, open_batch
from paycue.bus.store import Claim, Health, Letter, Outbox, Unit
from paycue.bus.watermark import ANYWHERE, NOWHERE, Watermark
from paycue.db.accounts import AccountStore, Key, Loaded
from paycue.db.bulk import Owned
from paycue.db.engine import Connection, Database, see_tenants
from paycue.observability.invariants import Invariant, Violation, violated
from paycue.receipt import Receipt

_SILENT_SECONDS = 30
"""A relay that has said nothing for so long is taken for dead: it says something every second, or waits for the bus half as long."""


class PostgresUnit:
    """One transaction over a service's schema. `lowest`: the earliest timer that it put."""

    def __init__(self, accounts: AccountStore, tx: Connection, watermark: Watermark) -> None:
        self._accounts, self._schema, self.tx = accounts, accounts.schema, tx
        self._watermark, self.lowest = watermark, NOWHERE
        self._opening: Opening | None = None

    async def see_tenants(self, tenants: Iterable[str]) -> None:
        await see_tenants(self.tx, tenants)

    async def lock_lanes(
        self, consumer: str, ends: dict[TopicPartition, int], envelopes: Sequence[Envelope] = (), keys: Collection[Key] = ()
    ) -> None:
        self._opening = await open_batch(self.tx, self._accounts, consumer, ends, envelopes, keys)

    async def claim(self, envelopes: Sequence[Envelope]) -> list[Claim]:
        knows, opening = self._accounts.knows, self._opening
        asked = [one for one in envelopes if one.type not in knows]
        if not asked:
            return ["new"] * len(envelopes)
        if opening is not None and opening.run.of(asked):
            run, written = opening.run, opening.written
        else:
            run = inbox.Run(asked)
            written = await inbox.written(self.tx, self._schema, run)
        claims = iter(await inbox.claims(self.tx, self._schema, run, written))
        return ["new" if one.type in knows else next(claims) for one in envelopes]

    async def load(self, wanted: Iterable[Key], lane_of: Callable[[Key], int]) -> dict[Key, Loaded]:
        keys, opening = set(wanted), self._opening
        foreseen = opening.accounts if opening is not None and keys <= opening.keys else None
        return await self._accounts.load(self.tx, keys, lane_of, foreseen)

    async def save(self, states: dict[Key, Any], rows: Iterable[Owned], events: Sequence[Pending] = ()) -> None:
        self.lowest = min([self.lowest, *(at for state in states.values() if (at := state.next_action_at) is not None)])
        self._opening = None
        await self._accounts.write(self.tx, rows)
        if states or events:
            sql = f"select {self._schema}.saved($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            await self.tx.execute(sql, *self._accounts.documents(states), *outbox_rows.columns(events))

    async def claim_due(self, now: datetime, most: int, lanes: Collection[int] | None) -> list[Key]:
        return await self._accounts.claim_due(self.tx, now, most, lanes, self._watermark.claiming(lanes, now))

    async def park(self, keys: Sequence[Key], at: datetime | None) -> None:
        self.lowest = ANYWHERE if at is None else self.lowest  # Their timers are there again.
        await self._accounts.park(self.tx, keys, at)

    async def keep(self, aside: Sequence[Aside], now: datetime) -> None:
        await letter_rows.keep(self.tx, self._schema, aside, now)

    async def buried(self, digests: Collection[bytes]) -> set[bytes]:
        rows = await self.tx.fetch(f"select digest from {self._schema}.dead_letter where digest = any($1::bytea[])", list(digests))
        return {row[0] for row in rows}

    async def letters_of(self, key: Key) -> list[Letter]:
        return await letter_rows.letters_of(self.tx, self._schema, key)

    async def take_parked(self, key: Key) -> list[tuple[int, Record]]:
        return await letter_rows.take_parked(self.tx, self._schema, key)

    async def resolve(self, letters: Sequence[int], now: datetime) -> None:
        await self.tx.execute(f"update {self._schema}.dead_letter set resolved_at = $2 where id = any($1::bigint[])", letters, now)

    async def pinned(self, entry_ids: Sequence[str]) -> dict[str, bytes | None]:
        if self._opening is not None and self._opening.pins.issuperset(entry_ids):
            found = self._opening.entries
            return {entry_id: found[entry_id] for entry_id in entry_ids if entry_id in found}
        rows = await self.tx.fetch(f"select id, doc from {self._schema}.pinned($1)", list(entry_ids))
        return {row[0]: row[1] for row in rows}

    async def write_entry(self, entry_id: str, doc: bytes) -> bool:
        await self.tx.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{self._schema}.directory:{entry_id}")
        changed = await self.tx.fetchval(
            f"""insert into {self._schema}.directory as d (id, doc) values ($1, $2)
                on conflict (id) do update set doc = excluded.doc where d.doc <> excluded.doc returning true""",
            *(entry_id, doc),
        )
        return changed is True

    async def entries(self, entry_ids: Sequence[str]) -> dict[str, bytes]:
        rows = await self.tx.fetch(f"select id, doc from {self._schema}.directory where id = any($1::text[])", list(entry_ids))
        return {row[0]: row[1] for row in rows}

    async def wake_tenant(self, tenant: str, now: datetime) -> None:
        self.lowest = min(self.lowest, now)
        await self._accounts.wake_tenant(self.tx, tenant, now)


class PostgresOutbox:
    """The rows that wait, over the connection that holds the relay's lock."""

    def __init__(self, schema: str, connection: Connection) -> None:
        self._schema, self._connection = schema, connection

    async def waiting(self, most: int) -> list[tuple[int, Pending]]:
        urgent = await outbox_rows.first(self._connection, self._schema, "urgent", most)
        left = most - len(urgent)
        return urgent + await outbox_rows.first(self._connection, self._schema, "not urgent", left) if left > 0 else urgent

    async def delete(self, ids: Sequence[int]) -> None:
        await outbox_rows.delete(self._connection, self._schema, ids)


class PostgresStore:
    """One service's schema."""

    def __init__(self, accounts: AccountStore, database: Database) -> None:
        self.accounts, self.schema, self.database = accounts, accounts.schema, database
        self.watermark = Watermark()

    @asynccontextmanager
    async def transaction(self, tenants: Iterable[str]) -> AsyncIterator[Unit]:
        lowest = ANYWHERE  # Should nobody know whether it happened, anything may have been put.
        try:
            async with self.database.transaction(tenants) as tx:
                unit = PostgresUnit(self.accounts, tx, self.watermark)
                yield unit
            lowest = unit.lowest
        finally:
            self.watermark.put(lowest)

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[Outbox | None]:
        async with self.database.connection() as connection:
            try:
                if not await connection.fetchval("select pg_try_advisory_lock(hashtext($1))", f"relay:{self.schema}"):
                    yield None
                    return
                # Whoever leads and is frozen must not keep the others from leading. And no stop's commit waits for the disk behind a
                # deletion: one that a crash undoes is of an event that goes out again under the id that every inbox knows.
                await connection.execute(f"set idle_session_timeout = '{_SILENT_SECONDS}s'; set synchronous_commit = off")
                yield PostgresOutbox(self.schema, connection)
                await connection.execute("reset idle_session_timeout; reset synchronous_commit; select pg_advisory_unlock_all()")
            except BaseException:
                # The lock ends with its connection, which nobody else may be given with it. A closed one is the pool's again already.
                with suppress(asyncpg.InterfaceError):
                    connection.terminate()
                raise

    async def next_due(self, lanes: Collection[int] | None = None) -> datetime | None:
        async with self.database.connection() as connection:
            with self.watermark.looking(lanes) as look:
                earliest = await self.accounts.next_due(connection, lanes, look.began)
                self.watermark.rise(look, earliest)
                return earliest

    async def entry(self, entry_id: str) -> bytes | None:
        async with self.database.connection() as connection:
            doc: bytes | None = await connection.fetchval(f"select doc from {self.schema}.directory where id = $1", entry_id)
            return doc

    async def tenants(self) -> list[str]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(f"select substr(id, 10) from {self.schema}.directory where id like 'creditor:%'")
        return [row[0] for row in rows]

    async def receipts(self, tenant: str, stop_id: str) -> list[Receipt]:
        async with self.database.transaction([tenant]) as tx:
            rows = await tx.fetch(
                f"select {', '.join(Receipt.__struct_fields__)} from {self.schema}.stop_receipt where tenant_id = $1 and stop_id = $2",
                *(tenant, stop_id),
            )
        return [Receipt(*row) for row in rows]

    async def letters(self, only: int | None = None) -> list[Letter]:
        async with self.database.transaction(()) as tx:
            return await letter_rows.letters(tx, self.schema, only)

    async def check(self) -> None:
        async with self.database.connection() as connection:
            there = await connection.fetchval("select to_regclass($1) is not null", f"{self.schema}.account")
        if not there:
            raise RuntimeError(f"the database has no schema of {self.schema}; run `paycue migrate` first")

    async def health(self) -> Health:
        opened = f"from {self.schema}.dead_letter where resolved_at is null"
        async with self.database.connection() as connection:
            outbox = await connection.fetchval(f"select coalesce(sum(count), 0) from {self.schema}.outbox where id > 0")
            letters = await connection.fetchval(f"select count(*) {opened}")
            parked = await connection.fetchval(f"select count(distinct (tenant_id, account_id)) {opened} and parked")
            return Health(outbox, letters, parked, await self.accounts.next_due(connection))

    async def prune(self, tenants: Sequence[str], answers_before: datetime) -> None:
        async with self.database.connection() as connection:
            while await inbox.forget(connection, self.schema):
                continue
        async with self.database.transaction(tenants) as tx:
            await tx.execute(f"delete from {self.schema}.idempotency where created_at < $1", answers_before)
            await tx.execute(f"delete from {self.schema}.stop_receipt where effective_at < $1", answers_before)

    async def violated(self, tenants: Sequence[str], invariants: Iterable[Invariant]) -> list[Violation]:
        async with self.database.transaction(tenants) as tx:
            return await violated(tx, invariants)

    async def close(self) -> None:
        await self.database.close()
