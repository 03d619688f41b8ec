"""The way to PostgreSQL: asyncpg's pool, and one kind of transaction that names its tenants.

Nothing here may open a transaction without a tenant list: row-level security then matches no row at all.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from paycue.ids import TENANT

Connection = asyncpg.Connection

# A generic plan made while a table was empty is kept by prepared statements, and joins over unnest() hash a whole table:
# set-based statements are planned afresh, by index.
_PLANNER = {
    "plan_cache_mode": "force_custom_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}
_LIMITS = {"lock_timeout": "1000", "idle_in_transaction_session_timeout": "60000", "TimeZone": "UTC"}
_CLOSING_SECONDS = 5.0

TRANSIENT: tuple[type[BaseException], ...] = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OutOfMemoryError,
    asyncpg.DiskFullError,
    asyncpg.InterfaceError,
    ConnectionError,
    TimeoutError,
    OSError,
)
"""What goes away by itself: back off and try the same batch again; never poison."""


def is_transient(error: BaseException) -> bool:
    """Whether an error goes away by itself. asyncpg's DataError is an InterfaceError too, but no argument gets better by waiting."""
    return isinstance(error, TRANSIENT) and not isinstance(error, ValueError)


def is_ambiguous(error: BaseException) -> bool:
    """Whether a commit that raised this may have happened all the same: the answer was lost, not given."""
    return not isinstance(error, asyncpg.PostgresError) or isinstance(error, asyncpg.PostgresConnectionError)


class _AsItWas(asyncpg.Connection):
    """Goes back to the pool without a question to the server: what outlives its transaction ends with its user, or with the connection."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A pool of connections of one service's role.

    `url` is any PostgreSQL URL; `role` the role every connection takes (None: the URL's own user).
    """

    def __init__(self, url: str, role: str | None = None, *, pool_size: int = 8, name: str = "paycue", patience: float = 5.0) -> None:
        """Whoever waits longer than `patience` seconds for a connection is told so."""
        self.pool_size, self._url, self._patience = pool_size, url, patience
        self._settings = {**_PLANNER, **_LIMITS, "application_name": name} | ({"role": role} if role else {})
        self._made: asyncpg.Pool | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """An asyncpg connection of the pool; a broken one is thrown away. Raises TimeoutError when none gets free."""
        pool = await self._pool()
        try:
            async with asyncio.timeout(self._patience):
                taken: Any = await pool.acquire()
        except TimeoutError:
            raise TimeoutError(f"no connection to the database got free within {self._patience:g} seconds") from None
        whole = True
        try:
            yield taken
        except (asyncpg.InternalClientError, RuntimeError) as error:
            if not _was_lost(error):
                raise
            whole = False
            raise ConnectionResetError(f"the connection was lost in the middle of a request: {error}") from error
        finally:
            # One that the server closed is the pool's again already.
            with suppress(asyncpg.InterfaceError):
                if not whole or taken.is_in_transaction():
                    taken.terminate()
            await pool.release(taken, timeout=self._patience)

    async def _pool(self) -> asyncpg.Pool:
        """Made in the loop that uses it. It opens nothing yet, so that nobody comes between."""
        if self._made is None:
            self._made = await asyncpg.create_pool(
                dsn(self._url),
                min_size=0,
                max_size=self.pool_size,
                connection_class=_AsItWas,
                timeout=5,
                command_timeout=60,
                max_inactive_connection_lifetime=0,
                server_settings=self._settings,
            )
        return self._made

    @asynccontextmanager
    async def transaction(self, tenants: Iterable[str]) -> AsyncIterator[Connection]:
        """A transaction that sees and writes the rows of `tenants` only. Commits at the end, rolls back on an exception."""
        async with self.connection() as raw:
            # One round trip for both; the names are slugs, so there is nothing to quote.
            await raw.execute(f"begin; {_tenant_list(tenants)}")
            try:
                yield raw
            except Exception:
                # What happened is told, whatever the rollback says; and after a cancellation the connection is thrown away instead.
                with suppress(Exception):
                    await raw.execute("rollback")
                raise
            await raw.execute("commit")

    async def close(self) -> None:
        """Close every connection, also one that somebody does not give back."""
        if self._made is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await self._made.close()


def _was_lost(error: Exception) -> bool:
    """How asyncpg and uvloop tell of a connection that ended while a request was written: not as a lost connection."""
    return isinstance(error, asyncpg.InternalClientError) or "handler is closed" in str(error)


async def see_tenants(tx: Connection, tenants: Iterable[str]) -> None:
    """Give a transaction another tenant list: for what is claimed before its tenants are known."""
    await tx.execute(_tenant_list(tenants))


def _tenant_list(tenants: Iterable[str]) -> str:
    names = sorted(set(tenants))
    for name in names:
        if not TENANT.fullmatch(name):
            raise ValueError(f"{name!r} is not a tenant: expected [a-z0-9-]{{1,32}}")
    return f"select set_config('paycue.tenants', '{','.join(names)}', true)"


def dsn(url: str) -> str:
    """What asyncpg and libpq take, of any PostgreSQL URL: SQLAlchemy's name of a driver goes, and its `ssl` is libpq's `sslmode`."""
    parts = urlsplit(url)
    query = urlencode([("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)])
    return parts._replace(scheme="postgresql", query=query).geturl()


def of_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def execute_alone(url: str, statement: str) -> None:
    """Run one statement outside a transaction, such as `create database`."""
    connection = await asyncpg.connect(dsn(url), timeout=5, command_timeout=60)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
