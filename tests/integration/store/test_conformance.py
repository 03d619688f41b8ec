"""What every store does, in memory and on PostgreSQL alike: locks, claims, order, and transactions that happen whole or not at all."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from paycue.bus import watermark
from paycue.bus.batch import Aside, Input
from paycue.bus.envelope import Envelope, Pending, Record, Undecodable, decode, outgoing
from paycue.bus.poison import digest_of
from paycue.bus.store import Store, Unit
from paycue.db.accounts import Key
from paycue.db.bulk import Owned
from paycue.db.engine import is_transient
from paycue.events.v1.invoice_pb2 import InvoiceIssued
from tests.integration.bus.till import START, Drawer, Line, Slip
from tests.integration.store.conftest import Pair
from tests.unit.notifier.story import due

A, B, C = ("acme", "a"), ("acme", "b"), ("acme", "c")
BOTH = ("acme", "beta")


def lane(key: Key) -> int:
    return ord(key[1][0]) % 2


def record(number: str, account: str = "a", event_id: str = "", offset: int = 0) -> Record:
    event = InvoiceIssued(tenant_id="acme", account_id=account, invoice_id=number, currency="USD", amount_minor=100)
    event.issued_on, event.due_on = "2013-01-02", "2013-01-09"
    made = outgoing(event, event_id=event_id or number, source="urn:erp", at=START, partition=0)
    return Record(made.topic, 0, offset, made.key, made.value, made.headers)


def envelope(number: str, event_id: str = "") -> Envelope:
    return decode(record(number, event_id=event_id))


def pending(number: int, topic: str = "reminders.due.v1") -> Pending:
    return Pending(topic, 0, b"acme:a", "paycue.events.v1.ReminderDue", f"e{number}", START, None, b"value")


def drawer(*numbers: str, at: timedelta | None = None) -> Drawer:
    return Drawer(numbers, next_action_at=None if at is None else START + at)


async def put(store: Store, states: dict[Key, Drawer], rows: Sequence[Owned] = ()) -> None:
    async with store.transaction(BOTH) as unit:
        await unit.load(states, lane)
        await unit.save(states, rows)


async def numbers(store: Store, key: Key = A) -> tuple[str, ...]:
    async with store.transaction(BOTH) as unit:
        state: Drawer = (await unit.load([key], lane))[key].state
        return state.numbers


async def held(store: Store, work: Any) -> Any:
    """`work(unit)` in a transaction that stays open until the returned event is set; the task of it."""
    done, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with store.transaction(BOTH) as unit:
            await work(unit)
            done.set()
            await leave.wait()

    task = asyncio.ensure_future(hold())
    await done.wait()
    return task, leave


async def locks_a(unit: Unit) -> None:
    await unit.load([A], lane)


async def test_an_account_is_made_on_its_lane_and_saved_as_it_was_decided(stores: Pair) -> None:
    async with stores.one.transaction(BOTH) as unit:
        loaded = await unit.load([B, A], lane)
        assert {key: (one.lane, one.parked, one.state) for key, one in loaded.items()} == {A: (1, False, Drawer()), B: (0, False, Drawer())}
        await unit.save({A: drawer("1")}, [])
    assert (await numbers(stores.other, A), await numbers(stores.other, B)) == (("1",), ())


@pytest.mark.parametrize("many", [1, 20])
async def test_accounts_of_the_same_id_of_two_creditors_are_saved_each_by_itself(stores: Pair, many: int) -> None:
    theirs = {("beta", f"a{n}"): drawer("theirs", str(n)) for n in range(many)}
    ours = {("acme", f"a{n}"): drawer("ours", str(n)) for n in range(many)}
    await put(stores.one, theirs)
    await put(stores.one, ours)
    await put(stores.one, {**dict.fromkeys(theirs, drawer("theirs")), **ours})
    assert [await numbers(stores.other, key) for key in theirs] == [("theirs",)] * many
    assert [await numbers(stores.other, ("acme", f"a{n}")) for n in range(many)] == [("ours", str(n)) for n in range(many)]
    async with stores.one.transaction(BOTH) as unit:
        await unit.load([*ours, *theirs], lane)
        await unit.save(dict.fromkeys(ours, drawer("changed")), [])
    assert [await numbers(stores.other, key) for key in theirs] == [("theirs",)] * many


async def test_accounts_are_locked_in_the_order_of_their_keys(stores: Pair) -> None:
    behind = [("acme", f"z{n}") for n in range(9)]
    await put(stores.one, dict.fromkeys([A, *behind], drawer("1")))
    task, leave = await held(stores.one, locks_a)

    async def wait() -> None:
        async with stores.one.transaction(BOTH) as unit:
            await unit.load([*behind, A], lane)

    waiting = asyncio.ensure_future(wait())
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.5), stores.other.transaction(BOTH) as unit:
        await unit.load(behind, lane)
    leave.set()
    await asyncio.gather(task, waiting)


async def test_what_a_transaction_wrote_it_reads_and_others_do_not_until_it_commits(stores: Pair) -> None:
    async def write(unit: Unit) -> None:
        await unit.write_entry("creditor:acme", b"doc")
        assert await unit.entries(["creditor:acme", "creditor:none"]) == {"creditor:acme": b"doc"}

    task, leave = await held(stores.one, write)
    assert await stores.other.entry("creditor:acme") is None
    leave.set()
    await task
    assert (await stores.other.entry("creditor:acme"), await stores.other.tenants()) == (b"doc", ["acme"])


async def test_a_second_transaction_waits_for_an_account_and_reads_what_the_first_one_saved(stores: Pair) -> None:
    async def save(unit: Unit) -> None:
        await unit.load([A], lane)
        await unit.save({A: drawer("1")}, [])

    task, leave = await held(stores.one, save)
    waiting = asyncio.ensure_future(numbers(stores.other))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    leave.set()
    await task
    assert await waiting == ("1",)


async def test_a_lock_that_is_not_given_in_time_is_transient_and_leaves_nothing(stores: Pair) -> None:
    await put(stores.one, {A: drawer("1")})
    task, leave = await held(stores.one, locks_a)
    with pytest.raises(asyncpg.LockNotAvailableError) as caught:
        await put(stores.other, {A: drawer("2")})
    assert is_transient(caught.value)
    leave.set()
    await task
    assert await numbers(stores.other) == ("1",)


async def test_timers_are_claimed_in_order_and_what_another_holds_is_skipped(stores: Pair) -> None:
    await put(stores.one, {A: drawer(at=timedelta(0)), B: drawer(at=timedelta(-1)), C: drawer(at=timedelta(1))})
    task, leave = await held(stores.one, locks_a)
    async with stores.other.transaction(()) as unit:
        assert await unit.claim_due(START, 10, None) == [B]
        assert await unit.claim_due(START + timedelta(days=1), 10, None) == [B, C]
    leave.set()
    await task
    async with stores.other.transaction(()) as unit:
        assert await unit.claim_due(START + timedelta(days=1), 2, None) == [B, A]


async def test_timers_are_claimed_on_the_lanes_that_are_asked_for(stores: Pair) -> None:
    await put(stores.one, {A: drawer(at=timedelta(0)), B: drawer(at=timedelta(1))})
    assert (await stores.one.next_due(), await stores.one.next_due([0]), await stores.one.next_due([])) == (
        START,
        START + timedelta(days=0, seconds=0) + timedelta(1),
        None,
    )
    async with stores.one.transaction(()) as unit:
        assert await unit.claim_due(START + timedelta(days=2), 10, [0]) == [B]
        assert await unit.claim_due(START + timedelta(days=2), 10, []) == []


async def test_a_parked_account_has_no_timer_until_it_goes_on(stores: Pair) -> None:
    await put(stores.one, {A: drawer(at=timedelta(0))})
    async with stores.one.transaction(BOTH) as unit:
        await unit.load([A], lane)
        await unit.park([A], START)
    assert await stores.other.next_due() is None
    async with stores.other.transaction(BOTH) as unit:
        assert (await unit.claim_due(START, 10, None), (await unit.load([A], lane))[A].parked) == ([], True)
        await unit.park([A], None)
    assert await stores.other.next_due() == START


async def test_an_account_is_parked_alone_also_when_another_creditor_has_one_of_the_same_id(stores: Pair) -> None:
    theirs = ("beta", "a")
    await put(stores.one, {A: drawer(), theirs: drawer()})
    for at, parked in ((START, True), (None, False)):
        async with stores.one.transaction(BOTH) as unit:
            await unit.load([A, theirs], lane)
            await unit.park([A], at)
        async with stores.other.transaction(BOTH) as unit:
            loaded = await unit.load([A, theirs], lane)
            assert (loaded[A].parked, loaded[theirs].parked) == (parked, False)
            await unit.park([theirs], None)


async def look(store: Store, at: timedelta, lanes: Sequence[int] = (0, 1)) -> list[Key]:
    """One turn of a service's loop: claim what is due; if that is nothing, ask when the next timer is."""
    async with store.transaction(BOTH) as unit:
        due = await unit.claim_due(START + at, 10, lanes)
        states = await unit.load(due, lane)
        await unit.save({key: msgspec.structs.replace(states[key].state, next_action_at=None) for key in due}, [])
    if not due:
        await store.next_due(lanes)
    return due


DAY = timedelta(days=1)


async def test_a_timer_put_below_where_looks_begin_is_found_at_once(stores: Pair) -> None:
    assert await look(stores.one, 3 * DAY) == []
    await put(stores.one, {A: drawer(at=DAY)})
    assert await look(stores.one, 3 * DAY) == [A]


async def test_a_timer_that_another_process_puts_below_where_looks_begin_is_found_before_long(
    stores: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watermark, "RESCAN_SECONDS", 0.2)
    assert await look(stores.one, 3 * DAY) == []
    await put(stores.other, {A: drawer(at=DAY)})
    assert await look(stores.one, 3 * DAY) == []
    await asyncio.sleep(0.2)
    assert await look(stores.one, 3 * DAY) == [A]


async def test_a_timer_put_above_where_looks_begin_is_found_whoever_puts_it(stores: Pair) -> None:
    await put(stores.one, {B: drawer(at=9 * DAY)})
    assert await look(stores.one, 3 * DAY) == []
    await put(stores.other, {A: drawer(at=4 * DAY)})
    assert await look(stores.one, 5 * DAY) == [A]


async def test_a_due_timer_that_another_transaction_holds_stays_in_sight(stores: Pair) -> None:
    await put(stores.one, {A: drawer(at=DAY)})
    task, leave = await held(stores.other, locks_a)
    assert [await look(stores.one, 3 * DAY) for _ in range(2)] == [[], []]
    leave.set()
    await task
    assert await look(stores.one, 3 * DAY) == [A]


async def test_a_timer_committed_while_the_next_one_is_asked_for_stays_in_sight(stores: Pair) -> None:
    """Its transaction may end after that question was asked and before it is answered."""
    assert await look(stores.one, 3 * DAY) == []
    store: Any = stores.one
    with store.watermark.looking((0, 1)) as asked:
        await put(stores.one, {A: drawer(at=DAY)})
        store.watermark.rise(asked, None)
    assert await look(stores.one, 3 * DAY) == [A]


async def test_lanes_that_are_new_to_a_process_are_looked_at_from_the_start(stores: Pair) -> None:
    assert await look(stores.one, 3 * DAY, [0]) == []
    await put(stores.other, {A: drawer(at=DAY)})
    assert await look(stores.one, 3 * DAY, [0]) == []
    assert await look(stores.one, 3 * DAY, [0, 1]) == [A]


async def test_an_account_that_goes_on_is_in_sight_again_with_its_old_timer(stores: Pair) -> None:
    await put(stores.one, {A: drawer(at=DAY)})
    for at in (START, None):
        async with stores.one.transaction(BOTH) as unit:
            await unit.load([A], lane)
            await unit.park([A], at)
        assert await look(stores.one, 3 * DAY) == ([] if at else [A])


async def test_accounts_that_a_transaction_wakes_are_in_sight_at_once(stores: Pair) -> None:
    await put(stores.one, {A: drawer(at=9 * DAY)})
    assert await look(stores.one, 3 * DAY) == []
    async with stores.one.transaction(BOTH) as unit:
        await unit.wake_tenant("acme", START + DAY)
    assert await look(stores.one, 3 * DAY) == [A]


async def test_ids_are_claimed_once_and_other_content_under_a_known_id_is_told(stores: Pair) -> None:
    async with stores.one.transaction(BOTH) as unit:
        assert await unit.claim([envelope("1"), envelope("1"), envelope("2", "1")]) == ["new", "duplicate", "reused"]
        assert await unit.claim([envelope("1"), envelope("4")]) == ["duplicate", "new"]
    async with stores.other.transaction(BOTH) as unit:
        assert await unit.claim([envelope("1"), envelope("3"), envelope("2", "1")]) == ["duplicate", "new", "reused"]


async def test_ids_of_types_that_the_documents_know_are_always_new(stores: Pair) -> None:
    made = outgoing(due(), event_id="s1", source="urn:paycue:scheduler", at=START, partition=0)
    known = decode(Record(made.topic, 0, 0, made.key, made.value, made.headers))
    for _ in range(2):
        async with stores.one.transaction(BOTH) as unit:
            assert (await unit.claim([known, envelope("1"), known]))[::2] == ["new", "new"]
    async with stores.other.transaction(BOTH) as unit:
        assert await unit.claim([known, envelope("1")]) == ["new", "duplicate"]


async def test_an_id_that_another_transaction_is_claiming_is_waited_for(stores: Pair) -> None:
    async def claim(unit: Unit) -> None:
        assert await unit.claim([envelope("1")]) == ["new"]

    async def second() -> list[str]:
        async with stores.other.transaction(BOTH) as unit:
            return list(await unit.claim([envelope("1")]))

    task, leave = await held(stores.one, claim)
    waiting = asyncio.ensure_future(second())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    leave.set()
    await task
    assert await waiting == ["duplicate"]


async def test_of_two_owners_of_a_lane_one_waits(stores: Pair) -> None:
    async def lock(unit: Unit) -> None:
        await unit.lock_lanes("till", {("erp.invoices.v1", 0): 5})

    task, leave = await held(stores.one, lock)
    with pytest.raises(asyncpg.LockNotAvailableError):
        async with stores.other.transaction(BOTH) as unit:
            await lock(unit)
    leave.set()
    await task


@pytest.mark.parametrize("how", ["exception", "cancellation"])
async def test_a_transaction_that_does_not_end_well_never_was(stores: Pair, how: str) -> None:
    async def everything(unit: Unit) -> None:
        await unit.claim([envelope("1")])
        await unit.load([A], lane)
        await unit.save({A: drawer("1")}, [Owned(*A, Line("1", "x"))], [pending(1)])
        await unit.write_entry("creditor:acme", b"doc")
        if how == "exception":
            raise ZeroDivisionError

    if how == "exception":
        with pytest.raises(ZeroDivisionError):
            await held_or_raised(stores.one, everything)
    else:
        task, _ = await held(stores.one, everything)
        task.cancel()
        await asyncio.wait([task])
    async with stores.other.transaction(BOTH) as unit:
        assert await unit.claim([envelope("1")]) == ["new"]
    health = await stores.other.health()
    assert (await numbers(stores.other), health.outbox, await stores.other.entry("creditor:acme")) == ((), 0, None)


async def held_or_raised(store: Store, work: Any) -> None:
    async with store.transaction(BOTH) as unit:
        await work(unit)


async def test_the_outbox_gives_rows_in_order_stop_feeds_first_until_they_are_deleted(stores: Pair) -> None:
    for events in ([pending(1), pending(2, "payments.events.v1")], [pending(3)]):
        async with stores.one.transaction(BOTH) as unit:
            await unit.save({}, [], events)
    async with stores.other.leading() as outbox:
        assert outbox is not None
        rows = await outbox.waiting(10)
        assert [row.event_id for _, row in rows] == ["e2", "e1", "e3"]
        assert (rows[1][1], [row.event_id for _, row in await outbox.waiting(2)]) == (pending(1), ["e2", "e1"])
        await outbox.delete([number for number, _ in rows[:2]])
        assert [row.event_id for _, row in await outbox.waiting(10)] == ["e3"]


async def test_a_row_that_commits_late_stands_before_those_that_overtook_it(stores: Pair) -> None:
    async def append(unit: Unit) -> None:
        await unit.save({}, [], [pending(1)])

    task, leave = await held(stores.one, append)
    async with stores.other.transaction(BOTH) as unit:
        await unit.save({}, [], [pending(2)])
    async with stores.other.leading() as outbox:
        assert outbox is not None
        assert [row.event_id for _, row in await outbox.waiting(10)] == ["e2"]
        leave.set()
        await task
        assert [row.event_id for _, row in await outbox.waiting(10)] == ["e1", "e2"]


async def test_one_process_leads_at_a_time(stores: Pair) -> None:
    async with stores.one.leading() as first, stores.other.leading() as second:
        assert (first is None, second is None) == (False, True)
    async with stores.other.leading() as again:
        assert again is not None


async def test_rows_are_upserted_by_their_key_and_the_last_of_a_batch_counts(stores: Pair) -> None:
    await put(stores.one, {A: drawer("1")}, [Owned(*A, Line("1", "x")), Owned(*A, Line("1", "y"))])
    await put(stores.other, {A: drawer("2")}, [Owned(*A, Line("1", "z"))])
    assert await numbers(stores.one) == ("2",)


async def test_what_a_transaction_does_not_see_it_cannot_write(stores: Pair) -> None:
    await put(stores.one, {A: drawer("1", at=timedelta(0))})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with stores.one.transaction(["beta"]) as unit:
            await unit.load([C], lane)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with stores.one.transaction(["beta"]) as unit:
            await unit.save({}, [Owned(*A, Line("1", "x"))])
    for tenant in ("beta", "acme"):
        async with stores.one.transaction([tenant]) as unit:
            await unit.save({}, [Owned(tenant, "a", Slip("1"))])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with stores.one.transaction(["beta"]) as unit:
            await unit.save({}, [Owned("beta", "a", Slip("1")), Owned(*A, Slip("1"))])
    async with stores.one.transaction(()) as unit:
        claimed = await unit.claim_due(START, 10, None)
        await unit.see_tenants([tenant for tenant, _ in claimed])
        assert (await unit.load(claimed, lane))[A].state.numbers == ("1",)


def aside(number: str, reason: str | None, offset: int) -> Aside:
    kept = record(number, offset=offset)
    return Aside(Input(*A, Undecodable(reason) if reason else decode(kept).event, "", START, record=kept), reason)


async def test_dead_letters_and_what_waits_behind_them_keep_their_order(stores: Pair) -> None:
    async with stores.one.transaction(BOTH) as unit:
        await unit.load([A], lane)
        await unit.keep([aside("1", "it is bad", 1), aside("2", None, 2), aside("3", "it too", 3), aside("4", None, 4)], START)
    (first, second) = await stores.other.letters()
    assert ((first.reason, first.record, first.parked), second.reason) == (("it is bad", record("1", offset=1), True), "it too")
    assert await stores.other.letters(second.id) == [second]
    assert (await stores.other.health()).letters == 2
    async with stores.other.transaction(BOTH) as unit:
        assert await unit.buried([digest_of(first.record), b"none"]) == {digest_of(first.record)}
        assert [one.id for one in await unit.letters_of(A)] == [first.id, second.id]
        waiting = sorted(await unit.take_parked(A), key=lambda one: one[0])
        assert [one.offset for _, one in waiting] == [2, 4]
        assert first.id < waiting[0][0] < second.id < waiting[1][0]
        await unit.resolve([first.id], START)
    async with stores.one.transaction(BOTH) as unit:
        assert (await unit.take_parked(A), await stores.one.letters()) == ([], [second])


async def test_a_letter_that_comes_again_is_open_again_under_a_new_number(stores: Pair) -> None:
    for _ in range(2):
        async with stores.one.transaction(BOTH) as unit:
            await unit.load([A], lane)
            await unit.keep([aside("1", "it is bad", 1)], START)
        (letter,) = await stores.one.letters()
        async with stores.one.transaction(BOTH) as unit:
            await unit.resolve([letter.id], START)
        assert await stores.one.letters() == []


async def test_an_entry_tells_whether_it_changed_and_wakes_its_tenants_accounts(stores: Pair) -> None:
    await put(stores.one, {A: drawer(), B: drawer(at=timedelta(-1)), ("beta", "x"): drawer()})
    async with stores.one.transaction(BOTH) as unit:
        assert (await unit.write_entry("creditor:acme", b"1"), await unit.write_entry("creditor:acme", b"1")) == (True, False)
        await unit.wake_tenant("acme", START)
    async with stores.other.transaction(()) as unit:
        assert await unit.claim_due(START, 10, None) == [B, A]


async def test_a_pinned_entry_is_not_changed_until_the_transaction_ends_and_one_that_is_being_changed_is_not_pinned(stores: Pair) -> None:
    async with stores.one.transaction(BOTH) as unit:
        await unit.write_entry("creditor:acme", b"a")
        await unit.write_entry("creditor:beta", b"b")

    async def pin(unit: Unit) -> None:
        assert await unit.pinned(["creditor:acme", "creditor:none"]) == {"creditor:acme": b"a", "creditor:none": None}

    async def write() -> None:
        async with stores.other.transaction(BOTH) as unit:
            await unit.write_entry("creditor:acme", b"doc")

    async def write_and_stay(unit: Unit) -> None:
        await unit.write_entry("creditor:acme", b"other")

    task, leave = await held(stores.one, pin)
    async with stores.other.transaction(BOTH) as unit:
        await pin(unit)
    writing = asyncio.ensure_future(write())
    await asyncio.sleep(0.05)
    assert not writing.done()
    leave.set()
    await asyncio.gather(task, writing)
    task, leave = await held(stores.one, write_and_stay)
    async with stores.other.transaction(BOTH) as unit:
        assert await unit.pinned(["creditor:acme", "creditor:beta"]) == {"creditor:beta": b"b"}
    leave.set()
    await task


async def test_a_state_that_is_saved_is_as_it_was(stores: Pair) -> None:
    whole = msgspec.structs.replace(drawer("1", "2", at=timedelta(hours=5)), heard=7)
    await put(stores.one, {A: whole})
    async with stores.other.transaction(BOTH) as unit:
        assert (await unit.load([A], lane))[A].state == whole
