"""The memory bus as a cluster with faults: slow, lost and doubled records, members that die, and zombies that do not know they did.

Who owns a partition is the group's to say: a member that was thrown out goes on polling what it believes is its own, and its
commits are left out. Acknowledged records keep their order within a partition, whatever happens.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import Context

from paycue.bus.bus import Consumer, Fence
from paycue.bus.envelope import Outgoing, Record
from paycue.bus.feeds import Progress
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.memory import MemoryBus, MemoryConsumer
from paycue.testing.faults import BusFaults
from paycue.testing.virtual_loop import process

SESSION_SECONDS = 10.0
"""After so long without a sign of life a member is thrown out."""
_IDLE_SECONDS = 1.0


class FaultyBus(MemoryBus):
    """One cluster for all processes of a simulation."""

    def __init__(self, flow: Flow, partitions: int, faults: BusFaults) -> None:
        super().__init__(flow, partitions)
        self.faults = faults
        self.watchers: list[Callable[[Record], None]] = []
        """Told of every record at the instant it is appended."""
        self.readers: list[FaultyConsumer] = []
        self._background = set[asyncio.Task[None]]()
        self._coordinators = defaultdict[str, asyncio.Lock](asyncio.Lock)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        _alive()
        await self.faults.sending()
        for number, topic in enumerate(self.faults.in_turn(list(dict.fromkeys(record.topic for record in records)))):
            if number:
                await self.faults.between()
            _alive()
            for record in records:
                if record.topic == topic:
                    for _ in range(self.faults.copies()):
                        self.append(record)
        await self.faults.acknowledged()
        _alive()

    def append(self, record: Outgoing) -> None:
        """At once, for facts that a test has come without delay."""
        log = self.logs[record.topic, record.partition]
        kept = Record(record.topic, record.partition, len(log), record.key, record.value, record.headers)
        log.append(kept)
        for watcher in self.watchers:
            watcher(kept)
        for reader in self.readers:
            if record.topic in reader.topics:
                reader.arrived.set()

    def consumer(self, group: str, topics: tuple[str, ...], before_revoke: Fence, *, linger_ms: int = 0) -> Consumer:
        self.flow.subscribe(group, topics)
        made = FaultyConsumer(self, group, topics, before_revoke)
        self.readers.append(made)
        return made

    async def rebalance(self, group: str) -> None:
        """The cluster's own doing: it goes on whatever becomes of who asked for it."""
        task = asyncio.get_running_loop().create_task(self._rebalance(group), context=Context())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        await asyncio.shield(task)

    async def _rebalance(self, group: str) -> None:
        async with self._coordinators[group]:
            for member in self._members(group):
                if not await member.lets_go():
                    member.thrown_out = True
                    self.members[group].remove(member)
            members = self._members(group)
            for index, member in enumerate(members):
                member.assign({tp for tp in self._all_of(member) if tp[1] * len(members) // self.partitions(tp[0]) == index})

    def _members(self, group: str) -> "list[FaultyConsumer]":
        return [member for member in self.members[group] if isinstance(member, FaultyConsumer)]


class FaultyConsumer(MemoryConsumer):
    """A member, of the process it was made in."""

    bus: FaultyBus

    def __init__(self, bus: FaultyBus, group: str, topics: tuple[str, ...], before_revoke: Fence) -> None:
        super().__init__(bus, group, topics, before_revoke)
        self.process, self.arrived = process(), asyncio.Event()
        self.thrown_out, self.deaf_until = False, 0.0
        self._told: dict[TopicPartition, int] = {}
        """Where each log ended when it was last fetched, until somebody has asked."""
        self._notices_at: float | None = None
        if self.process is not None:
            self.process.deaths.append(self._die)

    async def start(self) -> None:
        _alive()
        await super().start()

    async def lets_go(self) -> bool:
        """Finish the batch in hand, as long as a session lasts; False when it gave no sign of life."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + SESSION_SECONDS
        while self.process is not None and (self.process.dead or self.process.frozen):
            if loop.time() >= give_up:
                return False
            await asyncio.sleep(0.5)
        try:
            async with asyncio.timeout(SESSION_SECONDS):
                await self.before_revoke(self.assigned())
        except TimeoutError:
            return False
        return self.process is None or not (self.process.dead or self.process.frozen)

    async def poll(self, most: int) -> dict[TopicPartition, list[Record]]:
        _alive()
        await self._rejoin()
        if asyncio.get_running_loop().time() < self.deaf_until:
            await asyncio.sleep(_IDLE_SECONDS)
            return {}
        if not self._waits():
            self.arrived.clear()
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self.arrived.wait()
            except TimeoutError:
                self._fetched()
                return {}
        await self.bus.faults.fetching()
        _alive()
        self._fetched()
        return self._take(most)

    def _fetched(self) -> None:
        self._told = {tp: len(self.bus.logs[tp]) for tp in self.positions}

    async def progress(self) -> dict[TopicPartition, Progress]:
        told, self._told = self._told, {}
        return {tp: Progress(position, told.get(tp)) for tp, position in self.positions.items()}

    def _waits(self) -> bool:
        return any(tp not in self.paused and position < len(self.bus.logs[tp]) for tp, position in self.positions.items())

    async def _rejoin(self) -> None:
        """A zombie learns sooner or later that it is one."""
        if not self.thrown_out:
            return
        now = asyncio.get_running_loop().time()
        self._notices_at = self._notices_at if self._notices_at is not None else now + self.bus.faults.unnoticed()
        if now >= self._notices_at:
            self.thrown_out, self._notices_at, self.positions = False, None, {}
            await self.start()

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        _alive()
        if not self.thrown_out:
            await super().commit(offsets)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        self.paused -= set(partitions)
        self.arrived.set()

    async def stop(self) -> None:
        _alive()
        self._leave()
        await super().stop()

    def _leave(self) -> None:
        if self in self.bus.readers:
            self.bus.readers.remove(self)

    def _die(self) -> None:
        """Its session runs out; the others get what it had."""
        self._leave()
        if self in self.bus.members[self.group]:
            asyncio.get_running_loop().create_task(self.bus.rebalance(self.group), context=Context())


def _alive() -> None:
    if (running := process()) is not None:
        running.alive()
