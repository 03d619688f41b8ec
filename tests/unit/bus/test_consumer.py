"""The consuming loop between a client whose polls are scripted and a folder that writes down what it got."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from paycue.bus.bus import BusError, Fence
from paycue.bus.consumer import LaneConsumer
from paycue.bus.envelope import Record
from paycue.bus.feeds import BEAT_KEY, Feeds, Progress
from paycue.bus.flow import Flow, TopicPartition

TOPIC = "erp.payments.v1"
A, B = (TOPIC, 0), (TOPIC, 1)
Polled = dict[TopicPartition, list[Record]]


class Scripted:
    """A client that brings `polls` one after the other, after which it stops its consumer."""

    def __init__(self, *polls: Polled) -> None:
        self.flow, self.polls, self.owned = Flow(), list(polls), {A, B}
        self.told: dict[TopicPartition, int] = {}
        self.rewound: list[dict[TopicPartition, int]] = []
        self.positions = {A: 0, B: 0}
        self.lost_with_a_poll: set[TopicPartition] = set()
        self.of: LaneConsumer | None = None
        self.stopping: asyncio.Future[None] | None = None

    def consumer(self, group: str, topics: tuple[str, ...], before_revoke: Fence, *, linger_ms: int = 0) -> "Scripted":
        return self

    def assigned(self) -> frozenset[TopicPartition]:
        return frozenset(self.owned)

    async def poll(self, most: int) -> Polled:
        if not self.polls:
            assert self.of is not None
            self.stopping = asyncio.ensure_future(self.of.stop())
            await asyncio.sleep(1)
        polled = self.polls.pop(0)
        self.owned -= self.lost_with_a_poll
        self.positions |= {tp: records[-1].offset + 1 for tp, records in polled.items()}
        return polled

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.told |= offsets

    def rewind(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.rewound.append(dict(offsets))
        self.positions |= offsets

    def pause(self, partitions: Collection[TopicPartition]) -> None: ...

    def resume(self, partitions: Collection[TopicPartition]) -> None: ...

    async def progress(self) -> dict[TopicPartition, Progress]:
        return {tp: Progress(position, position) for tp, position in self.positions.items()}

    async def lag(self) -> dict[TopicPartition, int]:
        return dict.fromkeys(self.positions, 0)

    async def stop(self) -> None: ...


class Folds:
    """Writes down each batch; raises what is set for a partition, so many `times`."""

    def __init__(self, **raising: Exception) -> None:
        self.batches: list[list[TopicPartition]] = []
        self.times = 1_000
        self.raising = {int(name.removeprefix("p")): error for name, error in raising.items()}

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        self.batches.append([(one.topic, one.partition) for one in records])
        for one in records:
            if one.partition in self.raising and self.times:
                self.times -= 1
                raise self.raising[one.partition]


class Watched(Feeds):
    """Feeds that write down which beats they were told of."""

    def __init__(self) -> None:
        super().__init__((TOPIC,))
        self.heard: list[set[TopicPartition]] = []

    def look(self, now: float, progress: Mapping[TopicPartition, Progress], beats: Collection[TopicPartition]) -> None:
        self.heard.append(set(beats))


def fact(tp: TopicPartition, offset: int, key: bytes = b"acme:a") -> Record:
    return Record(tp[0], tp[1], offset, key, b"", ())


async def consumed(client: Scripted, folder: Folds, feeds: Feeds | None = None) -> None:
    bus: Any = client  # A bus, as far as its consumer knows it.
    client.of = LaneConsumer("g", (TOPIC,), bus, folder, feeds=feeds)
    async with asyncio.timeout(5):
        await client.of.run()


async def test_what_was_polled_of_a_partition_that_is_lost_by_then_is_neither_folded_nor_told() -> None:
    client, folder = Scripted({A: [fact(A, 0)], B: [fact(B, 0)]}), Folds()
    client.lost_with_a_poll = {B}
    await consumed(client, folder)
    assert (folder.batches, client.told) == ([[A]], {A: 1})


async def test_lanes_are_folded_together_and_both_are_told() -> None:
    client, folder = Scripted({A: [fact(A, 0)], B: [fact(B, 0), fact(B, 1)]}), Folds()
    await consumed(client, folder)
    assert (folder.batches, client.told) == ([[A, B, B]], {A: 1, B: 2})


async def test_lanes_are_folded_together_and_one_by_one_when_trouble_passes_by_itself() -> None:
    client, folder = Scripted({A: [fact(A, 0)], B: [fact(B, 0)]}), Folds(p1=ConnectionResetError())
    await consumed(client, folder)
    assert folder.batches == [[A, B], [A], [B]]
    assert (client.told, client.rewound) == ({A: 1}, [{B: 0}])


async def test_while_a_lane_is_in_trouble_none_is_folded_with_it() -> None:
    both: Polled = {A: [fact(A, 0)], B: [fact(B, 0)]}
    client, folder = Scripted(both, both), Folds(p1=ConnectionResetError())
    await consumed(client, folder)
    assert folder.batches == [[A, B], [A], [B], [A], [B]]


async def test_a_lane_whose_trouble_has_passed_is_folded_with_the_others_again() -> None:
    both: Polled = {A: [fact(A, 0)], B: [fact(B, 0)]}
    client, folder = Scripted(both, {B: [fact(B, 0)]}, both), Folds(p1=ConnectionResetError())
    folder.times = 2
    await consumed(client, folder)
    assert folder.batches == [[A, B], [A], [B], [B], [A, B]]


async def test_what_was_folded_or_put_back_is_not_in_hand_any_more() -> None:
    client = Scripted({A: [fact(A, 0)], B: [fact(B, 0)]}, {A: [fact(A, 1)]})
    await consumed(client, Folds(p1=ConnectionResetError()))
    assert client.of is not None
    assert await client.of.lag() == 0


async def test_what_does_not_pass_by_itself_is_raised_at_once_and_nothing_is_told() -> None:
    client, folder = Scripted({A: [fact(A, 0)], B: [fact(B, 0)]}), Folds(p0=RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        await consumed(client, folder)
    assert (folder.batches, client.told) == ([[A, B]], {})


async def test_a_single_lane_that_the_bus_fails_is_put_back() -> None:
    client, folder = Scripted({A: [fact(A, 3), fact(A, 4)]}), Folds(p0=BusError("nobody"))
    await consumed(client, folder)
    assert (client.rewound, client.told) == ([{A: 3}], {})


async def test_beats_are_folded_nowhere_and_told() -> None:
    client, folder = Scripted({A: [fact(A, 0, BEAT_KEY)], B: [fact(B, 0), fact(B, 1, BEAT_KEY)]}), Folds()
    feeds = Watched()
    await consumed(client, folder, feeds)
    assert (folder.batches, client.told) == ([[B]], {A: 1, B: 2})
    assert set().union(*feeds.heard) == {A, B}


async def test_a_beat_behind_a_batch_that_was_put_back_is_not_heard_yet() -> None:
    client, folder = Scripted({A: [fact(A, 0), fact(A, 1, BEAT_KEY)], B: [fact(B, 0, BEAT_KEY)]}), Folds(p0=ConnectionResetError())
    feeds = Watched()
    await consumed(client, folder, feeds)
    assert set().union(*feeds.heard) == {B}
