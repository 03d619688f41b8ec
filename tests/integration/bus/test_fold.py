"""The fold on real PostgreSQL: each event once, in order, all of a batch or nothing, and what passes is tried again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from paycue.bus import inbox
from paycue.bus.batch import Input
from paycue.bus.envelope import Record
from paycue.db.engine import is_transient
from paycue.decision import Refused
from paycue.observability import metrics
from tests.integration.bus.till import SCHEMA, START, Ring, Till, execute


async def test_events_fold_in_order_with_their_rows_and_their_events(till: Till) -> None:
    await till.fold(till.record("1"), till.record("1", "b"), till.record("2"))
    assert (await till.numbers("a"), await till.numbers("b")) == (("1", "2"), ("1",))
    assert await till.rows("select account_id, number from till.line order by 1, 2") == [("a", "1"), ("a", "2"), ("b", "1")]
    assert [event.key for event in await till.waiting()] == [b"acme:a", b"acme:b", b"acme:a"]
    assert [batch.calls for batch in till.batches] != [[]]


async def test_an_event_that_comes_again_changes_nothing(till: Till) -> None:
    first, second = till.record("1"), till.record("2")
    await till.fold(first, first, second)
    before = await till.everything()
    await till.fold(first, second)
    await till.fold(till.record("1"))
    assert await till.everything() == before
    assert await till.numbers() == ("1", "2")


async def test_two_processes_that_fold_the_same_batch_fold_it_once(till: Till) -> None:
    batch = [till.record(str(number)) for number in range(50)]
    await asyncio.gather(*(till.another().fold_records("till", batch) for _ in range(3)))
    assert await till.numbers() == tuple(map(str, range(50)))
    assert len(await till.waiting()) == 50


async def test_two_decisions_on_one_account_are_taken_one_after_the_other(till: Till) -> None:
    await till.fold(till.record("1"))
    async with till.folder.transaction(["acme"]) as first:
        await first.fold([Input("acme", "a", Ring("2"), "ring-2", START, command=True)])
        later = asyncio.ensure_future(till.ring("3"))
        while not await till.rows("select 1 from pg_locks where not granted"):
            await asyncio.sleep(0.01)
    assert await later == [3]
    assert await till.numbers() == ("1", "2", "3")


async def test_the_same_id_with_other_content_is_a_dead_letter_and_parks(till: Till) -> None:
    await till.fold(till.record("1", event_id="e"))
    await till.fold(till.record("2", event_id="e"), till.record("3"))
    assert [letter.reason for letter in await till.letters()] == ["the same event id came before with other content"]
    assert (await till.numbers(), await till.parked()) == (("1",), True)


async def test_two_sources_may_use_the_same_id_and_what_follows_differs(till: Till) -> None:
    await till.fold(till.record("1", event_id="e"))
    other = till.record("2", event_id="e")
    headers = tuple((name, b"urn:other-erp" if name == "ce_source" else value) for name, value in other.headers)
    await till.fold(Record(other.topic, 0, 9, other.key, other.value, headers))
    assert await till.numbers() == ("1", "2")
    assert len({event.event_id for event in await till.waiting()}) == 2


async def test_a_type_that_another_service_folds_is_passed_over(till: Till) -> None:
    credit = till.record("1")
    headers = tuple((name, b"paycue.events.v1.CreditNoteIssued" if name == "ce_type" else value) for name, value in credit.headers)
    await till.fold(Record(credit.topic, 0, 0, credit.key, b"garbage", headers))
    assert (await till.letters(), await till.rows("select count(*) from till.account")) == ([], [(0,)])


async def test_references_reach_handlers_by_tenant(till: Till) -> None:
    async def references(unit: Any, tenants: Sequence[str], inputs: object) -> dict[str, Any]:
        return {tenant: f"policy of {tenant}" for tenant in tenants}

    folder = till.another(references=references)
    await folder.fold_records("till", [till.record("1"), till.record("1", tenant="beta")])
    assert await till.rows("select tenant_id, text from till.line order by 1") == [("acme", "policy of acme"), ("beta", "policy of beta")]


async def test_a_connection_that_dies_in_the_middle_is_transient_and_the_same_batch_goes_through_afterwards(till: Till) -> None:
    async def die(unit: Any, tenants: Sequence[str], inputs: object) -> dict[str, Any]:
        pid = await unit.tx.fetchval("select pg_backend_pid()")
        await execute(till.url, f"select pg_terminate_backend({pid}, 1000)")
        return {}

    batch = [till.record("1"), till.record("2")]
    with pytest.raises(Exception) as caught:
        await till.another(references=die).fold_records("till", batch)
    assert is_transient(caught.value)
    assert await till.everything() == {table: [] for table in ("account", "line", "inbox", "outbox", "dead_letter", "parked")}
    await till.fold(*batch)
    assert await till.numbers() == ("1", "2")


async def test_a_lock_that_is_not_given_in_time_is_transient(till: Till) -> None:
    await till.fold(till.record("1"))
    async with till.database.transaction(["acme"]) as tx:
        await tx.execute("select 1 from till.account for update")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await till.fold(till.record("2"))
    await till.fold(till.record("3"))
    assert await till.numbers() == ("1", "3")


async def test_what_a_batch_claims_is_as_old_as_the_wait_for_its_accounts(till: Till) -> None:
    await till.fold(till.record("1"))
    began = asyncio.get_running_loop().time()
    async with till.database.transaction(["acme"]) as tx:
        await tx.execute("select 1 from till.account for update")
        waiting = asyncio.ensure_future(till.fold(till.record("2")))
        await asyncio.sleep(0.4)
    await waiting
    assert till.batches[-1].began - began < 0.3


async def test_a_lane_is_folded_by_one_process_at_a_time(till: Till) -> None:
    await till.fold(till.record("1"))
    async with till.database.transaction(["acme"]) as tx:
        await tx.execute("select 1 from till.lane for update")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await till.fold(till.record("2", "b"))


async def test_nobody_hears_of_a_batch_that_was_rolled_back(till: Till) -> None:
    async def changes_its_mind() -> None:
        async with till.folder.transaction(["acme"]) as folding:
            await folding.fold([Input("acme", "a", Ring("1"), "ring-1", till.clock.now(), command=True)])
            raise RuntimeError("changed its mind")

    with pytest.raises(RuntimeError, match="changed its mind"):
        await changes_its_mind()
    assert (till.batches, await till.rows("select 1 from till.account")) == ([], [])


async def test_a_pool_whose_connections_the_server_closed_is_filled_anew(till: Till) -> None:
    async with till.database.connection(), till.database.connection(), till.database.connection():
        pass
    await execute(till.url, "select pg_terminate_backend(pid, 1000) from pg_stat_activity where application_name = 'till'")
    await asyncio.sleep(0.05)
    await till.fold(till.record("1"))
    assert await till.numbers() == ("1",)


async def test_a_record_that_the_database_refuses_is_found_and_the_others_are_folded(till: Till) -> None:
    batch = [till.record(f"{'unstorable ' if number == 6 else ''}{number}", f"a{number % 4}") for number in range(16)]
    await till.fold(*batch)
    (letter,) = await till.letters()
    assert letter.account == "a2"
    assert letter.reason.startswith("it cannot be stored: ")
    assert [await till.numbers(f"a{number}") for number in range(4)] == [
        ("0", "4", "8", "12"),
        ("1", "5", "9", "13"),
        ("2",),
        ("3", "7", "11", "15"),
    ]
    assert await till.rows("select count(*) from till.parked") == [(2,)]


async def test_a_batch_refused_at_the_commit_leaves_nothing_counted_as_on_its_way(till: Till) -> None:
    await till.fold(till.record("1"), till.record("late 2", "b"), till.record("3"))
    assert [letter.account for letter in await till.letters()] == ["b"]
    assert await till.numbers() == ("1", "3")
    assert till.flow.outstanding() == ["2 outbox rows of till"]


async def test_a_crash_between_the_two_commits_is_a_no_op(till: Till) -> None:
    group, topics = "till", ("erp.invoices.v1",)
    records = [till.record(str(number)) for number in range(5)]
    till.bus.logs["erp.invoices.v1", 0] += [Record(r.topic, 0, n, r.key, r.value, r.headers) for n, r in enumerate(records)]
    member = till.bus.consumer(group, topics, _no_fence)
    await member.start()
    polled = await member.poll(2000)
    await till.folder.fold_records(group, polled["erp.invoices.v1", 0])
    before = await till.everything()
    await member.stop()
    again = till.bus.consumer(group, topics, _no_fence)
    await again.start()
    redelivered = (await again.poll(2000))["erp.invoices.v1", 0]
    assert len(redelivered) == 5
    await till.folder.fold_records(group, redelivered)
    assert await till.everything() == before


async def _no_fence(lost: object) -> None:
    """Nothing to finish."""


async def test_a_command_is_folded_and_answered(till: Till) -> None:
    assert [await till.ring("x"), await till.ring("y")] == [[1], [2]]
    assert await till.numbers() == ("x", "y")


async def test_a_refused_command_changes_nothing_not_even_what_came_with_it(till: Till) -> None:
    before = await till.everything()
    one = Input("acme", "a", Ring("x"), "1", START, command=True)
    two = Input("acme", "b", Ring("refuse"), "2", START, command=True)
    with pytest.raises(Refused, match="open it first"):
        await till.folder.obey([one, two])
    with pytest.raises(Refused):
        await till.ring("refuse")
    assert await till.everything() == before
    assert till.batches == []


async def test_timers_fire_when_they_are_due_and_once(till: Till) -> None:
    await till.fold(till.record("timer 1"), till.record("timer 1", "b"), till.record("1", "c"))
    assert await till.folder.fold_due(10) == 0
    till.clock.set(START + timedelta(days=1))
    assert (await till.folder.fold_due(10), await till.folder.fold_due(10)) == (2, 0)
    assert (await till.numbers("a"), await till.numbers("c")) == (("timer 1", "fired"), ("1",))


async def test_timers_fire_on_the_lanes_asked_for_alone(till: Till) -> None:
    await till.fold(till.record("timer 1"), till.record("timer 1", "b"))
    await till.rows("update till.account set lane = 7 where account_id = 'b' returning lane")
    till.clock.set(START + timedelta(days=1))
    assert [await till.folder.fold_due(10, lanes) for lanes in ((), {3, 4}, {0, 3})] == [0, 0, 1]
    assert (await till.numbers("a"), await till.numbers("b")) == (("timer 1", "fired"), ("timer 1",))
    assert await till.folder.fold_due(10, None) == 1


async def test_timers_that_another_transaction_holds_are_skipped(till: Till) -> None:
    await till.fold(*(till.record("timer 1", account) for account in "abcde"))
    till.clock.set(START + timedelta(days=1))
    async with till.database.transaction(["acme"]) as tx:
        held = await tx.fetch("select account_id from till.claim_due($1, 2, null)", till.clock.now())
        assert await till.folder.fold_due(10) == 3
    assert await till.folder.fold_due(10) == 2
    assert [row[0] for row in held] == ["a", "b"]


async def test_two_processes_share_what_is_due_and_fire_each_timer_once(till: Till) -> None:
    await till.fold(*(till.record("timer 1", f"a{number}") for number in range(40)))
    till.clock.set(START + timedelta(days=1))
    counts = await asyncio.gather(*(till.another().fold_due(15) for _ in range(4)))
    counts.append(await till.folder.fold_due(100))
    assert sum(counts) == 40
    assert {await till.numbers(f"a{number}") for number in range(40)} == {("timer 1", "fired")}


async def test_ids_are_forgotten_when_they_are_old_and_only_then(till: Till) -> None:
    await till.fold(till.record("1"), till.record("2"), till.record("3"))
    kept = "(select id from till.inbox order by id limit 1)"
    await till.rows(f"update till.inbox set received_on = current_date - case when id = {kept} then 90 else 91 end returning id")
    async with till.database.connection() as connection:
        assert [await inbox.forget(connection, SCHEMA, 1) for _ in range(3)] == [1, 1, 0]
    assert await till.rows("select count(*) from till.inbox") == [(1,)]


def _counted(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"paycue_{name}", labels) or 0


async def test_every_record_is_counted_by_what_became_of_it(till: Till) -> None:
    kind = "paycue.events.v1.InvoiceIssued"
    where = {"service": "till", "topic": "erp.invoices.v1", "type": kind}
    before = {outcome: _counted("records_total", outcome=outcome, **where) for outcome in ("applied", "duplicate", "buried", "parked")}
    first = till.record("1")
    await till.fold(first, first, till.record("poison 2"), till.record("3"), till.record("4", "b"))
    after = {outcome: _counted("records_total", outcome=outcome, **where) for outcome in before}
    assert {outcome: after[outcome] - before[outcome] for outcome in before} == {"applied": 2, "duplicate": 1, "buried": 1, "parked": 1}
