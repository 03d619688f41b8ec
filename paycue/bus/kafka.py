"""Apache Kafka through aiokafka, with every unsafe default set explicitly.

No Kafka transactions (aiokafka cannot fence them, and they cover no provider), no retry topics (they give up order per key).
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context
from aiokafka.partitioner import murmur2

from paycue.bus.bus import BusError, Consumer, Fence
from paycue.bus.envelope import MAX_VALUE, Outgoing
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.kafka_client import start_within, stop_within
from paycue.bus.kafka_consumer import SESSION_SECONDS, KafkaConsumer
from paycue.bus.topics import Topic, topics
from paycue.ids import new_id
from paycue.settings import KernelSettings

_PUBLISH_SECONDS = 15
_ANSWER_SECONDS = 10

PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 0,
    # Twice the largest value that anybody reads, so that no event we decided is too large to be sent.
    "max_batch_size": 2 * MAX_VALUE,
    "max_request_size": 1_048_576,
    "request_timeout_ms": 10_000,
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
    `replication` are for topics this bus creates; a member that died holds its partitions for `session_seconds`.
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
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        self.servers, self.flow, self.prefix = servers, flow, prefix
        # One name for a whole process: the range assignor sorts members by it, so every group gives a process the same lanes.
        self.client = {"bootstrap_servers": servers, "client_id": f"paycue-{new_id()}", **(security or {})}
        self._partitions, self._replication, self._session_seconds = partitions, replication, session_seconds
        self._producer: AIOKafkaProducer | None = None
        self._building = asyncio.Lock()
        self._counts: dict[str, int] = {}

    async def start(self) -> None:
        await self._ready()
        async with self._admin() as admin:
            existing = await self._existing(admin)
        if missing := [name for name in topics() if name not in existing]:
            raise BusError(f"there is no topic {self.prefix + missing[0]}; run `paycue topics` to create the topics")
        self._counts = existing
        lanes = {name: existing[name] for name, topic in topics().items() if topic.key == "account"}
        if len(set(lanes.values())) > 1:
            raise BusError(f"account-keyed topics must have the same number of partitions, found {lanes}")

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self.client)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await admin.start()
            yield admin
        except (KafkaError, TimeoutError) as error:
            raise BusError(f"the topics at {self.servers} cannot be read or changed: {error}") from error
        finally:
            await admin.close()

    async def _existing(self, admin: AIOKafkaAdminClient) -> dict[str, int]:
        """The partitions of those topics that exist, by name without the prefix."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        return {name: found[self.prefix + name] for name in topics() if self.prefix + name in found}

    async def _ready(self) -> AIOKafkaProducer:
        async with self._building:
            if self._producer is None:
                producer = AIOKafkaProducer(**self.client, **PRODUCER)
                await start_within(producer, self.servers)
                self._producer = producer
            return self._producer

    async def create_topics(self) -> None:
        wanted = {name: self._new_topic(topic) for name, topic in topics().items()}
        async with self._admin() as admin:
            existing = await self._existing(admin)
            if missing := [topic for name, topic in wanted.items() if name not in existing]:
                _refuse_failed(await admin.create_topics(missing))
                # Every broker hears of new topics a moment later.
                async with asyncio.timeout(_ANSWER_SECONDS):
                    while len(await self._existing(admin)) < len(wanted):
                        await asyncio.sleep(0.05)
        wrong = {name: count for name, count in existing.items() if count != wanted[name].num_partitions}
        if wrong:
            raise BusError(f"topics exist with other partition counts, which must not change in place: {wrong}")

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
        async with self._admin() as admin:
            await admin.delete_topics([self.prefix + name for name in topics()])

    def partitions(self, topic: str) -> int:
        return self._counts[topic]

    def partition(self, topic: str, key: bytes) -> int:
        hashed: int = murmur2(key) & 0x7FFFFFFF
        return hashed % self._counts[topic]

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
        ended = await asyncio.gather(*(future for _, _, future in sent), return_exceptions=True)
        for (tp, count, _), metadata in zip(sent, ended, strict=True):
            if not isinstance(metadata, BaseException):
                self.flow.ack(*tp, metadata.offset + count)
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _send_batch(self, producer: AIOKafkaProducer, tp: TopicPartition, batch: Any) -> tuple[TopicPartition, int, Any]:
        count = batch.record_count()
        return tp, count, await producer.send_batch(batch, self.prefix + tp[0], partition=tp[1])

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        """After a lost acknowledgement a producer may be fenced or out of sequence for good: the next publish builds a new one."""
        if self._producer is producer:
            self._producer = None
            await stop_within(producer)

    def consumer(self, group: str, topics: tuple[str, ...], before_revoke: Fence, *, linger_ms: int = 0) -> Consumer:
        self.flow.subscribe(group, topics)
        return KafkaConsumer(self.client, self.prefix, group, topics, before_revoke, self._session_seconds, linger_ms)

    async def stop(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await stop_within(producer)


def _refuse_failed(response: Any) -> None:
    """aiokafka leaves the errors of single topics to its caller. Another instance may have been faster."""
    for name, code, *why in response.topic_errors:
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
