"""Which errors go away by themselves, which commits may have happened, and how URLs and tenant lists are read."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from paycue.db.engine import Database, _tenant_list, dsn, is_ambiguous, is_transient, of_database
from paycue.db.migrate import async_url

PASSING = (
    asyncpg.DeadlockDetectedError(""),
    asyncpg.SerializationError(""),
    asyncpg.LockNotAvailableError(""),
    asyncpg.ConnectionDoesNotExistError(""),
    asyncpg.AdminShutdownError(""),
    asyncpg.TooManyConnectionsError(""),
    asyncpg.DiskFullError(""),
    asyncpg.InterfaceError("connection is closed"),
    ConnectionRefusedError(),
    TimeoutError(),
)
STAYING = (
    asyncpg.UniqueViolationError(""),
    asyncpg.UndefinedTableError(""),
    asyncpg.DataError("an argument that is no integer"),
    asyncpg.CheckViolationError(""),
    ValueError(),
    KeyError(),
)


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_goes_away_by_itself_is_waited_for(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", STAYING, ids=lambda error: type(error).__name__)
def test_what_stays_is_not_waited_for(error: Exception) -> None:
    assert not is_transient(error)


def test_a_commit_is_in_doubt_when_the_answer_was_lost_and_not_when_it_was_no() -> None:
    assert is_ambiguous(asyncpg.ConnectionDoesNotExistError(""))
    assert is_ambiguous(TimeoutError())
    assert not is_ambiguous(asyncpg.CheckViolationError(""))


@pytest.mark.parametrize(
    ("given", "plain", "alchemys"),
    [
        ("postgresql://u:p%40@h:5/db", "postgresql://u:p%40@h:5/db", "postgresql+asyncpg://u:p%40@h:5/db"),
        ("postgres://u@h/db?sslmode=require", "postgresql://u@h/db?sslmode=require", "postgresql+asyncpg://u@h/db?ssl=require"),
        ("postgresql+asyncpg://u@h/db?ssl=require", "postgresql://u@h/db?sslmode=require", "postgresql+asyncpg://u@h/db?ssl=require"),
    ],
)
def test_any_postgresql_url_is_taken(given: str, plain: str, alchemys: str) -> None:
    assert dsn(given) == plain
    assert async_url(given) == alchemys


def test_another_database_of_a_server_has_the_same_way_to_it() -> None:
    assert of_database("postgresql://u:p%40@h:5/db?sslmode=require", "other") == "postgresql://u:p%40@h:5/other?sslmode=require"


def test_a_tenant_that_is_no_slug_never_reaches_sql() -> None:
    assert _tenant_list(["b", "a", "b"]) == "select set_config('paycue.tenants', 'a,b', true)"
    with pytest.raises(ValueError, match="is not a tenant"):
        _tenant_list(["a'); drop table account; --"])


async def test_a_server_that_recovers_from_a_crash_is_waited_for() -> None:
    async with _answering(b"57P03", b"the database system is in recovery mode") as port:
        database = Database(f"postgresql://paycue:x@127.0.0.1:{port}/paycue")
        with pytest.raises(asyncpg.CannotConnectNowError) as told:
            async with database.connection():
                pass
        await database.close()

    assert is_transient(told.value)


@asynccontextmanager
async def _answering(code: bytes, text: bytes) -> AsyncIterator[int]:
    """The port of a PostgreSQL that answers whoever connects with an error."""
    fields = b"SFATAL\0VFATAL\0C" + code + b"\0M" + text + b"\0\0"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(8) == struct.pack(">ii", 8, 80877103):  # asks for TLS, which is refused
            writer.write(b"N")
            await reader.read(1)
        writer.write(b"E" + struct.pack(">i", len(fields) + 4) + fields)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
