"""A running service: what it caused comes to rest, too much poison stops one part of it and says so, and stopping keeps its order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paycue import runtime as runtime_module
from paycue.app import Service
from paycue.bus.directory import entry_key
from paycue.bus.envelope import Outgoing, Record, outgoing
from paycue.events.v1.account_pb2 import AccountState
from paycue.events.v1.directory_pb2 import CreditorRegistered
from paycue.events.v1.invoice_pb2 import InvoiceIssued
from paycue.runtime import Runtime
from paycue.settings import KernelSettings
from paycue.world import World
from tests.integration.bus.ground import until
from tests.integration.bus.till import HANDLERS, START, STORE, Till
from tests.integration.world import KERNEL


async def fire_due(runtime: Runtime) -> int:
    return await runtime.folder.fold_due(100)


class Calls:
    """Takes calls, and writes down when."""

    def __init__(self, runtime: Runtime) -> None:
        self.log: list[str] = []

    async def start(self) -> None:
        self.log.append("start")

    def take(self, wanted: int) -> int:
        return 0

    def give_back(self, taken: int) -> None:
        """Nothing was taken."""

    def submit(self, calls: Sequence[Any], began: float) -> None:
        self.log += [call.number for call in calls]

    async def stop(self) -> None:
        self.log.append("stop")


SERVICE = Service(
    name="till",
    about="",
    settings=KernelSettings,
    store=STORE,
    handlers=HANDLERS,
    consumers={"till": (InvoiceIssued,), "till.states": (AccountState,)},
    routers=(),
    migrations=Path(),
    loops=(fire_due,),
    timers="till",
    outbound=Calls,
)


def settings(url: str) -> KernelSettings:
    told: dict[str, Any] = {**KERNEL, "database_url": url}
    return KernelSettings(**told)


@asynccontextmanager
async def at_work(till: Till) -> AsyncIterator[Runtime]:
    runtime = Runtime(SERVICE, settings(till.url), World(till.bus, till.clock, till.flow))
    try:
        await runtime.start()
        yield runtime
    finally:
        await runtime.stop()


async def publish(till: Till, *records: Record) -> None:
    await till.bus.publish([Outgoing(r.topic, 0, r.key or b"", r.value or b"", r.headers) for r in records])


async def test_what_a_record_causes_is_folded_sent_and_heard_again(till: Till) -> None:
    async with at_work(till) as runtime:
        await publish(till, till.record("1"), till.record("timer 2"))
        await until(lambda: not till.flow.outstanding())
        assert await till.numbers() == ("1", "timer 2")
        assert len(till.bus.logs["accounts.state.v1", 0]) == 2
        assert (await runtime.unready(), await runtime.measure()) == (None, 0)
        till.clock.set(START + timedelta(days=1))
        async with runtime.database.connection() as connection:
            await until_async(lambda: STORE.next_due(connection), None)
        assert (await till.numbers())[-1] == "fired"


async def until_async(asked: Any, wanted: object) -> None:
    for _ in range(1000):
        if await asked() == wanted:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it never came, but {await asked()}")


async def test_too_much_poison_stops_that_consumer_alone_and_readiness_says_so(till: Till) -> None:
    async with at_work(till) as runtime:
        await publish(till, *(till.record("poison 1", f"a{number}") for number in range(60)))
        await until(lambda: bool(runtime._poisoned))
        assert await runtime.unready() == "till stopped: too many dead letters; run `paycue dead-letters list`"
        assert not runtime.fatal.done()
        assert await till.ring("still there") == [1]


async def test_timers_that_are_too_much_poison_stop_their_loop_and_readiness_says_so(till: Till) -> None:
    async with at_work(till) as runtime:
        await publish(till, *(till.record("poisoned-timer 1", f"a{number}") for number in range(60)))
        await until(lambda: not till.flow.outstanding())
        till.clock.set(START + timedelta(days=1))
        await until(lambda: bool(runtime._poisoned))
        assert "fire_due stopped" in (await runtime.unready() or "")
        await publish(till, till.record("1", "b"))
        await until(lambda: not till.flow.outstanding())
        assert await till.numbers("b") == ("1",)


async def test_no_call_is_handed_over_after_calls_were_told_to_stop(till: Till) -> None:
    async with at_work(till) as runtime:
        calls = runtime.outbound
        assert isinstance(calls, Calls)
        await publish(till, *(till.record(str(number)) for number in range(500)))
        await until(lambda: len(calls.log) > 1)
    assert (calls.log[0], calls.log[-1], calls.log.count("stop")) == ("start", "stop", 1)
    assert calls.log[1:-1] == list(await till.numbers())


class LateCalls(Calls):
    """One call is in hand when they are told to stop: what it tells has to go out."""

    record: Record
    till: Till

    async def stop(self) -> None:
        await self.till.fold(self.record)
        await until(lambda: len(self.till.bus.logs["accounts.state.v1", 0]) == 1)
        await super().stop()


async def test_what_the_calls_in_hand_tell_while_they_end_is_sent_before_all_is_over(till: Till) -> None:
    runtime = Runtime(msgspec.structs.replace(SERVICE, outbound=LateCalls), settings(till.url), World(till.bus, till.clock, till.flow))
    calls = runtime.outbound
    assert isinstance(calls, LateCalls)
    calls.till, calls.record = till, till.record("1")
    await runtime.start()
    await runtime.stop()
    assert calls.log == ["start", "stop"]


async def test_a_creditor_that_changes_has_its_accounts_asked_again_and_nobody_elses(till: Till) -> None:
    async with at_work(till):
        await publish(till, till.record("1"), till.record("1", tenant="beta"))
        await until(lambda: not till.flow.outstanding())
        for name, fired in (("Acme", 1), ("Acme & Sons", 2)):
            event = CreditorRegistered(tenant_id="acme", name=name, zone="UTC")
            told = outgoing(event, event_id=name, source="urn:test", at=START, partition=0, key=entry_key(event))
            await till.bus.publish([told])
            await until_async(till.numbers, ("1", *["fired"] * fired))
        assert await till.numbers(tenant="beta") == ("1",)


async def test_old_ids_answers_and_receipts_are_forgotten_while_it_runs(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "_HOUSEKEEPING_SECONDS", 0.05)
    await till.fold(till.record("1"))
    await till.rows("update till.inbox set received_on = current_date - 91 returning id")
    await till.rows("insert into till.directory values ('creditor:acme', '') returning id")
    await till.rows(
        "insert into till.idempotency values ('acme', 'old', '', 200, '', $1), ('acme', 'new', '', 200, '', $2) returning key",
        *(START - timedelta(days=31), START),
    )
    await till.rows(
        """insert into till.stop_receipt select 'acme', 'a', stop, 'pause', '', '[]', at, at, '[]', at
            from unnest($1::text[], $2::timestamptz[]) u(stop, at) returning stop_id""",
        *(["old", "new"], [START - timedelta(days=31), START]),
    )
    async with at_work(till):
        old = "select count(*) from till.inbox where received_on < current_date"
        await until_async(lambda: till.rows(old), [(0,)])
        await until_async(lambda: till.rows("select key from till.idempotency"), [("new",)])
        await until_async(lambda: till.rows("select stop_id from till.stop_receipt"), [("new",)])


async def test_a_database_without_the_services_schema_is_told_to_be_migrated(till: Till) -> None:
    await till.rows("select 1")
    runtime = Runtime(SERVICE, settings(till.server), World(till.bus, till.clock, till.flow))
    try:
        with pytest.raises(RuntimeError, match="run `paycue migrate` first"):
            await runtime.start()
    finally:
        await runtime.stop()
