"""One creditor of an installation, as its ERP and its people see it: events on topics, REST with its own key, and waiting for rest.

Waiting looks at offsets, outboxes and timers only; no test asks a service's tables what it did.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from google.protobuf.message import Message

from paycue.app import discover
from paycue.auth.api_keys import mint
from paycue.bus.directory import entry_key
from paycue.bus.envelope import Outgoing, outgoing
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus
from paycue.bus.topics import topics, topics_of
from paycue.events.v1.account_pb2 import AccountRegistered
from paycue.events.v1.common_pb2 import CONTACT_KIND_EMAIL, ContactPoint
from paycue.events.v1.directory_pb2 import ApiKeyRegistered, CreditorRegistered
from paycue.events.v1.dispute_pb2 import DISPUTE_REASON_OTHER, DisputeRaised
from paycue.events.v1.invoice_pb2 import InvoiceIssued
from paycue.events.v1.payment_pb2 import PaymentReceived
from paycue.ids import account_key, new_id
from tests.e2e.day import ZONE, today
from tests.e2e.estate import SERVICES, Estate

_numbers = itertools.count(1)
SOURCE = "urn:erp:test"


def _topic(event: Message) -> str:
    return next(topic.name for topic in topics().values() if event.DESCRIPTOR.full_name in topic.types)


class World:
    """A creditor. `client` speaks with a key of it that may do everything there."""

    def __init__(self, estate: Estate, tenant: str, bus: KafkaBus, client: httpx2.AsyncClient) -> None:
        self.estate, self.tenant, self.bus, self.client = estate, tenant, bus, client

    def url(self, service: str, path: str) -> str:
        return f"{self.estate.urls[service]}/v1/creditors/{self.tenant}{path}"

    async def get(self, service: str, path: str) -> Any:
        """What a service answers; it must be 200."""
        answer = await self.client.get(self.url(service, path))
        assert answer.status_code == 200, f"{answer.request.url}: {answer.status_code} {answer.text}"
        return answer.json()

    async def every(self, service: str, path: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        items, cursor = list[dict[str, Any]](), ""
        while True:
            page = await self.get(service, f"{path}?limit=500{cursor}")
            items += page["items"]
            if not page.get("next"):
                return items
            cursor = f"&cursor={page['next']}"

    async def post(self, service: str, path: str, body: object) -> Any:
        """What a service answers to a command; it must be obeyed."""
        answer = await self.client.post(self.url(service, path), json=body)
        assert answer.status_code < 300, f"{answer.request.url}: {answer.status_code} {answer.text}"
        return answer.json()

    async def policy(self, text: str) -> None:
        """Put a policy file in force."""
        url, headers = self.url("scheduler", "/policies/plain"), {"content-type": "application/yaml"}
        answer = await self.client.put(url, content=text.encode(), headers=headers)
        assert answer.status_code < 300, answer.text

    async def key(self, tenant: str, *scopes: str) -> tuple[str, dict[str, str]]:
        """Register a key and wait until every service knows it; its id and its header."""
        key, plain = mint(tenant, scopes)
        event = ApiKeyRegistered(key_id=key.key_id, secret_hash=key.secret_hash, tenant_id=tenant, scopes=scopes)
        await self.publish(event)
        await known_everywhere(self.estate, f"key:{key.key_id}")
        return key.key_id, {"Authorization": f"Bearer {plain}"}

    async def publish(self, *events: Message) -> list[Outgoing]:
        """Put events on their topics, each under an id of its own; the records."""
        made = [self.record(event) for event in events]
        await self.bus.publish(made)
        return made

    def record(self, event: Message, event_id: str = "") -> Outgoing:
        directory = isinstance(event, CreditorRegistered | ApiKeyRegistered)
        key = entry_key(event) if directory else account_key(event.tenant_id, event.account_id)  # type: ignore[arg-type, attr-defined]
        partition = self.bus.partition(_topic(event), key)
        name = event_id or f"{self.tenant}-{next(_numbers)}"
        return outgoing(event, event_id=name, source=SOURCE, at=datetime.now(UTC), partition=partition, key=key)

    def account(self, account: str) -> AccountRegistered:
        point = ContactPoint(kind=CONTACT_KIND_EMAIL, address=self.address(account))
        return AccountRegistered(tenant_id=self.tenant, account_id=account, version=1, name=account, zone=ZONE, contact_points=[point])

    def address(self, account: str) -> str:
        return f"{account}@{self.tenant}.example"

    def invoice(self, account: str, invoice: str, due: str = "", minor: int = 10_000) -> InvoiceIssued:
        """Issued ten days ago and due today, unless told otherwise."""
        days = {"issued_on": today(-10), "due_on": due or today()}
        return InvoiceIssued(tenant_id=self.tenant, account_id=account, invoice_id=invoice, currency="EUR", amount_minor=minor, **days)

    def payment(self, account: str, payment: str, *invoices: str, minor: int = 10_000) -> PaymentReceived:
        return PaymentReceived(
            tenant_id=self.tenant, account_id=account, payment_id=payment, currency="EUR", amount_minor=minor,
            received_on=today(), invoice_ids=invoices,
        )  # fmt: skip

    def dispute(self, account: str, dispute: str, invoice: str) -> DisputeRaised:
        return DisputeRaised(
            tenant_id=self.tenant, account_id=account, dispute_id=dispute, invoice_id=invoice, reason=DISPUTE_REASON_OTHER, currency="EUR"
        )

    def mails(self, account: str) -> list[str]:
        """The texts of the mails that an account received."""
        return [message.text for message in self.estate.received(self.address(account))]

    async def settle(self, within: float = 45.0) -> None:
        """Until every record is folded and sent on, and nothing is due. Fails the test when that takes longer."""
        deadline = asyncio.get_running_loop().time() + within
        quiet = 0
        while quiet < 2:
            waiting = await outstanding(self.estate)
            quiet = 0 if waiting else quiet + 1
            assert asyncio.get_running_loop().time() < deadline, f"not at rest after {within} s: {'; '.join(waiting)}"
            await asyncio.sleep(0.1)


@asynccontextmanager
async def creditor(estate: Estate, tenant: str = "") -> AsyncIterator[World]:
    """A new creditor, known to every service."""
    tenant = tenant or f"c{new_id()[-12:]}"
    async with _bus(estate) as bus, httpx2.AsyncClient(trust_env=False, timeout=20) as client:
        world = World(estate, tenant, bus, client)
        await world.publish(CreditorRegistered(tenant_id=tenant, name=tenant.title(), zone=ZONE))
        client.headers.update((await world.key(tenant, "*"))[1])
        await known_everywhere(estate, f"creditor:{tenant}")
        yield world


@asynccontextmanager
async def _bus(estate: Estate) -> AsyncIterator[KafkaBus]:
    bus = KafkaBus(estate.stack.kafka, Flow())
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


async def known_everywhere(estate: Estate, entry: str) -> None:
    """Until every service has folded an entry of the directory."""
    connection = await asyncpg.connect(estate.database_url)
    try:
        for service in SERVICES:
            async with asyncio.timeout(30):
                while not await connection.fetchval(f"select count(*) from {service}.directory where id = $1", entry):
                    await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def outstanding(estate: Estate) -> list[str]:
    """What has not come to rest, in words."""
    return [*await _in_the_database(estate), *await lagging(estate)]


async def _in_the_database(estate: Estate) -> list[str]:
    connection = await asyncpg.connect(estate.database_url)
    now = datetime.now(UTC)
    try:
        rows = {service: await connection.fetchval(f"select count(*) from {service}.outbox") for service in SERVICES}
        timers = {service: await connection.fetchval(f"select {service}.next_due(null)") for service in ("scheduler", "notifier")}
    finally:
        await connection.close()
    waiting = [f"{count} outbox rows of {service}" for service, count in rows.items() if count]
    return [*waiting, *(f"a timer of {service} is due since {due}" for service, due in timers.items() if due and due <= now)]


async def lagging(estate: Estate) -> list[str]:
    """Consumer groups that have not folded all that is there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=estate.stack.kafka)
    reader = AIOKafkaConsumer(bootstrap_servers=estate.stack.kafka)
    await admin.start()
    await reader.start()
    try:
        return [line for group, topics in groups() for line in await _lag(admin, reader, group, topics)]
    finally:
        await reader.stop()
        await admin.close()


def groups() -> list[tuple[str, Sequence[str]]]:
    """Every consumer group with its topics."""
    found = [(group, topics_of(events)) for service in discover() for group, events in service.consumers.items()]
    return [*found, *((f"{name}.directory", ("operator.directory.v1",)) for name in SERVICES)]


async def _lag(admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, group: str, topics: Sequence[str]) -> list[str]:
    done = await admin.list_consumer_group_offsets(group)
    waiting = []
    for topic in topics:
        places = [TopicPartition(topic, number) for number in await _partitions(reader, topic)]
        for place, end in (await reader.end_offsets(places)).items():
            folded = done[place].offset if place in done else 0
            if end > max(folded, 0):
                waiting.append(f"{group} is at {folded} of {end} in {topic}/{place.partition}")
    return waiting


async def _partitions(reader: AIOKafkaConsumer, topic: str) -> set[int]:
    await reader._client._wait_on_metadata(topic)
    return reader.partitions_for_topic(topic) or set()
