"""What a bus is: publish with acknowledgement, poll, commit. Kafka is one, memory is another; one conformance suite holds both."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from paycue.bus.envelope import Outgoing, Record
from paycue.bus.feeds import Progress
from paycue.bus.flow import Flow, TopicPartition


class BusError(Exception):
    """The bus did not acknowledge in time: unknown whether it has the records. Publish the same event ids again."""


class Consumer(Protocol):
    """One member of a consumer group."""

    async def start(self) -> None: ...
    async def poll(self, most: int) -> dict[TopicPartition, list[Record]]:
        """Records by partition, in offset order; empty after a short wait without any."""

    def assigned(self) -> frozenset[TopicPartition]: ...
    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The group has folded everything below these offsets. A partition lost meanwhile is left out silently."""

    def rewind(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Deliver from these offsets again: a batch that could not be folded yet."""

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Poll none of these until they are resumed, or assigned anew."""

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Poll these again, as far as they are still ours."""

    async def progress(self) -> dict[TopicPartition, Progress]:
        """How far each partition of ours is read; its end only if a fetch has told it since the last call. Raises BusError."""

    async def lag(self) -> dict[TopicPartition, int]:
        """Records behind the last one polled, as far as is known."""

    async def stop(self) -> None: ...


class Fence(Protocol):
    """Waits for the batch in flight before partitions are given up (rule 8)."""

    async def __call__(self, lost: frozenset[TopicPartition]) -> None: ...


class Bus(Protocol):
    """A log of topics with partitions and consumer groups."""

    flow: Flow

    async def start(self) -> None: ...
    async def create_topics(self) -> None:
        """Create what is missing of `proto/topics.yaml`; what exists with another partition count is an error."""

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""

    def partition(self, topic: str, key: bytes) -> int:
        """murmur2(key) % partitions, as Kafka's Java client does."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Returns when every record is acknowledged by all in-sync replicas. Raises BusError when unknown."""

    def consumer(self, group: str, topics: tuple[str, ...], before_revoke: Fence, *, linger_ms: int = 0) -> Consumer:
        """A member of a group. While records come, they may be gathered for `linger_ms`; the first after a rest comes at once."""

    async def stop(self) -> None: ...
