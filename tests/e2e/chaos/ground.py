"""What the services stand on while they are tormented: a broker, a database and providers of their own, each behind a fault proxy, and
servers that can be killed and started again on the same data.

The providers, the proxies and the stops' acknowledgements share one process and so one monotonic clock.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import uvloop

from paycue.local import kafka, postgres
from paycue.local.inbox import LocalInbox
from paycue.testing.fault_proxy import FaultProxy
from tests.e2e.estate import new_database

T = TypeVar("T")
DATABASE = "chaos"
COMMIT = b"Q\x00\x00\x00\x0bcommit\x00"
"""How PostgreSQL's protocol asks for a commit in a simple query."""
_KEPT = 50_000


class Ground:
    """The servers. `kafka` and `database_url` reach them directly, `environment` names them as the services see them."""

    def __init__(self, folder: Path, inbox: LocalInbox) -> None:
        self._folder, self.inbox = folder, inbox
        nowhere = ("127.0.0.1", 1)
        smtp, twilio = urlsplit(inbox.smtp_url), urlsplit(inbox.http_url)
        self.broker = FaultProxy(nowhere)
        self.database = FaultProxy(nowhere)
        self.smtp = FaultProxy(("127.0.0.1", smtp.port or 0))
        self.twilio = FaultProxy(("127.0.0.1", twilio.port or 0))
        self._kafka: kafka.Kafka | None = None
        self._postgres: postgres.Postgres | None = None
        self.database_url = ""

    @property
    def kafka(self) -> str:
        """`host:port` of the broker's listener that no proxy stands before."""
        assert self._kafka is not None, "the broker was never started"
        return self._kafka.address

    @property
    def proxies(self) -> tuple[FaultProxy, ...]:
        return self.broker, self.database, self.smtp, self.twilio

    @property
    def environment(self) -> dict[str, str]:
        """For the services."""
        direct = urlsplit(self.database_url)
        behind = direct._replace(netloc=f"{direct.username}:{direct.password}@127.0.0.1:{self.database.port}")
        return {
            "PAYCUE_KAFKA": f"127.0.0.1:{self.broker.port}",
            "PAYCUE_DATABASE_URL": behind.geturl(),
            "PAYCUE_SMTP_URL": f"smtp://127.0.0.1:{self.smtp.port}",
            "PAYCUE_TWILIO_BASE_URL": f"http://127.0.0.1:{self.twilio.port}",
        }

    async def start(self) -> None:
        await asyncio.gather(self.start_broker(), self.start_database())
        assert self._postgres is not None
        self.database_url = await new_database(self._postgres.url, DATABASE)

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in (self._kafka, self._postgres) if server is not None))

    async def start_broker(self) -> None:
        self._kafka = await kafka.start(self._folder / "kafka", _quiet, durable=False, proxy=self.broker.port)
        self.broker.target = ("127.0.0.1", self._kafka.behind_proxy)

    async def start_database(self) -> None:
        # Durable: what a crash of the server may take from a database that is not would be blamed on the services.
        self._postgres = await postgres.start(self._folder / "postgres", _quiet)
        self.database.target = ("127.0.0.1", urlsplit(self._postgres.url).port or 0)

    async def stop_broker(self) -> None:
        assert self._kafka is not None
        await self._kafka.stop()

    async def kill_broker(self) -> None:
        assert self._kafka is not None
        await self._kafka.program.kill()

    async def kill_database(self) -> None:
        assert self._postgres is not None
        await self._postgres.program.kill()

    async def kill_session(self, choose: Callable[[list[int]], int]) -> None:
        """SIGKILL the server's process of one of the services' sessions, on which the server ends all others and recovers."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows = await connection.fetch("select pid from pg_stat_activity where application_name like 'paycue-%' order by pid")
            os.kill(choose([row[0] for row in rows]), signal.SIGKILL)
        finally:
            connection.terminate()

    def heal(self) -> None:
        """No server and no provider does anything wrong any more."""
        for proxy in self.proxies:
            proxy.heal()
        self.inbox.heal()


def _quiet(_: str) -> None:
    """Nothing is said of what the servers do."""


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """Everything started; at the end everything stopped. On the main thread, for the servers end with it."""
    async with AsyncExitStack() as stack:
        side = await stack.enter_async_context(_side())
        inbox = LocalInbox(keep=_KEPT)
        made = await side(_made(folder, inbox))
        stack.push_async_callback(lambda: side(inbox.__aexit__(None, None, None)))
        for proxy in made.proxies:
            await side(proxy.__aenter__())
            stack.push_async_callback(_closing(side, proxy))
        stack.push_async_callback(made.stop)
        await made.start()
        yield made


def _closing(side: "Side", proxy: FaultProxy) -> Callable[[], Awaitable[None]]:
    return lambda: side(proxy.__aexit__(None, None, None))


async def _made(folder: Path, inbox: LocalInbox) -> Ground:
    await inbox.__aenter__()
    return Ground(folder, inbox)


class Side:
    """A loop in a thread of its own: the providers answer, however busy the tests are."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def __call__(self, work: Awaitable[T]) -> T:
        """What `work` comes to over there."""

        async def run() -> T:
            return await work

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))


@asynccontextmanager
async def _side() -> AsyncIterator[Side]:
    loop = uvloop.new_event_loop()
    thread = Thread(target=loop.run_forever, name="providers", daemon=True)
    thread.start()
    try:
        yield Side(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()
