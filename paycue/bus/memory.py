"""The memory twin of Kafka: logs in lists, groups with committed offsets, the same interface and the same conformance suite.

For tests and `replay --bus memory`. One process, nothing durable; a consumer that joins or leaves rebalances the group.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from aiokafka.partitioner import murmur2

from paycue.bus.bus import Consumer, Fence
from paycue.bus.envelope import Outgoing, Record
from paycue.bus.feeds import Progress
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.topics import topics

_IDLE_SECONDS = 0.2


class MemoryBus:
    """Topics in memory. `partitions` overrides the number of every account-keyed topic."""

    def __init__(self, flow: Flow, partitions: int | None = None) -> None:
        self.flow, self._partitions = flow, partitions
        self.logs: dict[TopicPartition, list[Record]] = defaultdict(list)
        self.offsets: dict[tuple[str, str, int], int] = {}
        self.members: dict[str, list[MemoryConsumer]] = defaultdict(list)
        self.arrived = asyncio.Event()
        self._rebalancing = asyncio.Lock()

    async def start(self) -> None:
        """Nothing to connect to."""

    async def create_topics(self) -> None:
        """Topics exist by being named."""

    async def stop(self) -> None:
        """Nothing to close; the logs stay readable."""

    def partitions(self, topic: str) -> int:
        known = topics()[topic]
        return self._partitions if self._partitions and known.key == "account" else known.partitions

    def partition(self, topic: str, key: bytes) -> int:
        hashed: int = murmur2(key) & 0x7FFFFFFF
        return hashed % self.partitions(topic)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            log = self.logs[record.topic, record.partition]
            log.append(Record(record.topic, record.partition, len(log), record.key, record.value, record.headers))
            self.flow.ack(record.topic, record.partition, len(log))
        self.arrived.set()
        await asyncio.sleep(0)

    def consumer(self, group: str, topics: tuple[str, ...], before_revoke: Fence, *, linger_ms: int = 0) -> Consumer:
        self.flow.subscribe(group, topics)
        return MemoryConsumer(self, group, topics, before_revoke)

    async def rebalance(self, group: str) -> None:
        """Range assignment over the members, each asked to finish its batch first."""
        async with self._rebalancing:
            members = list(self.members[group])
            for member in members:
                await member.before_revoke(member.assigned())
            for index, member in enumerate(members):
                member.assign({tp for tp in self._all_of(member) if tp[1] * len(members) // self.partitions(tp[0]) == index})

    def _all_of(self, member: "MemoryConsumer") -> set[TopicPartition]:
        return {(topic, number) for topic in member.topics for number in range(self.partitions(topic))}


class MemoryConsumer:
    """A member of a group on a MemoryBus."""

    def __init__(self, bus: MemoryBus, group: str, topics: tuple[str, ...], before_revoke: Fence) -> None:
        self.bus, self.group, self.topics, self.before_revoke = bus, group, topics, before_revoke
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()

    async def start(self) -> None:
        self.bus.members[self.group].append(self)
        await self.bus.rebalance(self.group)

    def assign(self, partitions: set[TopicPartition]) -> None:
        self.positions = {tp: self.bus.offsets.get((self.group, *tp), 0) for tp in sorted(partitions)}
        self.paused.clear()

    def assigned(self) -> frozenset[TopicPartition]:
        return frozenset(self.positions)

    async def poll(self, most: int) -> dict[TopicPartition, list[Record]]:
        if found := self._take(most):
            return found
        self.bus.arrived.clear()
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self.bus.arrived.wait()
        except TimeoutError:
            return {}
        return self._take(most)

    def _take(self, most: int) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        for tp, position in self.positions.items():
            if most > 0 and tp not in self.paused and (records := self.bus.logs[tp][position : position + most]):
                found[tp] = records
                self.positions[tp] = position + len(records)
                most -= len(records)
        return found

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            if tp in self.positions:
                self.bus.offsets[self.group, *tp] = offset

    def rewind(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.positions |= {tp: offset for tp, offset in offsets.items() if tp in self.positions}

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        self.paused -= set(partitions)
        self.bus.arrived.set()

    async def progress(self) -> dict[TopicPartition, Progress]:
        return {tp: Progress(position, len(self.bus.logs[tp])) for tp, position in self.positions.items()}

    async def lag(self) -> dict[TopicPartition, int]:
        return {tp: len(self.bus.logs[tp]) - position for tp, position in self.positions.items()}

    async def stop(self) -> None:
        members = self.bus.members[self.group]
        if self in members:
            members.remove(self)
            self.positions = {}
            await self.bus.rebalance(self.group)
