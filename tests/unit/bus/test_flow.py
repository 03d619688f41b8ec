"""What is on its way in this process, and how to wait until it moves."""

import asyncio

from paycue.bus.flow import Flow


def test_what_is_acknowledged_waits_for_every_group_that_reads_it() -> None:
    flow = Flow()
    flow.subscribe("one", ("t",))
    flow.subscribe("two", ("t", "u"))
    flow.ack("t", 0, 5)
    flow.ack("other", 0, 9)
    flow.fold("one", "t", 0, 5)
    assert flow.outstanding() == ["two is at 0 of 5 in t/0"]
    flow.fold("two", "t", 0, 5)
    assert flow.outstanding() == []


def test_an_acknowledgement_that_comes_late_takes_nothing_back() -> None:
    flow = Flow()
    flow.ack("t", 0, 5)
    flow.ack("t", 0, 3)
    assert flow.acked == {("t", 0): 5}


def test_what_is_open_is_named_with_its_count() -> None:
    flow = Flow()
    flow.add("provider calls", 2)
    flow.add("outbox rows", 1)
    flow.add("outbox rows", -1)
    assert flow.outstanding() == ["2 provider calls"]


async def test_waiting_ends_when_something_moves() -> None:
    flow = Flow()
    waiting = asyncio.ensure_future(flow.moved(flow.moves, 5))
    await asyncio.sleep(0)
    flow.stir()
    assert await waiting


async def test_what_moved_before_is_not_waited_for() -> None:
    flow = Flow()
    seen = flow.moves
    flow.stir()
    assert await flow.moved(seen, 0)


async def test_waiting_ends_without_a_move() -> None:
    flow = Flow()
    assert not await flow.moved(flow.moves, 0.01)
