"""The outbox and its relay: what was decided is sent, at least once, in the order of its account, by one process at a time."""

import asyncio
from collections.abc import Sequence

import pytest

from paycue.bus.bus import BusError
from paycue.bus.envelope import Outgoing, Pending, Record, decode
from paycue.bus.feeds import BEAT_KEY, BEAT_SECONDS
from paycue.bus.flow import Flow
from paycue.bus.intake import event_input
from paycue.bus.memory import MemoryBus
from paycue.bus.outbox import Relay
from tests.integration.bus.ground import until
from tests.integration.bus.till import START, Till, execute

SENT = ("accounts.state.v1", 0)


def sent(till: Till) -> list[Record]:
    return till.bus.logs[SENT]


async def drain(till: Till, relay: Relay) -> int:
    async with till.store.leading() as outbox:
        assert outbox is not None
        return (await relay.drain(outbox)).count


async def test_what_was_decided_is_sent_and_gone(till: Till) -> None:
    await till.fold(till.record("1"), till.record("1", "b"))
    assert await drain(till, till.relay()) == 2
    assert await drain(till, till.relay()) == 0
    assert [record.key for record in sent(till)] == [b"acme:a", b"acme:b"]
    assert dict(sent(till)[0].headers)["ce_source"] == b"urn:paycue:till"
    assert till.flow.open["outbox rows of till"] == 0


async def test_a_row_that_commits_late_is_not_lost(till: Till) -> None:
    async with till.folder.transaction(["acme"]) as early:
        await early.fold([event_input(decode(till.record("1")))])
        await till.fold(till.record("1", "b"))
        assert await drain(till, till.relay()) == 1
    assert await drain(till, till.relay()) == 1
    assert [record.key for record in sent(till)] == [b"acme:b", b"acme:a"]


async def test_one_relay_works_at_a_time_and_the_next_takes_over(till: Till) -> None:
    relays = [till.relay(), till.relay()]
    tasks = [asyncio.ensure_future(relay.run()) for relay in relays]
    here = "database = (select oid from pg_database where datname = current_database())"
    locks = f"select count(*) from pg_locks where locktype = 'advisory' and granted and {here}"
    async with asyncio.timeout(10):
        while await till.rows(locks) != [(1,)]:
            await asyncio.sleep(0.01)
    await till.fold(*(till.record(str(number)) for number in range(5)))
    for relay in relays:
        relay.nudge([])
    await until(lambda: len(sent(till)) == 5)
    relays[0].stop()
    await tasks[0]
    await till.fold(till.record("5"))
    relays[1].nudge([])
    await until(lambda: len(sent(till)) == 6)
    relays[1].stop()
    await tasks[1]
    assert await till.rows(locks) == [(0,)]


class Deadly(MemoryBus):
    """Takes the records, and the relay's connection with them."""

    def __init__(self, till: Till) -> None:
        super().__init__(till.flow, 1)
        self.logs, self._till = till.bus.logs, till

    async def publish(self, records: Sequence[Outgoing]) -> None:
        await super().publish(records)
        await execute(self._till.url, "select pg_terminate_backend(pid, 1000) from pg_stat_activity where application_name = 'till'")


async def test_a_relay_that_dies_before_it_deletes_sends_the_same_ids_again_and_inboxes_see_it(till: Till) -> None:
    await till.fold(till.record("1"), till.record("2"))
    with pytest.raises(Exception, match=r"closed|terminat|reset|released"):
        await drain(till, Relay("till", till.store, Deadly(till), till.clock, till.flow))
    assert await drain(till, till.relay()) == 2
    ids = [dict(record.headers)["ce_id"] for record in sent(till)]
    assert (len(ids), ids[:2]) == (4, ids[2:])
    await till.fold(*sent(till))
    assert b"".join(row[0] for row in await till.rows("select doc from till.account")).endswith(b"\x02\xaenext_action_at\xc0")


async def test_rows_of_a_former_run_take_nothing_from_what_is_on_its_way_now(till: Till) -> None:
    await till.fold(till.record("1"), till.record("2"))
    till.flow.open.clear()
    await drain(till, till.relay())
    await till.fold(till.record("3"))
    assert till.flow.outstanding() == ["1 outbox rows of till"]


class Silent(MemoryBus):
    """Takes nothing."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        raise BusError("no answer")


async def test_what_the_bus_did_not_take_stays_in_the_outbox(till: Till) -> None:
    await till.fold(till.record("1"), till.record("2"))
    with pytest.raises(BusError):
        await drain(till, Relay("till", till.store, Silent(till.flow, 1), till.clock, till.flow))
    assert len(await till.waiting()) == 2
    assert await drain(till, till.relay()) == 2


async def test_stop_feeds_overtake_whatever_waits(till: Till) -> None:
    async with till.store.transaction(["acme"]) as unit:
        await unit.save({}, [], [Pending("reminders.due.v1", 0, b"acme:a", "some.Type", str(n), START, None, b"") for n in range(3)])
    await till.fold(till.record("1"))
    async with till.store.leading() as outbox:
        assert outbox is not None
        order = [row.topic for _, row in await outbox.waiting(2)]
    assert order[:2] == ["accounts.state.v1", "reminders.due.v1"]


async def reminders(till: Till, *numbers: int) -> list[Pending]:
    """Decide events that no stop waits for."""
    events = [Pending("reminders.due.v1", 0, b"acme:a", "some.Type", str(n), START, None, b"") for n in numbers]
    async with till.store.transaction(["acme"]) as unit:
        await unit.save({}, [], events)
    return events


class Counting(MemoryBus):
    """How many records it was given at once, each time."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow, 1)
        self.given: list[int] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        self.given.append(len(records))
        await super().publish(records)


@pytest.mark.parametrize(("pace", "given"), [(0.5, [1, 2]), (0.0, [1, 1, 1])])
async def test_what_no_stop_waits_for_is_gathered_while_it_comes(till: Till, pace: float, given: list[int]) -> None:
    bus = Counting(till.flow)
    relay = Relay("till", till.store, bus, till.clock, till.flow, pace=pace)
    relaying = asyncio.ensure_future(relay.run())

    async def came(count: int) -> None:
        await until(lambda: sum(bus.given) == count)

    for number in range(3):
        relay.nudge(await reminders(till, number))
        if number == 0 or not pace:
            await came(number + 1)
    await came(3)
    relay.stop()
    await relaying
    assert bus.given == given


async def test_an_event_of_a_stop_feed_waits_for_nothing(till: Till) -> None:
    bus = Counting(till.flow)
    relay = Relay("till", till.store, bus, till.clock, till.flow, pace=60)
    relaying = asyncio.ensure_future(relay.run())
    relay.nudge(await reminders(till, 0))
    await until(lambda: bus.given == [1])
    await till.fold(till.record("1"))
    relay.nudge(till.batches[-1].events)
    await until(lambda: bus.given == [1, 1])
    relay.stop()
    await relaying


async def test_a_beat_stands_behind_everything_that_waited(till: Till) -> None:
    for number in range(5):  # Each in a row of its own.
        await till.fold(till.record(str(number)))
    relay = Relay("scheduler", till.store, till.bus, till.clock, till.flow, lambda: 2)
    relaying = asyncio.ensure_future(relay.run())
    await until(lambda: any(record.key == BEAT_KEY for record in sent(till)))
    relay.stop()
    await relaying
    assert [record.key for record in sent(till)] == [b"acme:a"] * 5 + [BEAT_KEY]


async def test_a_relay_that_was_held_up_while_it_sent_looks_again_before_it_beats(till: Till) -> None:
    class Slow(MemoryBus):
        """Takes more than a second, in which another event is decided."""

        async def publish(self, records: Sequence[Outgoing]) -> None:
            if not sent(till):
                await till.fold(till.record("2"))
                await asyncio.sleep(BEAT_SECONDS + 0.05)
            await till.bus.publish(records)

    await till.fold(till.record("1"))
    relay = Relay("scheduler", till.store, Slow(till.flow, 1), till.clock, till.flow)
    relaying = asyncio.ensure_future(relay.run())
    await until(lambda: any(record.key == BEAT_KEY for record in sent(till)))
    relay.stop()
    await relaying
    assert [record.key for record in sent(till)] == [b"acme:a", b"acme:a", BEAT_KEY]


async def test_trouble_backs_off_and_what_waits_is_sent_afterwards(till: Till) -> None:
    class Refusing(MemoryBus):
        refusals = 1

        async def publish(self, records: Sequence[Outgoing]) -> None:
            if self.refusals:
                self.refusals -= 1
                raise BusError("no answer")
            await till.bus.publish(records)

    await till.fold(till.record("1"))
    relay = Relay("till", till.store, Refusing(till.flow, 1), till.clock, till.flow)
    running = asyncio.ensure_future(relay.run())
    await until(lambda: len(sent(till)) == 1)
    relay.stop()
    await running
    assert await till.rows("select count(*) from till.outbox") == [(0,)]


async def test_what_was_told_last_is_sent_before_the_relay_ends(till: Till) -> None:
    relay = Relay("till", till.store, till.bus, till.clock, till.flow)
    running = asyncio.ensure_future(relay.run())
    await asyncio.sleep(0.2)  # It found nothing and sleeps.
    await till.fold(till.record("1"))
    relay.stop()
    await running
    assert len(sent(till)) == 1
    assert await till.rows("select count(*) from till.outbox") == [(0,)]
