"""Transactions on real PostgreSQL: all or nothing, whatever ends them, and the pool is whole afterwards."""

import asyncio

import asyncpg
import pytest

from paycue.db import engine
from paycue.db.engine import Database, is_transient
from paycue.db.schema import service_role
from tests.integration.bus.till import SCHEMA, Till

INSERT = "insert into till.line values ('acme', 'a', '1', '')"


async def _lines(till: Till) -> int:
    ((count,),) = await till.rows("select count(*) from till.line")
    return int(count)


async def _fail(till: Till, error: Exception) -> None:
    async with till.database.transaction(["acme"]) as tx:
        await tx.execute(INSERT)
        raise error


async def test_what_raises_is_rolled_back_and_told(till: Till) -> None:
    with pytest.raises(KeyError, match="mine"):
        await _fail(till, KeyError("mine"))
    assert await _lines(till) == 0


async def test_a_statement_that_fails_is_told_and_the_connection_goes_on(till: Till) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with till.database.transaction(["acme"]) as tx:
            await tx.execute("select * from nothing")
    assert await _lines(till) == 0


async def test_a_cancelled_transaction_is_rolled_back_and_its_connection_thrown_away(till: Till) -> None:
    async def long() -> None:
        async with till.database.transaction(["acme"]) as tx:
            await tx.execute(INSERT)
            await tx.execute("select pg_sleep(60)")

    for _ in range(10):
        task = asyncio.ensure_future(long())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await _lines(till) == 0


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
        RuntimeError("unable to perform operation on <TCPTransport closed=True reading=False 0x1>; the handler is closed"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_connection_that_ends_while_a_request_is_written_is_transient_and_thrown_away(till: Till, error: Exception) -> None:
    with pytest.raises(ConnectionResetError) as told:
        await _fail(till, error)
    assert is_transient(told.value)
    assert await _lines(till) == 0


async def test_a_connection_that_is_given_back_in_a_transaction_is_nobody_elses(till: Till) -> None:
    small = Database(till.url, service_role(SCHEMA), pool_size=1)
    try:
        async with small.connection() as left:
            await left.execute("begin; select set_config('paycue.tenants', 'acme', true)")
            await left.execute(INSERT)
            first = await left.fetchval("select pg_backend_pid()")
        async with small.connection() as taken:
            assert await taken.fetchval("select pg_backend_pid()") != first
            assert await taken.fetchval("select count(*) from till.line") == 0
    finally:
        await small.close()
    assert await _lines(till) == 0


async def test_a_pool_without_a_free_connection_is_transient_and_whole_afterwards(till: Till) -> None:
    small = Database(till.url, service_role(SCHEMA), pool_size=1, patience=0.05)
    try:
        async with small.connection() as held:
            for _ in range(3):
                with pytest.raises(TimeoutError, match=r"no connection to the database got free within 0\.05 seconds") as caught:
                    async with small.connection():
                        pass
            first = await held.fetchval("select pg_backend_pid()")
        assert is_transient(caught.value)
        async with small.connection() as again:
            assert await again.fetchval("select pg_backend_pid()") == first
    finally:
        await small.close()


async def test_closing_waits_for_nobody_for_ever(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_CLOSING_SECONDS", 0.05)
    closing = Database(till.url, service_role(SCHEMA))
    async with closing.connection() as kept:
        await closing.close()
        with pytest.raises(asyncpg.InterfaceError):
            await kept.execute("select 1")


async def test_a_server_that_is_not_there_is_transient() -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Exception) as caught:
        async with gone.transaction(()):
            pass
    assert is_transient(caught.value)
    await gone.close()


async def test_every_connection_has_the_planner_and_the_limits_of_the_house(till: Till) -> None:
    async with till.database.connection() as connection:
        rows = {name: await connection.fetchval(f"show {name}") for name in (*engine._PLANNER, *engine._LIMITS)}
        assert await connection.fetchval("select current_user") == service_role(SCHEMA)
    assert rows == {
        "plan_cache_mode": "force_custom_plan",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_seqscan": "off",
        "jit": "off",
        "lock_timeout": "1s",
        "idle_in_transaction_session_timeout": "1min",
        "TimeZone": "UTC",
    }
