"""The way to PostgreSQL: SQLAlchemy's pool, raw asyncpg inside it, and one kind of transaction that names its tenants.

Raw asyncpg through the pool costs nothing measurable; the ORM's unit of work costs three times the statement. Nothing here
may open a transaction without a tenant list: row-level security then matches no row at all.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import event, exc, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

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
    exc.TimeoutError,
    exc.DisconnectionError,
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


class Database:
    """A pool of connections of one service's role.

    `url` is any PostgreSQL URL; `role` the role every connection takes (None: the URL's own user).
    """

    def __init__(self, url: str, role: str | None = None, *, pool_size: int = 8, name: str = "paycue") -> None:
        settings = {**_PLANNER, **_LIMITS, "application_name": name} | ({"role": role} if role else {})
        self.pool_size = pool_size
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=False,
            connect_args={"server_settings": settings, "timeout": 5, "command_timeout": 60},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A raw asyncpg connection of the pool; a broken one is thrown away."""
        async with AsyncExitStack() as stack:
            try:
                pooled = await stack.enter_async_context(self.engine.connect())
            except exc.DBAPIError as error:
                raise _said_by_server(error) from error
            raw: Any = (await pooled.get_raw_connection()).driver_connection
            try:
                yield raw
            except (asyncpg.InternalClientError, RuntimeError) as error:
                if not _was_lost(error):
                    raise
                raw.terminate()
                raise ConnectionResetError(f"the connection was lost in the middle of a request: {error}") from error
            finally:
                if raw.is_closed() or raw.is_in_transaction():
                    raw.terminate()
                    await pooled.invalidate()

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
        """Close every connection."""
        await self.engine.dispose()


def _was_lost(error: Exception) -> bool:
    """How asyncpg and uvloop tell of a connection that ended while a request was written: not as a lost connection."""
    return isinstance(error, asyncpg.InternalClientError) or "handler is closed" in str(error)


def _said_by_server(error: exc.DBAPIError) -> BaseException:
    """What PostgreSQL answered to a new connection, such as that it recovers from a crash, without what SQLAlchemy wraps it in."""
    plain = error.orig.__cause__ if error.orig is not None else None
    return plain if isinstance(plain, asyncpg.PostgresError) else error


def _refuse_closed(pooled: Any, record: Any, proxy: Any) -> None:
    """A restarted server leaves closed connections in the pool: throw all of them away instead of failing once for each."""
    if pooled.driver_connection.is_closed():
        raise exc.InvalidatePoolError("the server closed this connection")


async def see_tenants(tx: Connection, tenants: Iterable[str]) -> None:
    """Give a transaction another tenant list: for what is claimed before its tenants are known."""
    await tx.execute(_tenant_list(tenants))


def _tenant_list(tenants: Iterable[str]) -> str:
    names = sorted(set(tenants))
    for name in names:
        if not TENANT.fullmatch(name):
            raise ValueError(f"{name!r} is not a tenant: expected [a-z0-9-]{{1,32}}")
    return f"select set_config('paycue.tenants', '{','.join(names)}', true)"


def async_url(url: str) -> str:
    """A SQLAlchemy URL for asyncpg of any PostgreSQL URL; libpq's `sslmode` is what asyncpg calls `ssl`."""
    given = make_url(url).set(drivername="postgresql+asyncpg")
    query = {"ssl" if name == "sslmode" else name: value for name, value in given.query.items()}
    return given.set(query=query).render_as_string(hide_password=False)


async def execute_alone(url: str, statement: str) -> None:
    """Run one statement outside a transaction, such as `create database`."""
    engine = create_async_engine(async_url(url), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()
