"""P5: from a payment on its topic to the gate closed and committed, beside reading it and committing one statement, in milliseconds.

Payments come at an even pace, whatever becomes of the earlier ones; both sides tell when each was committed. Each latency counts
from the moment the producer was given the record.
"""

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.cpu import alone
from bench.figures import number
from bench.line import Bar, Line, at_most
from bench.product import PAIR, TENANT, Installation, Worker, installed
from bench.servers import database, fresh_name
from bench.storm import in_force, loaded
from paycue.bus.envelope import Outgoing
from paycue.events.v1.payment_pb2 import PaymentReceived
from paycue.local.stack import LocalStack

ACCOUNTS = 5_000
_SECONDS = 6.0
_TURNS, _TURN_SECONDS = 2, 3.0
"""Of each side in the storm."""
_UNCOUNTED = 0.1
"""The first tenth warms up."""


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    lines, storm = [], 1_000_000 if full else 100_000
    async with installed(stack, PAIR) as house, _raw(stack) as raw:
        await loaded(house, ACCOUNTS)
        for rate in (200, 2_000):
            with alone():
                theirs = await _latencies(raw[0], raw[1], _payments(house, rate, f"raw{rate}", raw[2]), rate)
                ours = await _closing(house, rate, f"idle{rate}")
            lines += _lines(f"{rate:,} payments/s, nothing else to do", ours, theirs, at_most(3, 1.5))
        quiet = await _latencies(raw[0], raw[1], _payments(house, 200, "again", raw[2]), 200)
    async with installed(stack, PAIR) as house, _raw(stack) as raw:
        await loaded(house, storm)
        ours, theirs, left = await _in_storm(house, raw)
    what = f"200 payments/s while {storm:,} reminders are due ({left:,} left at the end)"
    return [
        *lines,
        *_lines(f"{what}; the raw side in the same storm", ours, theirs, at_most(10, 4)),
        *_lines(f"{what}; the raw side with nothing else to do", ours, quiet, at_most(10, 4)),
    ]


def _lines(what: str, ours: list[float], theirs: list[float], bar: Bar) -> list[Line]:
    cells = [f"p50 {number(_at(values, 50))} ms, p99 {number(_at(values, 99))} ms" for values in (ours, theirs)]
    return [Line("P5", f"payment to gate closed, p99; {what}", cells, [_at(ours, 99) / _at(theirs, 99)], bar)]


def _at(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _payments(house: Installation, rate: int, name: str, topic: str, seconds: float = _SECONDS) -> list[Outgoing]:
    """Payments of many accounts in turn, each of an amount that settles nothing."""
    made = []
    for n in range(int(rate * seconds)):
        payment = PaymentReceived(tenant_id=TENANT, account_id=f"a{n * 7919 % ACCOUNTS}", payment_id=f"{name}-{n}", currency="EUR")
        payment.amount_minor, payment.received_on = 100, datetime.now(UTC).date().isoformat()
        record = house.record(payment, f"{name}-{n}")
        made.append(Outgoing(topic or house.bus.prefix + record.topic, record.partition, record.key, record.value, record.headers))
    return made


async def _latencies(worker: Worker, kafka: str, payments: list[Outgoing], rate: int) -> list[float]:
    """Milliseconds of each payment, without the first tenth. Our own collector's pauses, of a tenth of a second, are nobody's latency."""
    gc.collect()
    gc.disable()
    try:
        return await _timed(worker, kafka, payments, rate)
    finally:
        gc.enable()


async def _timed(worker: Worker, kafka: str, payments: list[Outgoing], rate: int) -> list[float]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=0)
    await producer.start()
    sent: dict[str, float] = {}
    futures = []
    began = time.monotonic()
    for n, record in enumerate(payments):
        wait = began + n / rate - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        payment_id = dict(record.headers)["ce_id"].decode()
        sent[payment_id] = time.monotonic()
        fields: dict[str, Any] = {"key": record.key, "partition": record.partition, "headers": list(record.headers)}
        futures.append(await producer.send(record.topic, record.value, **fields))
    await asyncio.gather(*futures)
    async with asyncio.timeout(60):
        while not sent.keys() <= worker.paid.keys():
            await asyncio.sleep(0.05)
    await producer.stop()
    return [(worker.paid[one] - at) * 1e3 for one, at in list(sent.items())[int(len(sent) * _UNCOUNTED) :]]


async def _closing(house: Installation, rate: int, name: str, seconds: float = _SECONDS) -> list[float]:
    return await _latencies(house.workers["notifier"], house.bus.servers, _payments(house, rate, name, "", seconds), rate)


async def _in_storm(house: Installation, raw: tuple[Worker, str, str]) -> tuple[list[float], list[float], int]:
    """Latencies of both sides, in turns, while a storm goes on; and how many reminders were still to come when the last payment was in."""
    for worker in house.workers.values():
        worker.freeze()
    await in_force(house)
    due = house.workers["scheduler"].folded["InvoiceIssued"]
    ours, theirs = list[float](), list[float]()
    with alone():
        for worker in house.workers.values():
            worker.thaw()
        await asyncio.sleep(1.0)
        for turn in range(_TURNS):
            theirs += await _latencies(raw[0], raw[1], _payments(house, 200, f"beside{turn}", raw[2], _TURN_SECONDS), 200)
            ours += await _closing(house, 200, f"storm{turn}", _TURN_SECONDS)
    return ours, theirs, due - house.workers["notifier"].folded["CallFinished"]


@asynccontextmanager
async def _raw(stack: LocalStack) -> AsyncIterator[tuple[Worker, str, str]]:
    """The raw side at work: its process, the broker, its topic."""
    async with database(stack) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("create table gate (account_id text primary key, open boolean not null)")
        await connection.execute("insert into gate select 'a' || n, true from generate_series(0, $1::int - 1) n", ACCOUNTS)
        await connection.execute("analyze gate")
        await connection.close()
        topic = f"{fresh_name()}.payments"
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
        await admin.start()
        await admin.create_topics([NewTopic(topic, 8, 1)])
        command = (sys.executable, "-m", "bench.raw_stop", url, stack.kafka, topic)
        worker = Worker("raw", await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=1 << 20))
        listening = asyncio.create_task(worker.listen())
        try:
            await worker.until("ready", 1)
            yield worker, stack.kafka, topic
        finally:
            worker.process.kill()
            await listening
            await worker.process.wait()
            await admin.delete_topics([topic])
            await admin.close()
