"""Apache Kafka through aiokafka, with every unsafe default set explicitly.

No Kafka transactions (aiokafka cannot fence them, and they cover no provider), no retry topics (they give up order per key).
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.helpers import create_ssl_context
from aiokafka.partitioner import murmur2

from paycue.bus.bus import BusError, Consumer, Fence
from paycue.bus.envelope import Outgoing, Record
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.topics import Topic, topics
from paycue.settings import KernelSettings

_PUBLISH_SECONDS = 15
_STOP_SECONDS = 5

PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 0,
    "max_batch_size": 131_072,
    "max_request_size": 1_048_576,
    "request_timeout_ms": 10_000,
}
CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "partition_assignment_strategy": (RangePartitionAssignor,),
    "rebalance_timeout_ms": 60_000,
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 3_000,
    "max_poll_interval_ms": 300_000,
    # A first fetch that waits hides in every latency figure; an idle partition costs a request every 100 ms.
    "fetch_max_wait_ms": 100,
    "max_partition_fetch_bytes": 4_194_304,
}


def security(settings: KernelSettings) -> dict[str, Any]:
    """What the clients need to know of a secured cluster."""
    if settings.kafka_security == "plaintext":
        return {}
    secured: dict[str, Any] = {"security_protocol": settings.kafka_security.upper()}
    if settings.kafka_security.endswith("ssl"):
        secured["ssl_context"] = create_ssl_context(cafile=settings.kafka_ca_file)
    if settings.kafka_security.startswith("sasl"):
        secured |= {"sasl_mechanism": settings.kafka_mechanism, "sasl_plain_username": settings.kafka_username}
        secured["sasl_plain_password"] = settings.kafka_password
    return secured


class KafkaBus:
    """A cluster at `servers` (host:port, comma-separated).

    `prefix` stands before every topic and group, so that a replay on a shared cluster keeps to itself; `partitions` and
    `replication` are for topics this bus creates.
    """

    def __init__(
        self,
        servers: str,
        flow: Flow,
        *,
        prefix: str = "",
        partitions: int | None = None,
        replication: int = -1,
        security: Mapping[str, Any] | None = None,
    ) -> None:
        self.servers, self.flow, self.prefix = servers, flow, prefix
        self.client = {"bootstrap_servers": servers, **(security or {})}
        self._partitions, self._replication = partitions, replication
        self._producer: AIOKafkaProducer | None = None
        self._building = asyncio.Lock()
        self._counts: dict[str, int] = {}

    async def start(self) -> None:
        await self._ready()
        for name in topics():
            self._counts[name] = await self._count(name)

    async def _count(self, name: str) -> int:
        producer = await self._ready()
        try:
            return len(await producer.partitions_for(self.prefix + name))
        except KafkaError as error:
            raise BusError(f"the topic {self.prefix + name} cannot be read ({error}); run `paycue topics` to create the topics") from error

    async def _ready(self) -> AIOKafkaProducer:
        async with self._building:
            if self._producer is None:
                producer = AIOKafkaProducer(**self.client, **PRODUCER)
                try:
                    await producer.start()
                except KafkaError as error:
                    await producer.stop()
                    raise BusError(f"no Kafka answers at {self.servers}: {_said(error)}") from error
                self._producer = producer
            return self._producer

    async def create_topics(self) -> None:
        admin = AIOKafkaAdminClient(**self.client)
        try:
            await admin.start()
            existing = set(await admin.list_topics())
            wanted = [topic for topic in topics().values() if self.prefix + topic.name not in existing]
            if wanted:
                _refuse_errors(await admin.create_topics([self._new_topic(topic) for topic in wanted]))
        except KafkaError as error:
            raise BusError(f"the topics cannot be created at {self.servers}: {_said(error)}") from error
        finally:
            await admin.close()

    def _new_topic(self, topic: Topic) -> NewTopic:
        partitions = self._partitions if self._partitions and topic.key == "account" else topic.partitions
        configs = {
            # Business time travels in ce_time: with CreateTime a ledger of 2012 would be deleted by retention at once.
            "message.timestamp.type": "LogAppendTime",
            "cleanup.policy": "compact" if topic.compact else "delete",
            "retention.ms": str(topic.retention_ms),
        }
        # The cluster's own default is asked for by -1 and an empty assignment, not an absent one.
        assigned: dict[int, list[int]] | None = {} if self._replication == -1 else None
        return NewTopic(self.prefix + topic.name, partitions, self._replication, assigned, configs)

    async def delete_topics(self) -> None:
        """Remove this prefix's topics. Refused without a prefix."""
        if not self.prefix:
            raise ValueError("topics without a prefix are not deleted")
        admin = AIOKafkaAdminClient(**self.client)
        await admin.start()
        try:
            await admin.delete_topics([self.prefix + name for name in topics()])
        finally:
            await admin.close()

    def partition(self, topic: str, key: bytes) -> int:
        lane: int = (murmur2(key) & 0x7FFFFFFF) % self._counts[topic]
        return lane

    async def publish(self, records: Sequence[Outgoing]) -> None:
        producer = await self._ready()
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                await self._send(producer, records)
        except (KafkaError, TimeoutError) as error:
            await self._discard(producer)
            raise BusError(f"{len(records)} records were not acknowledged: {error!r}") from error

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
        by_partition: dict[TopicPartition, list[Outgoing]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, record.partition].append(record)
        sent = [
            await self._send_batch(producer, tp, batch) for tp, pending in by_partition.items() for batch in _batches(producer, pending)
        ]
        for (topic, partition), count, future in sent:
            metadata = await future
            self.flow.ack(topic, partition, metadata.offset + count)

    async def _send_batch(self, producer: AIOKafkaProducer, tp: TopicPartition, batch: Any) -> tuple[TopicPartition, int, Any]:
        count = batch.record_count()
        return tp, count, await producer.send_batch(batch, self.prefix + tp[0], partition=tp[1])

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        """After a lost acknowledgement a producer may be fenced or out of sequence for good: the next publish builds a new one."""
        if self._producer is producer:
            self._producer = None
            await _stop_within(producer)

    def consumer(self, group: str, topics: tuple[str, ...], before_revoke: Fence) -> Consumer:
        self.flow.subscribe(group, topics)
        return KafkaConsumer(self, group, topics, before_revoke)

    async def stop(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _stop_within(producer)


def _said(error: KafkaError) -> str:
    """Why a cluster could not be reached, for a person."""
    return "start it, or look at the address" if isinstance(error, KafkaConnectionError) else str(error)


def _refuse_errors(answer: Any) -> None:
    """aiokafka leaves the errors of single topics to its caller. Another instance may have been faster."""
    for name, code, *why in answer.topic_errors:
        if code not in (NoError.errno, TopicAlreadyExistsError.errno):
            raise BusError(f"the topic {name} cannot be created: {for_code(code).__name__} {' '.join(filter(None, why))}".rstrip())


def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[Any]:
    """Ready record batches of one partition: a quarter of the CPU of sending one by one."""
    batches = [producer.create_batch()]
    for record in records:
        fields = {"key": record.key, "value": record.value, "timestamp": None, "headers": list(record.headers)}
        if batches[-1].append(**fields) is None:
            batches.append(producer.create_batch())
            if batches[-1].append(**fields) is None:
                raise BusError(
                    f"a record of {len(record.value)} bytes for {record.topic} is larger than a batch of {PRODUCER['max_batch_size']}"
                )
    for batch in batches:
        batch.close()
    return batches


async def _stop_within(client: Any) -> None:
    """`stop()` of an idempotent producer hangs while the broker is down."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await client.stop()
    except (TimeoutError, KafkaError):
        return


class _Revocation(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells the consumer before partitions go. aiokafka swallows what is raised here, so nothing may be."""

    def __init__(self, consumer: "KafkaConsumer") -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Any) -> None:
        await self._consumer.before_revoke(frozenset(self._consumer.own(tp) for tp in revoked))

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Positions come from the group's commits."""


class KafkaConsumer:
    """A member of a Kafka consumer group."""

    def __init__(self, bus: KafkaBus, group: str, topics: tuple[str, ...], before_revoke: Fence) -> None:
        self.bus, self.group, self.topics, self.before_revoke = bus, group, topics, before_revoke
        self._client = AIOKafkaConsumer(**bus.client, group_id=bus.prefix + group, **CONSUMER)

    async def start(self) -> None:
        self._client.subscribe([self.bus.prefix + topic for topic in self.topics], listener=_Revocation(self))
        try:
            await self._client.start()
        except KafkaError as error:
            raise BusError(f"no Kafka answers at {self.bus.servers}: {_said(error)}") from error

    def own(self, tp: Any) -> TopicPartition:
        return tp.topic.removeprefix(self.bus.prefix), tp.partition

    def _theirs(self, tp: TopicPartition) -> KafkaPartition:
        return KafkaPartition(self.bus.prefix + tp[0], tp[1])

    def assigned(self) -> frozenset[TopicPartition]:
        return frozenset(map(self.own, self._client.assignment()))

    async def poll(self, most: int) -> dict[TopicPartition, list[Record]]:
        polled = await self._client.getmany(timeout_ms=200, max_records=most)
        return {self.own(tp): [self._record(r) for r in records] for tp, records in polled.items() if records}

    def _record(self, r: Any) -> Record:
        return Record(r.topic.removeprefix(self.bus.prefix), r.partition, r.offset, r.key, r.value, tuple(r.headers))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        mine = {self._theirs(tp): offset for tp, offset in offsets.items() if tp in self.assigned()}
        if not mine:
            return
        try:
            await self._client.commit(mine)
        except (CommitFailedError, IllegalStateError):
            return  # The group moved on: the next owner folds the batch again, and the inbox makes that a no-op.
        except KafkaError as error:
            raise BusError(f"offsets of {self.group} were not committed: {error!r}") from error
        for tp, offset in mine.items():
            self.bus.flow.commit(self.group, *self.own(tp), offset)

    def rewind(self, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            if tp in self.assigned():
                self._client.seek(self._theirs(tp), offset)

    async def lag(self) -> dict[TopicPartition, int]:
        found = {}
        for tp in self._client.assignment():
            end, committed = self._client.highwater(tp), await self._client.committed(tp)
            found[self.own(tp)] = max(0, (end or 0) - (committed or 0))
        return found

    async def stop(self) -> None:
        await _stop_within(self._client)
