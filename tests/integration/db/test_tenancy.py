"""Row-level security: a transaction sees and writes the tenants it names, whatever the statement says; no role stands above it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from paycue.app import discover
from paycue.db.bulk import Owned
from paycue.db.engine import Database
from tests.integration.bus.till import START, Slip, Till

# ADR 0007: system tables, which no API reads.
WITHOUT_POLICY = {"inbox", "outbox", "lane", "dead_letter", "directory", "alembic_version"}
REFUSED = "row-level security policy"


@pytest.fixture
async def two(till: Till) -> Till:
    """acme and beta have an account of the same name, each with a line."""
    await till.fold(till.record("1"), till.record("1", tenant="beta"))
    return till


@pytest.fixture
async def whole_database(whole: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(whole)
    yield connection
    await connection.close()


async def _seen(database: Database, tenants: list[str]) -> list[str]:
    async with database.transaction(tenants) as tx:
        accounts = await tx.fetch("select tenant_id from till.account order by 1")
        lines = await tx.fetch("select tenant_id from till.line order by 1")
    assert accounts == lines
    return [row[0] for row in accounts]


@pytest.mark.parametrize("tenants", [[], ["acme"], ["beta"], ["acme", "beta"], ["nobody"]])
async def test_a_transaction_sees_the_tenants_it_names(two: Till, tenants: list[str]) -> None:
    assert await _seen(two.database, tenants) == [tenant for tenant in tenants if tenant != "nobody"]


async def test_without_a_list_nothing_is_seen_before_and_after_a_transaction(two: Till) -> None:
    async with two.database.connection() as connection:
        assert await connection.fetchval("select count(*) from till.account") == 0
    await _seen(two.database, ["acme"])
    async with two.database.connection() as connection:
        assert await connection.fetchval("select count(*) from till.account") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "insert into till.account (tenant_id, account_id, lane, doc) values ('beta', 'z', 0, '')",
        "insert into till.line values ('beta', 'z', '9', '')",
        "insert into till.idempotency values ('beta', 'k', '', 200, '', now())",
        "update till.line set tenant_id = 'beta'",
        "update till.account set tenant_id = 'beta'",
    ],
)
async def test_nothing_is_written_for_another_tenant(two: Till, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=REFUSED):
        async with two.database.transaction(["acme"]) as tx:
            await tx.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update till.account set lane = 99 where tenant_id = 'beta'",
        "update till.line set text = 'taken' where tenant_id = 'beta'",
        "delete from till.line where tenant_id = 'beta'",
    ],
)
async def test_nothing_of_another_tenant_is_changed(two: Till, statement: str) -> None:
    async with two.database.transaction(["acme"]) as tx:
        assert (await tx.execute(statement)).endswith(" 0")


async def test_what_is_copied_is_its_tenants_alone_and_only_added_to(two: Till) -> None:
    for tenant in ("acme", "beta"):
        async with two.store.transaction([tenant]) as unit:
            await unit.save({}, [Owned(tenant, "a", Slip("1"))])
    assert await two.rows("select tenant_id from till.slip", tenants=["acme"]) == [("acme",)]
    assert await two.rows("select tenant_id from till.slip", tenants=[]) == []
    for statement in (
        "select * from till.slip_rows",
        "update till.slip set number = ''",
        "delete from till.slip_rows",
        "insert into till.slip_rows values ('beta', 'a', '2')",
        "insert into till.slip values ('beta', 'a', '2')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await two.rows(statement, tenants=["acme"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with two.store.transaction([]) as unit:
            await unit.save({}, [Owned("acme", "a", Slip("2"))])


async def test_what_waits_behind_a_parked_account_is_its_tenants_alone(two: Till) -> None:
    await two.fold(two.record("poison 2"), two.record("3"))
    counts = [await two.rows("select count(*) from till.parked", tenants=[tenant]) for tenant in ("acme", "beta")]
    assert counts == [[(1,)], [(0,)]]


async def test_a_due_timer_is_claimed_by_its_keys_and_nothing_more_is_told(two: Till) -> None:
    await two.fold(two.record("timer 2"), two.record("timer 2", tenant="beta"))
    async with two.database.transaction(()) as tx:
        claimed = await tx.fetch("select * from till.claim_due($1, 10, null)", START.replace(year=2014))
        assert [dict(row) for row in claimed] == [{"tenant_id": tenant, "account_id": "a"} for tenant in ("acme", "beta")]
        assert await tx.fetchval("select count(*) from till.account") == 0


@pytest.mark.parametrize(
    "statement", ["select doc from till.account", "update till.account set next_action_at = null", "select * from till.line"]
)
async def test_the_role_behind_the_claim_reads_and_changes_nothing_else(two: Till, statement: str) -> None:
    timer = Database(two.url, "paycue_till_timer")
    try:
        async with timer.connection() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await timer.close()


async def test_a_tenant_list_is_gone_with_its_transaction(two: Till) -> None:
    async with two.database.transaction(["acme"]) as tx:
        assert await tx.fetchval("select current_setting('paycue.tenants')") == "acme"
    async with two.database.connection() as connection:
        assert not await connection.fetchval("select current_setting('paycue.tenants', true)")


async def test_no_role_of_ours_stands_above_the_policies_or_owns_a_table(whole_database: asyncpg.Connection) -> None:
    roles = await whole_database.fetch(
        "select rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole from pg_roles where rolname like 'paycue\\_%'"
    )
    assert len(roles) >= 8
    assert [tuple(role) for role in roles if any(list(role)[1:])] == []
    owned = "select relname from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname like 'paycue\\_%' and c.relkind = 'r'"
    assert await whole_database.fetch(owned) == []


async def test_every_table_of_every_service_has_a_forced_policy_or_no_tenants(whole_database: asyncpg.Connection) -> None:
    schemas = [service.store.schema for service in discover()]
    tables = await whole_database.fetch(
        """select n.nspname as schema, c.relname as name, c.relrowsecurity and c.relforcerowsecurity
               -- What is copied to is read by nobody, and a trigger holds each COPY to the list.
               or c.relispartition and not has_table_privilege('paycue_' || n.nspname, c.oid, 'select, update, delete, truncate')
                   and exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'only_own_tenants' and t.tgenabled = 'O')
               as forced
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relkind in ('r', 'p') and n.nspname = any($1::text[])""",
        schemas,
    )
    assert len({table["schema"] for table in tables}) == 4
    assert [f"{t['schema']}.{t['name']}" for t in tables if not t["forced"] and t["name"] not in WITHOUT_POLICY] == []


async def test_every_definers_function_is_the_services_alone_and_has_a_fixed_path(whole_database: asyncpg.Connection) -> None:
    functions = await whole_database.fetch(
        """select p.proname as name, p.proconfig as config, has_function_privilege('public', p.oid, 'execute') as open
           from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.prosecdef and n.nspname = any($1::text[])""",
        [service.store.schema for service in discover()],
    )
    assert len(functions) >= 8
    assert [f["name"] for f in functions if f["open"] or "search_path=pg_catalog" not in f["config"]] == []
