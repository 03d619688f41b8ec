"""What every bus does, in memory and on Kafka alike: acknowledged, in order, redelivered until committed, handed over without loss."""

import asyncio
from collections.abc import Sequence

import asyncpg
import msgspec
import pytest

from paycue.bus.bus import BusError
from paycue.bus.envelope import Record
from paycue.bus.feeds import BEAT_KEY
from paycue.bus.poison import TooMuchPoison
from tests.integration.bus.ground import OTHER, PARTITIONS, TOPIC, Ground, Recorder, numbers, read, records, until

# Of the Java client's own tests (UtilsTest.testMurmur2).
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


async def test_a_record_arrives_as_it_was_published(ground: Ground) -> None:
    bus = await ground.bus()
    member = await ground.member(bus)
    (sent,) = records(1, partition=1)
    await bus.publish([sent])
    (got,) = await read(member, 1)
    assert got == Record(TOPIC, 1, 0, sent.key, sent.value, sent.headers)


async def test_records_of_a_partition_come_in_order_whatever_else_is_published(ground: Ground) -> None:
    bus = await ground.bus()
    member = await ground.member(bus)
    mixed = [one for pair in zip(records(150, 0), records(150, 1), strict=True) for one in pair]
    await bus.publish(mixed[:100])
    await bus.publish(mixed[100:])
    found = await read(member, 300)
    for partition in (0, 1):
        mine = [record for record in found if record.partition == partition]
        assert [record.value for record in mine] == numbers(150)
        assert [record.offset for record in mine] == list(range(150))


async def test_keys_go_to_the_partition_that_javas_client_chooses(ground: Ground) -> None:
    bus = await ground.bus()
    assert {key: bus.partition(TOPIC, key) for key in JAVA} == {key: (hashed & 0x7FFFFFFF) % 2 for key, hashed in JAVA.items()}


async def test_what_was_committed_does_not_come_again_and_the_rest_does(ground: Ground) -> None:
    bus = await ground.bus()
    await bus.publish(records(10))
    first = await ground.member(bus)
    await read(first, 10)
    await first.commit({(TOPIC, 0): 6})
    await first.stop()
    again = await read(await ground.member(await ground.bus()), 4)
    assert [record.offset for record in again] == [6, 7, 8, 9]


async def test_without_a_commit_everything_comes_again(ground: Ground) -> None:
    bus = await ground.bus()
    await bus.publish(records(5))
    first = await ground.member(bus)
    await read(first, 5)
    await first.stop()
    assert [record.value for record in await read(await ground.member(bus), 5)] == numbers(5)


async def test_groups_do_not_know_each_other(ground: Ground) -> None:
    bus = await ground.bus()
    await bus.publish(records(3))
    one, two = await ground.member(bus, "one"), await ground.member(bus, "two")
    assert (len(await read(one, 3)), len(await read(two, 3))) == (3, 3)


async def test_rewound_records_come_again_from_there(ground: Ground) -> None:
    bus = await ground.bus()
    await bus.publish(records(5))
    member = await ground.member(bus)
    await read(member, 5)
    member.rewind({(TOPIC, 0): 2, (OTHER, 0): 0})
    assert [record.offset for record in await read(member, 3)] == [2, 3, 4]


async def test_a_paused_partition_waits_while_others_go_on(ground: Ground) -> None:
    bus = await ground.bus()
    member = await ground.member(bus)
    await bus.publish(records(1, 0) + records(1, 1))
    await read(member, 2)
    member.pause({(TOPIC, 0)})
    await bus.publish(records(2, 0, first=1) + records(2, 1, first=1))
    assert {record.partition for record in await read(member, 2)} == {1}
    member.resume({(TOPIC, 0)})
    assert [record.value for record in await read(member, 2)] == numbers(2, first=1)


async def test_what_is_acknowledged_and_folded_is_reported_to_the_flow(ground: Ground) -> None:
    bus = await ground.bus()
    ground.flow.subscribe("g", (TOPIC,))
    await bus.publish(records(3, 0) + records(2, 1))
    assert ground.flow.acked == {(TOPIC, 0): 3, (TOPIC, 1): 2}
    assert len(ground.flow.outstanding()) == 2
    await ground.lanes(bus, Recorder())
    await until(lambda: ground.flow.outstanding() == [])


async def test_a_commit_of_what_is_not_ours_is_left_out_silently(ground: Ground) -> None:
    bus = await ground.bus()
    member = await ground.member(bus)
    await bus.publish(records(1))
    await read(member, 1)
    await member.commit({(OTHER, 0): 99, (TOPIC, 0): 1})
    await member.stop()
    await bus.publish(records(1, first=1))
    assert [record.value for record in await read(await ground.member(bus), 1)] == numbers(1, first=1)


async def test_lag_is_what_was_not_polled_and_not_what_was_never_committed(ground: Ground) -> None:
    bus = await ground.bus()
    await bus.publish(records(4))
    member = await ground.member(bus)
    await read(member, 4)
    assert sum((await member.lag()).values()) == 0
    member.rewind({(TOPIC, 0): 1})
    assert (await member.lag())[TOPIC, 0] == 3


async def test_a_second_member_takes_over_without_loss_and_waits_for_the_batch_in_flight(ground: Ground) -> None:
    bus = await ground.bus()
    folding, go_on = asyncio.Event(), asyncio.Event()

    def hold(polled: Sequence[Record]) -> "asyncio.Future[None]":
        folding.set()
        return asyncio.ensure_future(_ended(go_on))

    first, second = Recorder(hold), Recorder()
    await bus.publish(records(20, 0) + records(20, 1))
    one, _ = await ground.lanes(bus, first)
    await folding.wait()
    joining = asyncio.ensure_future(ground.lanes(await ground.bus(), second))
    await asyncio.sleep(0.5)
    early = list(second.folded)
    go_on.set()
    assert early == []
    two, _ = await joining
    await until(lambda: len(one.assigned()) == len(two.assigned()) == 1)
    await bus.publish(records(20, 0, first=20) + records(20, 1, first=20))
    await until(lambda: len(first.folded) + len(second.folded) >= 80)
    for partition in (0, 1):
        assert first.values(partition) + second.values(partition) == numbers(40)
    await until(lambda: ground.flow.outstanding() == [])


async def _ended(event: asyncio.Event) -> None:
    await event.wait()


async def test_what_a_member_leaves_behind_goes_to_the_other(ground: Ground) -> None:
    bus = await ground.bus()
    first, second = Recorder(), Recorder()
    one, task = await ground.lanes(bus, first)
    two, _ = await ground.lanes(await ground.bus(), second)
    await until(lambda: len(one.assigned()) == len(two.assigned()) == 1)
    await one.stop()
    await task
    await until(lambda: len(two.assigned()) == 2)
    await bus.publish(records(5, 0) + records(5, 1))
    await until(lambda: len(second.folded) == 10)
    assert first.folded == []


async def test_a_lane_in_trouble_is_folded_again_in_order_and_the_other_lanes_go_on(ground: Ground) -> None:
    bus = await ground.bus()
    troubles = [asyncpg.DeadlockDetectedError("deadlock"), BusError("no answer"), ConnectionResetError()]

    def trouble(polled: Sequence[Record]) -> None:
        if polled[0].partition == 0 and troubles:
            raise troubles.pop()

    folder = Recorder(trouble)
    consumer, _ = await ground.lanes(bus, folder)
    await bus.publish(records(3, 0) + records(3, 1))
    await until(lambda: len(folder.folded) == 6)
    assert folder.values(0) == folder.values(1) == numbers(3)
    await until(lambda: ground.flow.outstanding() == [])
    assert (folder.folded[0].partition, consumer.ready) == (1, True)


async def test_a_lane_that_keeps_failing_makes_the_consumer_unready(ground: Ground) -> None:
    bus = await ground.bus()

    def trouble(polled: Sequence[Record]) -> None:
        raise ConnectionResetError

    consumer, _ = await ground.lanes(bus, Recorder(trouble))
    await bus.publish(records(1))
    await until(lambda: not consumer.ready)
    assert await consumer.lag() == 1


async def test_what_is_no_passing_trouble_ends_the_consumer_after_the_other_lanes_have_ended(ground: Ground) -> None:
    bus = await ground.bus()
    slow = asyncio.Event()

    def poison(polled: Sequence[Record]) -> "asyncio.Future[None] | None":
        if polled[0].partition == 0:
            asyncio.get_running_loop().call_later(0.1, slow.set)
            raise TooMuchPoison("too much")
        return asyncio.ensure_future(_ended(slow))

    folder = Recorder(poison)
    await bus.publish(records(1, 0) + records(1, 1))
    _, task = await ground.lanes(bus, folder)
    with pytest.raises(TooMuchPoison):
        await task
    assert folder.values(0) == []
    assert folder.values(1) in (numbers(1), [])


async def test_nothing_is_committed_before_it_is_folded(ground: Ground) -> None:
    bus = await ground.bus()
    folding, go_on = asyncio.Event(), asyncio.Event()

    def hold(polled: Sequence[Record]) -> "asyncio.Future[None]":
        folding.set()
        return asyncio.ensure_future(_ended(go_on))

    await bus.publish(records(3))
    _, task = await ground.lanes(bus, Recorder(hold))
    await folding.wait()
    await asyncio.sleep(0.2)
    task.cancel()  # It dies with the batch in hand, and whoever comes next gets all of it.
    await asyncio.gather(task, return_exceptions=True)
    go_on.set()
    assert ground.flow.folded == {}
    assert [record.value for record in await read(await ground.member(bus), 3)] == numbers(3)


async def test_stopping_waits_for_the_batch_in_flight_and_commits_it(ground: Ground) -> None:
    bus = await ground.bus()
    folding, go_on = asyncio.Event(), asyncio.Event()

    def hold(polled: Sequence[Record]) -> "asyncio.Future[None]":
        folding.set()
        return asyncio.ensure_future(_ended(go_on))

    consumer, task = await ground.lanes(bus, Recorder(hold))
    await bus.publish(records(3))
    await folding.wait()
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    go_on.set()
    await stopping
    await task
    assert ground.flow.outstanding() == []
    await bus.publish(records(1, first=3))
    assert [record.value for record in await read(await ground.member(bus), 1)] == numbers(1, first=3)


async def test_stopping_without_work_is_quick(ground: Ground) -> None:
    consumer, task = await ground.lanes(await ground.bus(), Recorder())
    await asyncio.sleep(0.05)
    await consumer.stop()
    async with asyncio.timeout(3):
        await task


async def test_a_member_knows_how_far_it_has_read_and_the_end_only_when_a_fetch_has_told_it(ground: Ground) -> None:
    bus = await ground.bus()
    member = await ground.member(bus)
    await bus.publish(records(3))
    await read(member, 3)
    ends: dict[int, int] = {}
    async with asyncio.timeout(10):
        while len(ends) < PARTITIONS:
            await member.poll(10)
            seen = await member.progress()
            ends |= {tp[1]: each.end for tp, each in seen.items() if each.end is not None}
    assert (seen[TOPIC, 0].position, ends[0]) == (3, 3)
    assert (seen[TOPIC, 1].position, ends[1]) == (0, 0)


async def test_a_consumer_is_busy_while_it_has_something_to_fold_and_beats_are_nothing(ground: Ground) -> None:
    bus, folder = await ground.bus(), Recorder()
    consumer, _ = await ground.lanes(bus, folder, (OTHER,))
    await bus.publish([msgspec.structs.replace(one, key=BEAT_KEY) for one in records(2, topic=OTHER)])
    await asyncio.sleep(0.3)
    assert (consumer.busy, folder.folded) == (False, [])
    await bus.publish(records(1, topic=OTHER, first=2))
    await until(lambda: len(folder.folded) == 1)
    assert consumer.busy


async def test_the_first_batch_after_a_rest_is_small_and_later_ones_grow(ground: Ground) -> None:
    bus, folder = await ground.bus(), Recorder()
    await bus.publish(records(1500))
    await ground.lanes(bus, folder)
    await until(lambda: len(folder.folded) == 1500)
    before = len(folder.sizes)
    await asyncio.sleep(0.5)
    await bus.publish(records(1500, first=1500))
    await until(lambda: len(folder.folded) == 3000)
    for sizes in (folder.sizes[:before], folder.sizes[before:]):
        assert sizes[0] <= 250 < max(sizes)
