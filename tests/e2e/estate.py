"""A whole installation for end-to-end tests: each service a process of its own, on real Kafka and PostgreSQL; the providers are the
local inbox, which runs here. What that received is the truth; tests speak with the services over topics, HTTP and the command line.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Protocol

import asyncpg
import httpx2

from paycue.app import discover
from paycue.bus.postgres import PostgresStore
from paycue.db.engine import Database
from paycue.db.schema import service_role
from paycue.installation import SENDER_PHONE
from paycue.local.inbox import LocalInbox, Received
from paycue.local.inbox.server import TWILIO_SID, TWILIO_TOKEN
from paycue.observability.invariants import violated
from tests.e2e.processes import Process, free_port, paycue

SERVICES = ("scheduler", "notifier", "payments", "disputes")
SECRET = "9f8a7c6e5d4b3a2f1e0d9c8b7a6f5e4d3c2b1a09"
QUICK = {
    "PAYCUE_CALL_SECONDS": "1",
    "PAYCUE_SMTP_FINAL_REPLY_SECONDS": "2",
    "PAYCUE_START_BY_SECONDS": "1",
    "PAYCUE_FIND_AFTER": "[1, 2, 5]",
    # Few at a time: so a kill meets messages in every state.
    "PAYCUE_EMAIL_RATE": "40",
}
"""A call that a crash interrupted is looked for within seconds."""


class Servers(Protocol):
    """What an estate stands on."""

    @property
    def kafka(self) -> str:
        """`host:port` of a broker that the tests themselves speak with."""


class Estate:
    """The installation. `environment` is what every service and every command is given; `overriding` replaces parts of it."""

    def __init__(
        self, stack: Servers, database_url: str, inbox: LocalInbox, folder: Path, overriding: Mapping[str, str] | None = None
    ) -> None:
        self.stack, self.database_url, self.inbox, self.folder = stack, database_url, inbox, folder
        ports = {name: free_port() for name in SERVICES}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self.environment = {
            "PAYCUE_DATABASE_URL": database_url,
            "PAYCUE_KAFKA": stack.kafka,
            "PAYCUE_SECRET": SECRET,
            **QUICK,
            "PAYCUE_SMTP_URL": inbox.smtp_url,
            "PAYCUE_MAIL_FROM": "reminders@paycue.example",
            "PAYCUE_MAIL_LOOKUP_URL": inbox.http_url,
            "PAYCUE_TWILIO_BASE_URL": inbox.http_url,
            "PAYCUE_TWILIO_ACCOUNT_SID": TWILIO_SID,
            "PAYCUE_TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "PAYCUE_TWILIO_FROM": SENDER_PHONE,
            "PAYCUE_PUBLIC_URL": self.urls["payments"],
            "PAYCUE_NOTIFIER_URL": self.urls["notifier"],
            "PAYCUE_LOG_LEVEL": "warning",
            **{f"PAYCUE_{name.upper()}_PORT": str(port) for name, port in ports.items()},
            **(overriding or {}),
        }
        self.processes = {name: Process(name, ("run", name), folder, self.environment) for name in SERVICES}

    async def start(self, *names: str) -> None:
        """Start services (none named: all) and wait until they are ready."""
        for name in names or SERVICES:
            self.processes[name].start()
        for name in names or SERVICES:
            await self.processes[name].answers(f"{self.urls[name]}/readyz")
        if not names:
            await self._hears()

    async def _hears(self) -> None:
        """Until every stop feed is fresh: what comes earlier waits for ten seconds."""
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client, asyncio.timeout(60):
            while "notes" in (await client.get(f"{self.urls['notifier']}/readyz")).json():
                await asyncio.sleep(0.1)

    async def stop(self, *names: str) -> None:
        """Stop services as an orchestrator does; each must end well."""
        ended = await asyncio.gather(*(self.processes[name].stop() for name in names or SERVICES))
        said = {name: self.processes[name].said() for name, status in zip(names or SERVICES, ended, strict=True) if status}
        assert not said, f"ended badly: {said}"

    async def run(self, *arguments: str | Path, within: float = 60.0) -> str:
        """What a command of this installation prints; it must succeed."""
        ended = await paycue(*arguments, within=within, variables=self.environment)
        assert ended.status == 0, f"paycue {arguments} ended with {ended.status}:\n{ended.out}{ended.err}"
        return ended.out

    async def broken_invariants(self) -> list[str]:
        """What must always hold and does not, of every service, each asked as its own role."""
        broken = []
        for service in discover(SERVICES):
            database = Database(self.database_url, service_role(service.name), pool_size=1)
            tenants = await PostgresStore(service.store, database).tenants()
            async with database.transaction(tenants) as tx:
                broken += [violation.invariant.sentence for violation in await violated(tx, service.invariants)]
            await database.close()
        return broken

    def received(self, address: str) -> list[Received]:
        """Every message to an address."""
        return [message for message in list(self.inbox.received) if message.to == address]


@contextmanager
def inbox_of_its_own() -> Iterator[LocalInbox]:
    """A local inbox in a thread with a loop of its own: tests come and go with theirs."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="inbox", daemon=True)
    thread.start()
    inbox = LocalInbox()
    asyncio.run_coroutine_threadsafe(inbox.__aenter__(), loop).result(30)
    try:
        yield inbox
    finally:
        asyncio.run_coroutine_threadsafe(inbox.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def new_database(server: str, name: str) -> str:
    """The URL of a new, empty database of a server."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"create database {name}")
    finally:
        await connection.close()
    return server.rpartition("/")[0] + f"/{name}"
