"""The servers that everything is measured on: PostgreSQL and Apache Kafka of this machine, durable as they ship, in a folder that is
thrown away. Each run gets a database and topics of its own, dropped afterwards, so that no run meets what another left.
"""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from paycue.db.engine import execute_alone, of_database
from paycue.local.stack import LocalStack

_numbers = itertools.count(1)


@asynccontextmanager
async def servers(*, kafka: bool = True) -> AsyncIterator[LocalStack]:
    """Both servers, from `async with` to its end."""
    with tempfile.TemporaryDirectory(prefix="paycue-bench-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)  # PostgreSQL runs as another user when we are root
        async with LocalStack(Path(place), kafka=kafka, say=lambda _: None) as stack:
            yield stack


def fresh_name() -> str:
    """A name that no other run of this process has."""
    return f"run{next(_numbers)}"


@asynccontextmanager
async def database(stack: LocalStack) -> AsyncIterator[str]:
    """The URL of an empty database, dropped at the end."""
    name = fresh_name()
    await execute_alone(stack.database_url, f"create database {name}")
    try:
        yield of_database(stack.database_url, name)
    finally:
        await _drop(stack.database_url, name)


async def _drop(url: str, name: str) -> None:
    """Autovacuum may be at work in it, whose process no role of ours may end: it ends by itself."""
    for last in (False,) * 20 + (True,):
        try:
            return await execute_alone(url, f"drop database if exists {name} with (force)")
        except asyncpg.SyntaxOrAccessError:
            if last:
                raise
            await asyncio.sleep(0.5)
