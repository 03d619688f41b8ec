"""A member of a Kafka consumer group through aiokafka: explicit offsets, nothing committed by itself, bytes as they came.

It never decodes: a deserializer that raises inside the client loses other partitions' records.
"""

import asyncio
from collections.abc import Collection, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from paycue.bus.bus import BusError, Fence
from paycue.bus.envelope import Record
from paycue.bus.feeds import Progress
from paycue.bus.fetching import with_sessions
from paycue.bus.flow import TopicPartition
from paycue.bus.kafka_client import start_within, stop_within

SESSION_SECONDS = 10.0
log = structlog.get_logger(__name__)
_ANSWER_SECONDS = 5
_VALUE = itemgetter(1)

CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "partition_assignment_strategy": (RangePartitionAssignor,),
    # A member that lives and does not let go holds up its group for so long. Whoever joins must wait for that: within one request, and
    # within what a start may take; else it joins anew, again and again.
    "rebalance_timeout_ms": 15_000,
    "request_timeout_ms": 30_000,
    "max_poll_interval_ms": 300_000,
    "max_partition_fetch_bytes": 4_194_304,
}


def session(seconds: float) -> dict[str, int]:
    """How long a member that died holds its partitions: nobody else reads them meanwhile. Three heartbeats may be lost."""
    return {"session_timeout_ms": int(seconds * 1000), "heartbeat_interval_ms": int(seconds * 300)}


class _Revocation(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the consumer before partitions go. aiokafka swallows what is raised here, so nothing may be."""

    def __init__(self, consumer: "KafkaConsumer") -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Any) -> None:
        lost = frozenset(self._consumer.own(tp) for tp in revoked)
        await self._consumer.before_revoke(lost)
        self._consumer.letting_go |= lost

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Positions come from the group's commits."""
        self._consumer.letting_go = frozenset()


class KafkaConsumer:
    """A member of a Kafka consumer group."""

    def __init__(
        self,
        client: Mapping[str, Any],
        prefix: str,
        group: str,
        topics: tuple[str, ...],
        before_revoke: Fence,
        session_seconds: float = SESSION_SECONDS,
        linger_ms: int = 0,
    ) -> None:
        self.group, self.topics, self.before_revoke = group, topics, before_revoke
        self._prefix, self._servers = prefix, client["bootstrap_servers"]
        self.letting_go: frozenset[TopicPartition] = frozenset()
        """Revoked, and nothing new assigned yet: what was polled of these is not to be folded any more."""
        self._fetches: dict[KafkaPartition, int] = {}
        """When each partition was last fetched, as the client tells it: only that it changes matters."""
        self._made: dict[str, Any] = {**CONSUMER, **client, "group_id": prefix + group, **session(session_seconds)}
        self._linger_ms = linger_ms
        self._client = with_sessions(AIOKafkaConsumer(**self._made), linger_ms)

    async def start(self) -> None:
        self._client.subscribe([self._prefix + topic for topic in self.topics], listener=_Revocation(self))
        await start_within(self._client, self._servers)

    def own(self, tp: Any) -> TopicPartition:
        return _own(self._prefix, tp)

    def _theirs(self, tp: TopicPartition) -> KafkaPartition:
        return KafkaPartition(self._prefix + tp[0], tp[1])

    def assigned(self) -> frozenset[TopicPartition]:
        return _owned(self._prefix, frozenset(self._client.assignment()), self.letting_go)

    async def poll(self, most: int) -> dict[TopicPartition, list[Record]]:
        try:
            polled = await self._client.getmany(timeout_ms=200, max_records=most)
        except RuntimeError as error:
            await self._renew(error)
            return {}
        return {own: [_record(*own, r) for r in records] for tp, records in polled.items() if records and (own := self.own(tp))}

    async def _renew(self, error: RuntimeError) -> None:
        """A connection that ends while uvloop writes to it ends the client's coordination for good: join anew, with another client."""
        while True:
            log.warning("consumer is built anew", consumer=self.group, error=repr(error))
            await stop_within(self._client)
            self.letting_go, self._client = frozenset(), with_sessions(AIOKafkaConsumer(**self._made), self._linger_ms)
            self._fetches.clear()
            try:
                return await self.start()
            except BusError:
                await asyncio.sleep(1)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        mine = {self._theirs(tp): offset for tp, offset in offsets.items() if tp in self.assigned()}
        if not mine:
            return
        try:
            # A commit that waits while brokers come and go may wait for ever, and nobody would tell Kafka anything any more.
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._client.commit(mine)
        except (CommitFailedError, IllegalStateError):
            return  # The group moved on: the next owner folds the batch again, and the inbox makes that a no-op.
        except (KafkaError, RuntimeError, TimeoutError) as error:
            raise BusError(f"offsets of {self.group} were not committed: {error!r}") from error

    def rewind(self, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            if tp in self.assigned():
                self._client.seek(self._theirs(tp), offset)

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        self._client.pause(*(self._theirs(tp) for tp in partitions if tp in self.assigned()))

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        self._client.resume(*(self._theirs(tp) for tp in partitions if tp in self.assigned()))

    async def progress(self) -> dict[TopicPartition, Progress]:
        return {self.own(tp): await self._progress(tp) for tp in self._client.assignment() if self.own(tp) not in self.letting_go}

    async def _progress(self, tp: KafkaPartition) -> Progress:
        position = await self._position(tp)
        try:
            fetch, end = self._client.last_poll_timestamp(tp), self._client.highwater(tp)
        except AssertionError as error:
            raise _taken(self.group, tp, error) from error
        if fetch is None or self._fetches.get(tp) == fetch:
            return Progress(position, None)
        self._fetches[tp] = fetch
        return Progress(position, end)

    async def lag(self) -> dict[TopicPartition, int]:
        # Against the position and not the commit: where nothing is left to read, nothing is ever committed.
        return {self.own(tp): await self._behind(tp) for tp in self._client.assignment()}

    async def _behind(self, tp: KafkaPartition) -> int:
        position = await self._position(tp)
        try:
            return max(0, (self._client.highwater(tp) or 0) - position)
        except AssertionError as error:
            raise _taken(self.group, tp, error) from error

    async def _position(self, tp: KafkaPartition) -> int:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                position: int = await self._client.position(tp)
            return position
        except (KafkaError, AssertionError, TimeoutError, RuntimeError) as error:
            raise _taken(self.group, tp, error) from error

    async def stop(self) -> None:
        await stop_within(self._client)


def _own(prefix: str, tp: Any) -> TopicPartition:
    return tp.topic.removeprefix(prefix), tp.partition


@lru_cache(maxsize=64)
def _owned(prefix: str, theirs: frozenset[Any], letting_go: frozenset[TopicPartition]) -> frozenset[TopicPartition]:
    """Asked for with every batch, and changed by rebalances alone."""
    return frozenset([_own(prefix, tp) for tp in theirs]) - letting_go


def _record(topic: str, partition: int, r: Any) -> Record:
    """A record as it came; a header without a value has an empty one."""
    headers = r.headers if all(map(_VALUE, r.headers)) else ((name, value or b"") for name, value in r.headers)
    return Record(topic, partition, r.offset, r.key, r.value, tuple(headers))


def _taken(group: str, tp: KafkaPartition, error: BaseException) -> BusError:
    """A rebalance took the partition meanwhile, and who has it now measures it; or no broker tells."""
    return BusError(f"the position of {group} in {tp.topic}/{tp.partition} is not known: {error!r}")
