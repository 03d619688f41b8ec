"""A log for conformance tests, in memory or on Kafka: it outlives the buses that are opened on it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from paycue.bus.bus import Bus, Consumer
from paycue.bus.consumer import LaneConsumer
from paycue.bus.envelope import Outgoing, Record, headers_for
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.kafka import KafkaBus
from paycue.bus.memory import MemoryBus

TOPIC, OTHER = "erp.invoices.v1", "erp.payments.v1"
PARTITIONS = 2
_PATIENCE = 20.0
AT = datetime(2013, 1, 2, 5, tzinfo=UTC)


async def no_fence(lost: frozenset[TopicPartition]) -> None:
    """A member that has nothing to finish."""


class Ground:
    """`servers` None: memory. What is opened here is closed at the test's end."""

    def __init__(self, servers: str | None, prefix: str, stack: AsyncExitStack) -> None:
        self.servers, self.prefix, self._stack = servers, prefix, stack
        self.flow = Flow()
        self._memory = MemoryBus(self.flow, PARTITIONS)

    async def bus(self) -> Bus:
        """A bus on this log; on Kafka a client of its own."""
        if self.servers is None:
            return self._memory
        bus = KafkaBus(self.servers, self.flow, prefix=self.prefix, partitions=PARTITIONS, replication=1)
        self._stack.push_async_callback(bus.stop)
        await bus.create_topics()
        await bus.start()
        return bus

    async def member(self, bus: Bus, group: str = "g", topics: tuple[str, ...] = (TOPIC,)) -> Consumer:
        consumer = bus.consumer(group, topics, no_fence)
        self._stack.push_async_callback(consumer.stop)
        await consumer.start()
        return consumer

    async def lanes(self, bus: Bus, folder: "Recorder", topics: tuple[str, ...] = (TOPIC,)) -> tuple[LaneConsumer, "asyncio.Task[None]"]:
        """A whole consumer at work."""
        consumer = LaneConsumer("g", topics, bus, folder)
        await consumer.start()
        task = asyncio.get_running_loop().create_task(consumer.run())

        async def end() -> None:
            await consumer.stop()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)
        return consumer, task


class Recorder:
    """Folds by writing down; `before` is awaited first and may raise."""

    def __init__(self, before: Callable[[Sequence[Record]], "asyncio.Future[None] | None"] = lambda _: None) -> None:
        self.folded: list[Record] = []
        self.sizes: list[int] = []
        self._before = before

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        if (wait := self._before(records)) is not None:
            await wait
        self.folded += records
        self.sizes.append(len(records))

    def values(self, partition: int) -> list[bytes | None]:
        return [record.value for record in self.folded if record.partition == partition]


def records(count: int, partition: int = 0, topic: str = TOPIC, first: int = 0) -> list[Outgoing]:
    headers = headers_for("1", "urn:erp", "some.Type", AT, None)
    return [Outgoing(topic, partition, b"acme:a", str(number).encode(), headers) for number in range(first, first + count)]


def numbers(count: int, first: int = 0) -> list[bytes]:
    return [str(number).encode() for number in range(first, first + count)]


async def read(consumer: Consumer, count: int) -> list[Record]:
    """Poll until `count` records came."""
    found: list[Record] = []
    async with asyncio.timeout(_PATIENCE):
        while len(found) < count:
            for polled in (await consumer.poll(2000)).values():
                found += polled
    return found


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(_PATIENCE):
        while not true():
            await asyncio.sleep(0.01)
