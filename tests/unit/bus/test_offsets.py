"""What Kafka is told of what a group has folded, and how often."""

import asyncio
from collections.abc import Mapping

from paycue.bus.bus import BusError
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.offsets import Offsets

ONE, TWO = ("t", 0), ("t", 1)


class Broker:
    """What it was told; it refuses as often as it is asked to."""

    def __init__(self, refusing: int = 0) -> None:
        self.told: list[dict[TopicPartition, int]] = []
        self.refusing = refusing

    async def commit(self, ends: Mapping[TopicPartition, int]) -> None:
        await asyncio.sleep(0)
        if self.refusing:
            self.refusing -= 1
            raise BusError("nobody there")
        self.told.append(dict(ends))


def offsets_of(broker: Broker, flow: Flow | None = None) -> Offsets:
    return Offsets("g", broker.commit, flow or Flow())


async def test_the_first_is_told_at_once_and_of_what_follows_the_last_once() -> None:
    broker = Broker()
    offsets = offsets_of(broker)
    for end in range(1, 6):
        offsets.tell({ONE: end})
        await asyncio.sleep(0.005)
    assert broker.told == [{ONE: 1}]
    await offsets.told()
    assert broker.told == [{ONE: 1}, {ONE: 5}]
    offsets.tell({ONE: 6})
    await asyncio.sleep(0.005)
    offsets.tell({ONE: 7})
    await asyncio.sleep(0.005)
    assert broker.told[2:] == [{ONE: 6}]


async def test_what_follows_is_told_by_itself_a_moment_later() -> None:
    broker = Broker()
    offsets = offsets_of(broker)
    offsets.tell({ONE: 1})
    await asyncio.sleep(0.005)
    offsets.tell({TWO: 7})
    await asyncio.sleep(0.2)
    assert broker.told == [{ONE: 1}, {TWO: 7}]
    offsets.tell({ONE: 2})
    await asyncio.sleep(0.005)
    assert broker.told[2:] == [{ONE: 2}]


async def test_what_was_refused_is_told_again_and_never_instead_of_what_is_later() -> None:
    broker = Broker(refusing=1)
    offsets = offsets_of(broker)
    offsets.tell({ONE: 1, TWO: 4})
    await asyncio.sleep(0)
    offsets.tell({ONE: 2})  # While the first is being told.
    await asyncio.sleep(0.6)
    assert broker.told == [{ONE: 2, TWO: 4}]


async def test_once_it_stops_what_is_refused_is_not_told_again() -> None:
    broker = Broker(refusing=1)
    offsets = offsets_of(broker)
    offsets.stopping = True
    offsets.tell({ONE: 1})
    async with asyncio.timeout(0.3):
        await offsets.told()
    assert broker.told == []


async def test_what_is_folded_counts_as_such_before_anybody_is_told() -> None:
    flow = Flow()
    flow.subscribe("g", ("t",))
    flow.ack("t", 0, 3)
    offsets = offsets_of(Broker(refusing=9), flow)
    offsets.stopping = True
    offsets.tell({ONE: 3})
    assert flow.outstanding() == []
    await offsets.told()
