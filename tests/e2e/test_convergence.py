"""Topics read again from their start, records twice, facts out of order: the same end state, and no second message."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from google.protobuf.message import Message

from paycue.bus.topics import topics
from tests.e2e.day import today
from tests.e2e.estate import Estate
from tests.e2e.world import World, creditor, groups

POLICY = """
policy: plain
version: 1
steps:
  - {when: due, stage: friendly, channels: [email]}
  - {when: due + 7d, stage: firm, channels: [email]}
"""


async def test_topics_read_again_from_their_start_send_nothing_again(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    await world.publish(*_story(world))
    await world.settle()
    before, mails = await _end_state(world), estate.inbox.count

    await estate.stop()
    await _rewind(estate)
    await estate.start()
    await world.settle(90)

    assert estate.inbox.count == mails
    assert await _end_state(world) == before


async def test_the_same_facts_under_new_event_ids_change_nothing(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    await world.publish(*_story(world))
    await world.settle()
    before, mails = await _end_state(world), estate.inbox.count

    await world.publish(*_story(world))
    await world.settle()

    assert estate.inbox.count == mails
    assert await _end_state(world) == before


async def test_the_same_records_again_change_nothing(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    records = await world.publish(*_story(world))
    await world.settle()
    before, mails = await _end_state(world), estate.inbox.count

    await world.bus.publish(records)
    await world.settle()

    assert estate.inbox.count == mails
    assert await _end_state(world) == before


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_facts_out_of_order_come_to_the_same_end(estate: Estate, world: World, seed: int) -> None:
    await world.publish(*_story(world))
    await world.settle()
    async with creditor(estate) as other:
        shuffled = list(_story(other))
        random.Random(seed).shuffle(shuffled)
        for event in shuffled:
            await other.publish(event)
            await asyncio.sleep(0.01)
        await other.settle()

        assert _without(await _end_state(other), other) == _without(await _end_state(world), world)


async def test_a_payment_before_its_invoice_waits_for_it_and_silences_it(world: World) -> None:
    await world.policy(POLICY)
    await world.publish(world.account("a1"), world.payment("a1", "p1", "R-1"))
    await world.settle()
    early = await world.get("payments", "/accounts/a1/balance")

    await world.publish(world.invoice("a1", "R-1", due=today(1)))
    await world.settle()

    decided = (await world.get("scheduler", "/accounts/a1/why?invoice=R-1"))["decided"]
    assert [balance["reserved"] for balance in early["balances"]] == ["100.00"]
    assert (await world.every("payments", "/invoices"))[0]["status"] == "settled"
    assert {step["reason"] for step in decided} == {"settled"}
    assert world.mails("a1") == []


def _story(world: World) -> Sequence[Message]:
    """Four accounts: one owes, one paid, one disputes, one paid in part and more than it owed on another invoice."""
    return (
        *(world.account(account) for account in ("owes", "paid", "disputes", "both")),
        world.invoice("owes", "R-1"),
        world.invoice("owes", "R-2", due=today(-7)),
        world.invoice("paid", "R-3"),
        world.payment("paid", "p3", "R-3"),
        world.invoice("disputes", "R-4"),
        world.invoice("disputes", "R-5"),
        world.dispute("disputes", "d4", "R-4"),
        world.invoice("both", "R-6"),
        world.invoice("both", "R-7"),
        world.payment("both", "p6", "R-6", minor=4_000),
        world.payment("both", "p7", "R-7", minor=11_000),
    )


async def _end_state(world: World) -> dict[str, Any]:
    """What the APIs say in the end, without when and in which order it came to be."""
    lists = {
        "invoices": await world.every("payments", "/invoices"),
        "payments": await world.every("payments", "/payments"),
        "disputes": await world.every("disputes", "/disputes"),
        "accounts": await world.every("scheduler", "/accounts"),
        "messages": await world.every("notifier", "/messages"),
    }
    return {name: sorted((_timeless(item) for item in items), key=str) for name, items in lists.items()}


_PASSING = ("opened_at", "updated_at", "version", "next_action_at", "invoice_status_when_opened", "message_id")


def _timeless(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in _PASSING}


def _without(state: dict[str, Any], world: World) -> str:
    """The state without its creditor's name."""
    return str(state).replace(world.tenant, "creditor")


async def _rewind(estate: Estate) -> None:
    """Set every group back to the start of its topics, as an operator does while the services are down."""
    for group, names in groups():
        reader = AIOKafkaConsumer(bootstrap_servers=estate.stack.kafka, group_id=group, enable_auto_commit=False)
        await reader.start()
        try:
            places = [TopicPartition(name, number) for name in names for number in range(topics()[name].partitions)]
            reader.assign(places)
            await reader.commit(dict.fromkeys(places, 0))
        finally:
            await reader.stop()
