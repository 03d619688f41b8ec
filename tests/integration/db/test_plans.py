"""Every statement of the hot path finds its rows by an index, however many there are: counted by PostgreSQL itself."""

from datetime import timedelta

import asyncpg

from paycue.bus import inbox
from paycue.bus.directory import Directory
from paycue.bus.gauges import measure
from paycue.bus.letters import replay, unresolved
from paycue.db.engine import Database
from paycue.db.schema import service_role
from tests.integration.bus.till import SCHEMA, START, STORE, Till

MANY = 10_000
FILL = f"""
    select set_config('paycue.tenants', 'acme', true);
    insert into till.account (tenant_id, account_id, lane, next_action_at, parked_at, doc)
        select 'acme', 'n' || n, 0, case when n % 10 = 0 then timestamptz '2013-01-03' + n * interval '1 minute' end,
            case when n % 100 = 1 then now() end, '\\x80' from generate_series(1, {MANY}) n;
    insert into till.line select 'acme', 'n' || n, '0', '' from generate_series(1, {MANY}) n;
    insert into till.inbox (id, digest) select gen_random_uuid(), '\\x00' from generate_series(1, {MANY});
    insert into till.outbox (topic, lane, urgent, count, events)
        select 'accounts.state.v1', 0, n % 2 = 0, 1, '\\x90' from generate_series(1, {MANY}) n;
    insert into till.lane select 'other', 'topic', n, 0 from generate_series(1, {MANY}) n;
    insert into till.dead_letter (digest, topic, partition, "offset", headers, reason, at, tenant_id, account_id, parked, resolved_at)
        select int8send(n), 't', 0, n, '[]', '', now(), 'acme', 'n' || n, true, now() from generate_series(1, {MANY}) n;
    insert into till.parked (tenant_id, account_id, topic, partition, "offset", key, headers, value)
        select 'acme', 'n' || (n % 100) * 100 + 1, 't', 0, n, '', '[]', '' from generate_series(1, {MANY}) n;
    insert into till.idempotency select 'acme', n::text, '', 200, '', now() from generate_series(1, {MANY}) n;
    insert into till.directory select 'creditor:' || n, '' from generate_series(1, {MANY}) n;
"""


async def _scans(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select relname, seq_scan from pg_stat_user_tables where schemaname = 'till'")
        return {row[0]: row[1] for row in rows}
    finally:
        await connection.close()


async def _filled(till: Till) -> None:
    async with till.database.transaction(["acme"]) as tx:
        await tx.execute(FILL)
    await till.database.close()
    connection = await asyncpg.connect(till.url)
    await connection.execute("analyze")
    await connection.close()


async def _work(till: Till) -> None:
    """Everything a running service does, on a pool of its own whose end reports its statistics."""
    till.database = till.store.database = Database(till.url, service_role(SCHEMA), name="till")
    batch = [till.record(f"{'poison ' if number == 7 else ''}{number}", f"n{number * 3}") for number in range(1, 50)]
    await till.fold(*batch, till.record("1", "unheard-of"))
    await till.fold(*batch, till.record("2", "n21"))
    await till.ring("x", "n5")
    till.clock.set(START + timedelta(days=2))
    await till.folder.fold_due(100)
    (letter,) = await unresolved(till.folder)
    await replay(till.folder, letter, discard=True)
    async with till.store.leading() as outbox:
        assert outbox is not None
        await till.relay().drain(outbox)
    async with till.database.connection() as connection:
        await inbox.forget(connection, SCHEMA)
    await measure(till.store, "till", till.clock.now())
    async with till.database.transaction(["acme"]) as tx:
        assert await STORE.read(tx, "acme", "n3") is not None
        await STORE.wake_tenant(tx, "acme", till.clock.now())
    directory = Directory(till.store, till.clock)
    assert await directory.creditor("nobody") is None
    await till.database.close()


async def test_a_statement_that_reads_a_whole_table_would_be_seen(till: Till) -> None:
    await _filled(till)
    before = await _scans(till.url)
    other = Database(till.url, service_role(SCHEMA))
    async with other.connection() as connection:
        await connection.fetch("select * from till.outbox where topic = 'nobody'")
    await other.close()
    assert (await _scans(till.url))["outbox"] == before["outbox"] + 1


async def test_no_statement_of_the_hot_path_reads_a_whole_table(till: Till) -> None:
    await _filled(till)
    before = await _scans(till.url)
    await _work(till)
    after = await _scans(till.url)
    assert {table: after[table] - before[table] for table in after if after[table] != before[table]} == {}
