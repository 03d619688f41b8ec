"""A commit whose answer is lost may have happened: what it put is in sight as if it was known to have, in memory and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from paycue.bus.postgres import PostgresStore
from paycue.bus.store import Store
from paycue.db.engine import Connection, Database
from paycue.db.schema import service_role
from paycue.testing.memory_store import MemoryStore
from paycue.testing.memory_tables import Tables
from tests.integration.bus.till import SCHEMA, STORE, till
from tests.integration.store.test_conformance import DAY, A, drawer, look, put


class Losing(Database):
    """PostgreSQL whose answers to commits are lost while `loses`."""

    loses = False

    @asynccontextmanager
    async def transaction(self, tenants: Iterable[str]) -> AsyncIterator[Connection]:
        async with super().transaction(tenants) as tx:
            yield tx
        if self.loses:
            raise ConnectionResetError


class LosingMemory:
    """The same of the tables in memory."""

    loses = False

    async def statement(self, name: str) -> None:
        await asyncio.sleep(0)

    async def commit(self) -> bool:
        return self.loses

    async def committed(self) -> None:
        await asyncio.sleep(0)


@pytest.fixture
async def store_and_losing(server: str | None) -> AsyncIterator[tuple[Store, Losing | LosingMemory]]:
    if server is None:
        memory = LosingMemory()
        yield MemoryStore(STORE, Tables(), memory), memory
        return
    async with till(server) as made:
        database = Losing(made.url, service_role(SCHEMA))
        yield PostgresStore(STORE, database), database
        await database.close()


async def test_a_timer_below_where_looks_begin_is_found_at_once_although_nobody_knows_that_it_is_there(
    store_and_losing: tuple[Store, Losing | LosingMemory],
) -> None:
    store, losing = store_and_losing
    assert await look(store, 3 * DAY) == []
    losing.loses = True
    with pytest.raises(ConnectionError):
        await put(store, {A: drawer(at=DAY)})
    losing.loses = False
    assert await look(store, 3 * DAY) == [A]
