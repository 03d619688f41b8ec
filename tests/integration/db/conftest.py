"""Databases for tests of PostgreSQL access: the tiny till of the bus's tests, and one with every service's schema."""

import itertools
from collections.abc import AsyncIterator

import pytest

from paycue.app import discover, migrate_all
from paycue.local.stack import LocalStack
from tests.integration.bus.till import Till, execute, named
from tests.integration.bus.till import till as open_till

_numbers = itertools.count(1)


@pytest.fixture
async def till(postgres: LocalStack) -> AsyncIterator[Till]:
    async with open_till(postgres.database_url) as made:
        yield made


@pytest.fixture
async def empty(postgres: LocalStack) -> str:
    """The URL of a new database."""
    name = f"empty_{next(_numbers)}"
    await execute(postgres.database_url, f"create database {name}")
    return named(postgres.database_url, name)


@pytest.fixture(scope="module")
def _migrated() -> dict[str, str]:
    return {}


@pytest.fixture
async def whole(postgres: LocalStack, _migrated: dict[str, str]) -> str:
    """The URL of a database with the schemas of all services, made once and only read."""
    if "url" not in _migrated:
        name = f"whole_{next(_numbers)}"
        await execute(postgres.database_url, f"create database {name}")
        await migrate_all(named(postgres.database_url, name), discover())
        _migrated["url"] = named(postgres.database_url, name)
    return _migrated["url"]
