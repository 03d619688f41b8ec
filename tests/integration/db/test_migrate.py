"""Migrations: once is enough, twice changes nothing, and those who come together wait for each other."""

import asyncio

import asyncpg

from paycue.app import discover, migrate_all

_ALL = """select n.nspname || '.' || c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
          join pg_namespace n on n.oid = c.relnamespace where n.nspname = any($1::text[]) and a.attnum > 0 order by 1"""


async def _columns(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(_ALL, [service.store.schema for service in discover()])]
    finally:
        await connection.close()


async def test_migrating_again_changes_nothing(whole: str) -> None:
    before = await _columns(whole)
    await migrate_all(whole, discover())
    assert await _columns(whole) == before


async def test_migrators_that_come_together_wait_for_each_other(empty: str, whole: str) -> None:
    one = discover(["disputes"])
    await asyncio.gather(*(migrate_all(empty, one) for _ in range(3)))
    assert await _columns(empty) == [column for column in await _columns(whole) if column.startswith("disputes.")]
