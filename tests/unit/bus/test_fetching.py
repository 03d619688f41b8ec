"""A fetch names what its broker does not know, and its answer is made whole with what did not change."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v6, FetchRequest_v11, FetchResponse_v6, FetchResponse_v11

from paycue.bus.fetching import PATIENT_MS, QUICK_MS, Sessions
from paycue.bus.flow import TopicPartition

A, B, C = ("paid", 0), ("paid", 1), ("settled", 0)
LOST, UNKNOWN_EPOCH, NOT_LEADER = 70, 71, 6


class Broker:
    """Keeps what it was asked, and answers with the partitions that have news."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.news: dict[TopicPartition, tuple[int, bytes]] = {}
        self.fails: BaseException | None = None
        self.says: list[int] = []
        self.wrong: dict[TopicPartition, int] = {}
        self.id = 7

    async def __call__(self, node: int, request: Any, **how: Any) -> Any:
        self.asked.append(request.build(FetchRequest_v11))
        if self.fails is not None:
            raise self.fails
        if self.says:
            return FetchResponse_v11(0, self.says.pop(0), 0, [])
        told = [(*tp, self.wrong.get(tp, 0), high, records) for tp, (high, records) in self.news.items()]
        topics = [(topic, [(number, error, high, high, 0, None, -1, records)]) for topic, number, error, high, records in told]
        return FetchResponse_v11(0, 0, self.id, topics)

    @property
    def last(self) -> tuple[int, int, set[TopicPartition], set[TopicPartition]]:
        """Session and epoch, what was named, what was forgotten."""
        one = self.asked[-1]
        named = {(topic, part[0]) for topic, parts in one.topics for part in parts}
        return one.session_id, one.session_epoch, named, {(topic, n) for topic, numbers in one.forgotten_topics_data for n in numbers}


def fetch(offsets: dict[TopicPartition, int]) -> FetchRequest:
    return FetchRequest(500, 1, 1000, 1, [(topic, [(number, offset, 99)]) for (topic, number), offset in offsets.items()])


def told(answer: Any) -> dict[TopicPartition, tuple[int, bytes]]:
    """High watermark and records by partition."""
    return {(topic, part[0]): (part[2], part[-1]) for topic, parts in answer.topics for part in parts}


@pytest.fixture
def broker() -> Broker:
    broker = Broker()
    broker.news = {A: (10, b""), B: (20, b""), C: (30, b"")}
    return broker


def sessions(broker: Broker, assigned: Iterable[TopicPartition] = (A, B, C)) -> Sessions:
    owned = frozenset(assigned)
    return Sessions(broker, lambda: owned)


async def test_only_what_moved_is_named_again(broker: Broker) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10, B: 20, C: 30}))
    assert broker.last == (0, 0, {A, B, C}, set())
    await ours.send(1, fetch({A: 10, B: 20, C: 30}))
    assert broker.last == (7, 1, set(), set())
    await ours.send(1, fetch({A: 10, B: 25, C: 30}))
    assert broker.last == (7, 2, {B}, set())


async def test_what_is_left_out_is_forgotten_and_named_when_it_comes_back(broker: Broker) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10, B: 20}))
    await ours.send(1, fetch({A: 10}))
    assert broker.last == (7, 1, set(), {B})
    await ours.send(1, fetch({A: 10, B: 20}))
    assert broker.last == (7, 2, {B}, set())


async def test_each_broker_has_a_session_of_its_own(broker: Broker) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10}))
    await ours.send(2, fetch({B: 20}))
    assert broker.last == (0, 0, {B}, set())


@pytest.mark.parametrize("lost", [LOST, UNKNOWN_EPOCH])
async def test_a_session_that_the_broker_lost_begins_anew_at_once(broker: Broker, lost: int) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10, B: 20}))
    broker.says = [lost]
    answer = await ours.send(1, fetch({A: 11, B: 20}))
    assert broker.last == (7, 0, {A, B}, set())
    assert told(answer)[B] == (20, b"")


async def test_another_fault_of_the_broker_is_told_as_it_came_and_the_session_begins_anew(broker: Broker) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10, B: 20}))
    broker.says = [NOT_LEADER]
    assert told(await ours.send(1, fetch({A: 10, B: 20}))) == {}
    await ours.send(1, fetch({A: 10, B: 20}))
    assert broker.last == (7, 0, {A, B}, set())


@pytest.mark.parametrize("fault", [KafkaConnectionError("gone"), asyncio.CancelledError()])
async def test_after_a_lost_answer_everything_is_named_again(broker: Broker, fault: BaseException) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10, B: 20}))
    broker.fails = fault
    with pytest.raises(type(fault)):
        await ours.send(1, fetch({A: 10, B: 20}))
    broker.fails = None
    await ours.send(1, fetch({A: 10, B: 20}))
    assert broker.last == (7, 0, {A, B}, set())


async def test_a_broker_that_keeps_no_session_is_told_everything_each_time(broker: Broker) -> None:
    ours, broker.id = sessions(broker), 0
    for _ in range(2):
        await ours.send(1, fetch({A: 10, B: 20}))
        assert broker.last == (0, 0, {A, B}, set())


async def test_what_did_not_change_stands_in_the_answer_now_and_then(broker: Broker) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10, B: 20, C: 30}))
    broker.news = {A: (11, b"one more")}
    assert told(await ours.send(1, fetch({A: 10, B: 20, C: 30}))) == {A: (11, b"one more")}
    await asyncio.sleep(0.06)
    broker.news = {}
    assert told(await ours.send(1, fetch({A: 11, B: 20}))) == {A: (11, b""), B: (20, b"")}


async def test_a_partition_in_trouble_is_never_told_from_memory(broker: Broker) -> None:
    ours = sessions(broker)
    await ours.send(1, fetch({A: 10, B: 20}))
    broker.news, broker.wrong = {A: (-1, b"")}, {A: NOT_LEADER}
    await ours.send(1, fetch({A: 10, B: 20}))
    await asyncio.sleep(0.06)
    broker.news = {}
    assert told(await ours.send(1, fetch({A: 10, B: 20}))) == {B: (20, b"")}


async def test_a_fetch_is_patient_unless_something_of_ours_is_left_out(broker: Broker) -> None:
    waits = {}
    for name, assigned in (("ours", (A, B)), ("another's", (A,))):
        ours = sessions(broker, assigned)
        await ours.send(1, fetch({A: 10, B: 20}))
        first = broker.asked[-1].max_wait_time
        await ours.send(1, fetch({A: 10}))
        waits[name] = first, broker.asked[-1].max_wait_time
    assert waits == {"ours": (PATIENT_MS, QUICK_MS), "another's": (PATIENT_MS, PATIENT_MS)}


async def test_while_records_come_they_are_gathered_and_the_first_after_a_rest_is_not(broker: Broker) -> None:
    ours = Sessions(broker, lambda: {A, B}, linger_ms=40)
    asked = []
    for records in (b"", b"one", b"more", b""):
        broker.news = {A: (10, records)}
        await ours.send(1, fetch({A: 10, B: 20}))
        asked.append((broker.asked[-1].max_wait_time, broker.asked[-1].min_bytes > 1))
    await ours.send(1, fetch({A: 10, B: 20}))
    asked.append((broker.asked[-1].max_wait_time, broker.asked[-1].min_bytes > 1))
    assert asked == [(PATIENT_MS, False), (PATIENT_MS, False), (40, True), (40, True), (PATIENT_MS, False)]


async def test_an_old_broker_is_asked_as_ever() -> None:
    async def old(node: int, request: Any, **how: Any) -> Any:
        asked.append(request.build(FetchRequest_v6))
        return FetchResponse_v6(0, [("paid", [(0, 0, 10, 10, 0, None, b"")])])

    asked: list[Any] = []
    ours = Sessions(old, lambda: {A, B})
    for _ in range(2):
        await ours.send(1, fetch({A: 10, B: 20}))
        assert {(topic, part[0]) for topic, parts in asked[-1].topics for part in parts} == {A, B}


async def test_other_requests_go_as_they_are() -> None:
    async def send(node: int, request: Any, **how: Any) -> Any:
        return node, request, how

    assert await Sessions(send, frozenset).send(3, "metadata", group=1) == (3, "metadata", {"group": 1})
