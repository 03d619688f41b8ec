"""Stores of both kinds: every test of the conformance suite runs in memory and on real PostgreSQL, as two processes of one service."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from paycue.bus.postgres import PostgresStore
from paycue.bus.store import Store
from paycue.db.engine import Database
from paycue.db.schema import service_role
from paycue.testing.memory_store import MemoryStore
from paycue.testing.memory_tables import Tables
from tests.integration.bus.till import SCHEMA, STORE, till


class Pair(msgspec.Struct):
    """Two processes' ways to the same tables."""

    one: Store
    other: Store


@pytest.fixture(params=["memory", "postgres"])
def server(request: pytest.FixtureRequest) -> str | None:
    """None for memory; else where PostgreSQL answers."""
    return request.getfixturevalue("postgres").database_url if request.param == "postgres" else None


@pytest.fixture
async def stores(server: str | None) -> AsyncIterator[Pair]:
    if server is None:
        tables = Tables()
        yield Pair(MemoryStore(STORE, tables), MemoryStore(STORE, tables))
        return
    async with till(server) as made:
        other = Database(made.url, service_role(SCHEMA), name="other")
        yield Pair(made.store, PostgresStore(STORE, other))
        await other.close()
