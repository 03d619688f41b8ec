"""The floor: the same way from an invoice to a reminder on raw drivers, durable at every step, without a single rule.

Invoice event (about 207 bytes of protobuf) -> row and timer in one transaction -> due timers deleted, reminders into an outbox in
one transaction -> relay -> reminder on a topic -> read and dropped. Two processes, ingest split between them, batches throughout.

    python -m bench.floor [INVOICES]
"""

import asyncio
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.cpu import Used, alone, used
from bench.figures import Run, said
from bench.floor_events import INVOICE, REMINDER, invoices
from bench.servers import database, fresh_name, servers
from paycue.local.stack import LocalStack

BATCH = 2000
PARTITIONS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GROUPS = (("ingest_even", "fire"), ("ingest_odd", "relay", "read"))
"""What each of the two processes does."""

_TABLES = """
create table invoice (
    invoice_id uuid primary key, tenant_id int not null, customer_id uuid not null, number text not null, status smallint not null,
    currency char(3) not null, amount_minor bigint not null, paid_minor bigint not null, issued_at timestamptz not null,
    due_at timestamptz not null, name text not null, email text not null, phone text not null, locale text not null, zone text not null,
    channels smallint not null, policy_id int not null, version bigint not null, source_ref text not null,
    updated_at timestamptz not null default now());
create table timer (
    id bigint generated always as identity primary key, invoice_id uuid not null, tenant_id int not null, stage smallint not null,
    channel smallint not null, due_at timestamptz not null, unique (invoice_id, stage));
create index timer_due on timer (due_at);
create table outbox (id bigint generated always as identity primary key, key bytea not null, payload bytea not null);
"""
_UPSERT = """
insert into invoice as i (invoice_id, tenant_id, customer_id, number, status, currency, amount_minor, paid_minor, issued_at, due_at,
    name, email, phone, locale, zone, channels, policy_id, version, source_ref)
select * from unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::int2[], $6::text[], $7::int8[], $8::int8[], $9::timestamptz[],
    $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::int2[], $17::int[], $18::int8[], $19::text[])
on conflict (invoice_id) do update set status = excluded.status, amount_minor = excluded.amount_minor, paid_minor = excluded.paid_minor,
    due_at = excluded.due_at, version = excluded.version, updated_at = now() where i.version < excluded.version"""
_SET_TIMERS = """
insert into timer (invoice_id, tenant_id, stage, channel, due_at)
select id, tenant, 1, 1, due from unnest($1::uuid[], $2::int[], $3::timestamptz[]) as t(id, tenant, due)
on conflict (invoice_id, stage) do nothing"""
_CLAIM = """
with claimed as (
    delete from timer where ctid = any(array(
        select ctid from timer where due_at <= now() order by due_at limit $1 for update skip locked))
    returning id, invoice_id, tenant_id, stage, channel, due_at)
select c.*, i.email, i.locale, i.amount_minor, i.currency, i.version from claimed c join invoice i using (invoice_id) where i.status = 1"""


@dataclass(frozen=True)
class Task:
    """What every worker is told."""

    url: str
    kafka: str
    topics: tuple[str, str]
    count: int


@dataclass
class Worker:
    """One role in a worker process; `start` returns when every role of every process is ready."""

    task: Task
    start: Callable[[], Awaitable[None]]
    ended: dict[str, float] = field(default_factory=dict)

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.task.url, server_settings={"plan_cache_mode": "force_custom_plan", "jit": "off"})

    async def consumer(self, topic: str, partitions: Sequence[int]) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.task.kafka, enable_auto_commit=False, auto_offset_reset="earliest", max_partition_fetch_bytes=2 << 20
        )
        await consumer.start()
        consumer.assign([TopicPartition(topic, number) for number in partitions])
        return consumer

    async def ingest(self, parity: int) -> None:
        """Half of the partitions: each batch's rows and timers in one transaction."""
        mine = range(parity, PARTITIONS, 2)
        connection, consumer = await self.connect(), await self.consumer(self.task.topics[0], mine)
        goal = sum(1 for n in range(self.task.count) if n % PARTITIONS in mine)
        await self.start()
        done = 0
        while done < goal:
            polled = await consumer.getmany(timeout_ms=500, max_records=BATCH)
            events = [INVOICE.FromString(record.value) for records in polled.values() for record in records]
            if events:
                await store(connection, events)
                done += len(events)
        await consumer.stop()
        await connection.close()

    async def ingest_even(self) -> None:
        await self.ingest(0)

    async def ingest_odd(self) -> None:
        await self.ingest(1)

    async def fire(self) -> None:
        """Due timers become reminders in the outbox, in one transaction."""
        connection = await self.connect()
        await self.start()
        done = 0
        while done < self.task.count:
            async with connection.transaction():
                rows = await connection.fetch(_CLAIM, BATCH)
                if rows:
                    keys, payloads = [row[1].bytes for row in rows], [_reminder(row) for row in rows]
                    await connection.execute(
                        "insert into outbox (key, payload) select * from unnest($1::bytea[], $2::bytea[])", keys, payloads
                    )
            done += len(rows)
            if not rows:
                await asyncio.sleep(0.003)
        await connection.close()

    async def relay(self) -> None:
        """What is in the outbox is sent, acknowledged by all replicas, and deleted."""
        connection = await self.connect()
        producer = AIOKafkaProducer(bootstrap_servers=self.task.kafka, linger_ms=2, max_batch_size=262_144, acks="all")
        await producer.start()
        await self.start()
        done = 0
        while done < self.task.count:
            rows = await connection.fetch("select id, key, payload from outbox order by id limit $1", BATCH)
            if not rows:
                await asyncio.sleep(0.003)
                continue
            await send_all(producer, self.task.topics[1], [(row[1], row[2]) for row in rows])
            await connection.execute("delete from outbox where id = any($1::bigint[])", [row[0] for row in rows])
            done += len(rows)
        await producer.stop()
        await connection.close()

    async def read(self) -> None:
        """The reminders arrive, are parsed, and that is all."""
        consumer = await self.consumer(self.task.topics[1], range(PARTITIONS))
        await self.start()
        done = 0
        while done < self.task.count:
            for records in (await consumer.getmany(timeout_ms=500, max_records=5000)).values():
                for record in records:
                    assert REMINDER.FromString(record.value).recipient
                done += len(records)
        self.ended["read"] = time.monotonic()
        await consumer.stop()


async def tables(connection: asyncpg.Connection) -> None:
    """Create the floor's tables."""
    await connection.execute(_TABLES)


async def store(connection: asyncpg.Connection, events: Sequence[Any]) -> None:
    """A batch of invoices with their timers, in one transaction."""
    ids, tenants = [UUID(bytes=e.invoice_id) for e in events], [e.tenant_id for e in events]
    due = [_EPOCH + timedelta(microseconds=e.due_at_us) for e in events]
    issued = [_EPOCH + timedelta(microseconds=e.issued_at_us) for e in events]
    names = ("name", "email", "phone", "locale", "zone", "channels", "policy_id", "version", "source_ref")
    columns = [[getattr(e, name) for e in events] for name in ("number", "status", "currency", "amount_minor", "paid_minor")]
    rest = [[getattr(e, name) for e in events] for name in names]
    async with connection.transaction():
        await connection.execute(_UPSERT, ids, tenants, [UUID(bytes=e.customer_id) for e in events], *columns, issued, due, *rest)
        await connection.execute(_SET_TIMERS, ids, tenants, due)


def _reminder(row: asyncpg.Record) -> bytes:
    number, invoice, tenant, stage, channel, due, email, locale, amount, currency, version = row
    made: bytes = REMINDER(
        reminder_id=number.to_bytes(16, "big"), invoice_id=invoice.bytes, tenant_id=tenant, stage=stage, channel=channel,
        due_at_us=int(due.timestamp() * 1e6), dedupe_key=f"{invoice.hex}:{stage}:{channel}", recipient=email, locale=locale,
        amount_minor=amount, currency=currency, version=version,
    ).SerializeToString()  # fmt: skip
    return made


async def send_all(producer: AIOKafkaProducer, topic: str, records: Sequence[tuple[bytes, bytes]]) -> None:
    """Ready batches, one or more for each partition; the last byte of a key says which."""
    batches: dict[int, Any] = {}
    futures = []
    for key, value in records:
        partition = key[15] % PARTITIONS
        batch = batches.setdefault(partition, producer.create_batch())
        if batch.append(key=key, value=value, timestamp=None) is None:
            batch.close()
            futures.append(await producer.send_batch(batch, topic, partition=partition))
            batches[partition] = batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    for partition, batch in batches.items():
        batch.close()
        futures.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*futures)


def _work(task: Task, roles: Sequence[str], barrier: Any, results: Any) -> None:
    """The body of a worker process: its roles at once on one loop; afterwards when it began, when all was read, and its CPU seconds."""
    began: dict[str, float] = {}

    async def run() -> None:
        ready, waiting = asyncio.Event(), 0

        async def start() -> None:
            nonlocal waiting
            waiting += 1
            if waiting == len(roles):
                await asyncio.get_running_loop().run_in_executor(None, barrier.wait)
                began["at"], began["cpu"] = time.monotonic(), time.process_time()
                ready.set()
            await ready.wait()

        worker = Worker(task, start, began)
        await asyncio.gather(*(getattr(worker, role)() for role in roles))

    uvloop.run(run())
    results.put({**began, "cpu": time.process_time() - began["cpu"]})


async def floor_run(stack: LocalStack, count: int) -> Run:
    """One run over `count` invoices that lie on their topic already. Raises Noisy."""
    async with database(stack) as url:
        task = Task(url, stack.kafka, (f"{fresh_name()}.in", f"{fresh_name()}.out"), count)
        await _prepare(task)
        context = multiprocessing.get_context("spawn")
        barrier, results = context.Barrier(len(_GROUPS) + 1), context.Queue()
        workers = [context.Process(target=_work, args=(task, roles, barrier, results)) for roles in _GROUPS]
        for worker in workers:
            worker.start()
        await asyncio.to_thread(barrier.wait)
        with alone():
            before = used()
            ended = [await asyncio.to_thread(results.get, True, 600) for _ in workers]
            servers_used = used() - before
        for worker in workers:
            worker.join()
        await _delete_topics(task)
    seconds = max(one.get("read", 0.0) for one in ended) - min(one["at"] for one in ended)
    return Run(count, seconds, Used(sum(one["cpu"] for one in ended), servers_used.postgres, servers_used.broker))


async def _prepare(task: Task) -> None:
    connection = await asyncpg.connect(task.url)
    await tables(connection)
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=task.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in task.topics])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=task.kafka, acks="all", max_batch_size=262_144)
    await producer.start()
    for start in range(0, task.count, 20_000):
        await send_all(producer, task.topics[0], invoices(start, min(task.count, start + 20_000), PARTITIONS))
    await producer.stop()


async def _delete_topics(task: Task) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=task.kafka)
    await admin.start()
    await admin.delete_topics(list(task.topics))
    await admin.close()


async def _main(count: int) -> None:
    async with servers() as stack:
        print(said("floor", [await floor_run(stack, count) for _ in range(3)]))


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
