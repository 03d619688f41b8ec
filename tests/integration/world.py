"""A running service for tests: a database of its own on real PostgreSQL, the memory bus, a clock that stands still, an API client.

Nothing of a service is replaced; only time waits until it is told to go on. The services beside it are not there, so nobody asks
how fresh their feeds are.
"""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx2
from google.protobuf.message import Message

from paycue.app import Service, api, migrate_all, running
from paycue.auth.api_keys import mint
from paycue.bus.bus import Consumer
from paycue.bus.directory import entry_key
from paycue.bus.envelope import Outgoing, decode, outgoing
from paycue.bus.feeds import BEAT_KEY
from paycue.bus.flow import Flow
from paycue.bus.memory import MemoryBus
from paycue.bus.topics import topics
from paycue.clock import SteppedClock
from paycue.events.v1.directory_pb2 import ApiKeyRegistered, CreditorRegistered
from paycue.ids import account_key
from paycue.runtime import Runtime
from paycue.world import World

KERNEL = {"kafka": "memory:1", "secret": "9f8a7c6e5d4b3a2f1e0d9c8b7a6f5e4d3c2b1a09", "public_url": "http://127.0.0.1:8103"}
START = datetime(2013, 1, 2, 5, tzinfo=UTC)
_PATIENCE = 10.0
_LONGEST = 60.0
_numbers = itertools.count(1)
_templates: dict[tuple[str, str], str] = {}
E = TypeVar("E", bound=Message)


class Running:
    """A service at work. `client` speaks with a key of the creditor acme that may do everything there."""

    def __init__(self, runtime: Runtime, bus: MemoryBus, clock: SteppedClock, client: httpx2.AsyncClient) -> None:
        self.runtime, self.bus, self.clock, self.client = runtime, bus, clock, client
        self.flow = bus.flow

    async def publish(self, *events: Message, event_id: str = "") -> None:
        """Put events on their topics, each under an id of its own unless one is given, and wait until all has come to rest."""
        await self.bus.publish([self._record(event, event_id or f"event-{next(_numbers)}") for event in events])
        await self.settle()

    def _record(self, event: Message, event_id: str) -> Outgoing:
        directory = isinstance(event, CreditorRegistered | ApiKeyRegistered)
        key = entry_key(event) if directory else account_key(event.tenant_id, event.account_id)  # type: ignore[arg-type, attr-defined]
        partition = self.bus.partition(_topic(type(event)), key)
        return outgoing(event, event_id=event_id, source="urn:test", at=self.clock.now(), partition=partition, key=key)

    async def creditor(self, tenant: str, zone: str = "UTC", **rest: str) -> dict[str, str]:
        """Register a creditor; the header of a key of its own that may do everything."""
        await self.publish(CreditorRegistered(tenant_id=tenant, name=tenant.title(), zone=zone, **rest))
        return await self.key(tenant, "*")

    async def key(self, tenant: str, *scopes: str) -> dict[str, str]:
        """Register a key (tenant empty: the operator's); its header."""
        key, plain = mint(tenant, scopes)
        await self.publish(ApiKeyRegistered(key_id=key.key_id, secret_hash=key.secret_hash, tenant_id=tenant, scopes=scopes))
        return {"Authorization": f"Bearer {plain}"}

    async def settle(self) -> datetime | None:
        """Wait until records, outbox and calls have come to rest and nothing is due; the next timer. Fails when nothing moves."""
        time = asyncio.get_running_loop().time
        give_up, never = time() + _PATIENCE, time() + _LONGEST
        while True:
            seen = self.flow.moves
            due, waiting = await self.next_due(), self.flow.outstanding()
            late = due is not None and due <= self.clock.now()
            if not waiting and not late and seen == self.flow.moves:
                return due
            if late:
                self.runtime.alarm.ring()
            # A timer that only plans again moves nothing: look again soon.
            if await self.flow.moved(seen, 0.02):
                give_up = time() + _PATIENCE
            assert time() < give_up, f"nothing moves: {waiting}, next timer {due}"
            assert time() < never, f"it does not come to rest: {waiting}, next timer {due}"

    async def at(self, local: str) -> None:
        """Go to an instant (ISO, UTC), firing every timer on the way at its own."""
        target = datetime.fromisoformat(local).replace(tzinfo=UTC)
        while (due := await self.settle()) is not None and due <= target:
            self.clock.set(due)
        self.clock.set(target)
        await self.settle()

    async def next_due(self) -> datetime | None:
        async with self.runtime.database.connection() as connection:
            return await self.runtime.service.store.next_due(connection)

    def said(self, kind: type[E]) -> list[E]:
        """Every event of a type on the bus, lane by lane in order."""
        topic, name = _topic(kind), kind.DESCRIPTOR.full_name
        logs = [log for (where, _), log in sorted(self.bus.logs.items()) if where == topic]
        facts = [decode(record) for log in logs for record in log if record.key != BEAT_KEY]
        return [envelope.event for envelope in facts if envelope.type == name]  # type: ignore[misc]

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        """What a query finds for the creditor acme, in the service's own role."""
        async with self.runtime.database.transaction(["acme"]) as tx:
            return await tx.fetch(query, *arguments)


async def other_member(running: Running, group: str) -> Consumer:
    """Another process's member of a consumer group, which takes its share of the lanes and does nothing with them."""
    topics = next(consumer.topics for consumer in running.runtime.consumers if consumer.group == group)

    async def nothing_in_hand(lost: object) -> None:
        return None

    member = running.bus.consumer(group, topics, nothing_in_hand)
    await member.start()
    return member


def _topic(kind: type[Message]) -> str:
    return next(topic.name for topic in topics().values() if kind.DESCRIPTOR.full_name in topic.types)


@asynccontextmanager
async def run(server: str, service: Service, settings: dict[str, Any]) -> AsyncIterator[Running]:
    """A service on a fresh database of a server, with the creditor acme registered."""
    url = await fresh_database(server, service)
    flow = Flow()
    bus, clock = MemoryBus(flow), SteppedClock(START)
    told = service.settings(**{"database_url": url, **KERNEL, **settings})
    async with running([(service, told)], World(bus, clock, flow, fresh_seconds=math.inf)) as (runtime,):
        transport = httpx2.ASGITransport(api(service, runtime))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            made = Running(runtime, bus, clock, client)
            client.headers.update(await made.creditor("acme"))
            yield made
            assert not runtime.fatal.done(), runtime.fatal.result()


async def fresh_database(server: str, service: Service) -> str:
    """The URL of a new database with the service's schema, copied from one that was migrated once."""
    template = _templates.get((server, service.name))
    if template is None:
        template = await _create(server, f"template_{service.name}_{next(_numbers)}")
        await migrate_all(_named(server, template), [service])
        _templates[server, service.name] = template
    return _named(server, await _create(server, f"test_{service.name}_{next(_numbers)}", f" template {template}"))


async def _create(server: str, name: str, how: str = "") -> str:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"create database {name}{how}")
    finally:
        await connection.close()
    return name


def _named(server: str, database: str) -> str:
    return urlsplit(server)._replace(path=f"/{database}").geturl()
