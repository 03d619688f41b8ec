"""One batch: handlers fold in order, poison parks its account alone, commands are refused before anything changes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest

from paycue.bus.batch import Batch, Input
from paycue.bus.envelope import MAX_VALUE, Undecodable, decode
from paycue.bus.fold import overdue
from paycue.bus.intake import event_input
from paycue.db.accounts import Loaded
from paycue.decision import Context, Decision, Refused, TimerFired
from paycue.events.v1.account_pb2 import AccountState
from paycue.events.v1.invoice_pb2 import InvoiceIssued
from tests.unit.bus.story import AT, invoice, record


class Seen(msgspec.Struct, frozen=True):
    numbers: tuple[str, ...] = ()
    next_action_at: datetime | None = None


class Row(msgspec.Struct, frozen=True):
    number: str


class Ask(msgspec.Struct, frozen=True):
    """A command."""

    refuse: bool = False


def invoice_issued(state: Seen, event: InvoiceIssued, ctx: Context) -> Decision[Seen]:
    if event.invoice_id == "poison":
        raise ZeroDivisionError("nothing to divide")
    made = AccountState(tenant_id=ctx.tenant, account_id=ctx.account, version=len(state.numbers))
    return Decision(Seen((*state.numbers, event.invoice_id)), events=(made,), rows=(Row(event.invoice_id),))


def ask(state: Seen, command: Ask, ctx: Context) -> Decision[Seen]:
    if command.refuse:
        raise Refused(409, "Not now", "ask later")
    return Decision(state, answer=(state.numbers, ctx.reference))


class Call(msgspec.Struct, frozen=True):
    """A command that claims a call where there is room."""


def call(state: Seen, command: Call, ctx: Context) -> Decision[Seen]:
    return Decision(state, calls=(Row("call"),) if ctx.room > 0 else ())


def timer_fired(state: Seen, event: TimerFired, ctx: Context) -> Decision[Seen]:
    raise LookupError("no policy")


HANDLERS: dict[type, Callable[..., Decision[Any]]] = {InvoiceIssued: invoice_issued, Ask: ask, Call: call, TimerFired: timer_fired}


def batch(*accounts: str, parked: str = "", room: int = 0) -> Batch:
    loaded = {("acme", account): Loaded(0, account == parked, Seen()) for account in accounts}
    return Batch(AT, loaded, {"acme": "the policy"}, HANDLERS, room=room)


def event(account: str, number: str, offset: int = 0) -> Input:
    return event_input(decode(record(invoice(account, number), event_id=f"{account}-{number}", offset=offset)))


def numbers(made: Batch) -> dict[str, tuple[str, ...]]:
    return {account: state.numbers for (_, account), state in made.changed.items()}


def test_events_of_an_account_fold_in_order_into_one_state() -> None:
    made = batch("a", "b")
    made.fold([event("a", "1"), event("b", "1"), event("a", "2")])
    assert numbers(made) == {"a": ("1", "2"), "b": ("1",)}
    assert [(owned.account, owned.row.number) for owned in made.rows] == [("a", "1"), ("b", "1"), ("a", "2")]  # type: ignore[attr-defined]


def test_a_batch_claims_no_more_calls_than_there_is_room_for() -> None:
    made = batch("a", "b", room=2)
    made.fold([Input("acme", account, Call(), "cause", AT, command=True) for account in ("a", "b", "a", "b")])
    assert made.calls == [Row("call"), Row("call")]


def test_poison_parks_its_account_from_there_on_and_the_rest_goes_on() -> None:
    made = batch("a", "b")
    made.fold([event("a", "1"), event("a", "poison"), event("a", "3"), event("b", "1")])
    assert numbers(made) == {"a": ("1",), "b": ("1",)}
    assert [(one.input.event.invoice_id, one.reason) for one in made.aside] == [
        ("poison", "ZeroDivisionError: nothing to divide"),
        ("3", None),
    ]
    assert made.verdicts == [True, False, True]


def test_what_comes_for_a_parked_account_waits_and_is_neither_good_nor_bad() -> None:
    made = batch("a", parked="a")
    made.fold([event("a", "1"), event("a", "poison")])
    assert (numbers(made), [one.reason for one in made.aside], made.verdicts, made.poison) == ({}, [None, None], [], [])


def test_an_undecodable_record_parks_its_account_in_its_turn() -> None:
    made = batch("a")
    fault = Input("acme", "a", Undecodable("malformed", "acme", "a"), "", AT, record=record())
    made.fold([event("a", "1"), fault, event("a", "2")])
    assert (numbers(made), [one.reason for one in made.aside]) == ({"a": ("1",)}, ["malformed", None])


def test_an_undecodable_record_of_a_parked_account_is_a_dead_letter_and_does_not_wait() -> None:
    made = batch("a", parked="a")
    made.fold([Input("acme", "a", Undecodable("malformed", "acme", "a"), "", AT, record=record())])
    assert [one.reason for one in made.aside] == ["malformed"]


def test_an_undecodable_record_of_nobody_parks_nobody() -> None:
    made = batch("a")
    made.fold([Input("", "", Undecodable("no key"), "", AT, record=record()), event("a", "1")])
    assert (numbers(made), len(made.poison)) == ({"a": ("1",)}, 1)


def test_a_timer_whose_handler_raises_is_poison_too() -> None:
    made = batch("a")
    made.fold([Input("acme", "a", TimerFired(), "timer", AT)])
    assert [one.reason for one in made.poison] == ["LookupError: no policy"]


def test_a_command_goes_through_to_a_parked_account_and_sees_its_reference() -> None:
    made = batch("a", parked="a")
    made.fold([Input("acme", "a", Ask(), "c", AT, command=True)])
    assert made.answers == [((), "the policy")]


def test_a_refused_command_raises() -> None:
    with pytest.raises(Refused, match="ask later"):
        batch("a").fold([Input("acme", "a", Ask(refuse=True), "c", AT, command=True)])


def test_a_refusal_of_an_event_is_poison() -> None:
    made = batch("a")
    made.fold([Input("acme", "a", Ask(refuse=True), "e", AT)])
    assert [one.reason for one in made.poison] == ["Refused: Not now: ask later"]


def test_a_state_that_is_the_same_object_is_not_written() -> None:
    made = batch("a")
    made.fold([Input("acme", "a", Ask(), "c", AT, command=True)])
    assert made.changed == {}


def test_an_event_for_another_account_than_the_one_folded_is_poison_and_leaves_nothing() -> None:
    def wrong(state: Seen, event: InvoiceIssued, ctx: Context) -> Decision[Seen]:
        return Decision(Seen(("lost",)), events=(AccountState(tenant_id="beta", account_id=ctx.account),), rows=(Row("lost"),))

    made = Batch(AT, {("acme", "a"): Loaded(0, False, Seen())}, {}, {InvoiceIssued: wrong})
    made.fold([event("a", "1")])
    assert (made.changed, made.events, made.rows) == ({}, [], [])
    assert "names another account" in (made.poison[0].reason or "")


def test_an_event_that_nobody_could_read_is_poison() -> None:
    def long(state: Seen, event: InvoiceIssued, ctx: Context) -> Decision[Seen]:
        return Decision(state, events=(AccountState(tenant_id="acme", account_id="a", paused_invoice_ids=["x" * MAX_VALUE]),))

    made = Batch(AT, {("acme", "a"): Loaded(0, False, Seen())}, {}, {InvoiceIssued: long})
    made.fold([event("a", "1")])
    assert "bytes, at most" in (made.poison[0].reason or "")


def test_the_ids_of_events_follow_from_their_cause_alone() -> None:
    first, again, other = batch("a"), batch("a"), batch("a")
    first.fold([event("a", "1")])
    again.fold([event("a", "1", offset=99)])
    other.fold([event_input(decode(record(invoice("a"), event_id="a-1", ce_source="urn:other-erp")))])
    (one,), (two,), (three,) = first.events, again.events, other.events
    assert one.event_id == two.event_id != three.event_id
    assert (one.topic, one.key, one.lane) == ("accounts.state.v1", b"acme:a", 0)


def test_a_record_on_another_partition_than_its_lane_is_counted_and_folded() -> None:
    made = Batch(AT, {("acme", "a"): Loaded(3, False, Seen())}, {}, HANDLERS)
    made.fold([event("a", "1")])
    assert (numbers(made), made.misplaced) == ({"a": ("1",)}, {"erp.invoices.v1": 1})


def due(state: Seen, event: InvoiceIssued, ctx: Context) -> Decision[Seen]:
    return Decision(Seen((*state.numbers, event.invoice_id), next_action_at=ctx.now))


def fired(state: Seen, event: TimerFired, ctx: Context) -> Decision[Seen]:
    return Decision(Seen((*state.numbers, "fired")))


def test_a_timer_that_a_batch_makes_due_fires_once_all_of_the_batch_is_known_and_on_these_lanes_alone() -> None:
    loaded = {("acme", account): Loaded(lane, False, Seen()) for lane, account in enumerate("abc")}
    made = Batch(AT, loaded, {}, {InvoiceIssued: due, TimerFired: fired})
    made.fold([event("a", "1"), event("b", "1"), event("a", "2")])
    made.fold(overdue(made, {0, 2}))
    assert numbers(made) == {"a": ("1", "2", "fired"), "b": ("1",)}
    assert overdue(made, ()) == []


def test_the_timer_of_an_account_that_is_parked_does_not_fire() -> None:
    made = batch("a")
    made.fold([event("a", "poison"), Input("acme", "a", TimerFired(), "timer", AT)])
    assert [outcome for _, outcome in made.outcomes] == ["buried", "parked"]


@pytest.mark.parametrize("named", [("acme", "b"), ("beta", "a")])
def test_an_event_for_any_other_account_is_poison(named: tuple[str, str]) -> None:
    def elsewhere(state: Seen, event: InvoiceIssued, ctx: Context) -> Decision[Seen]:
        return Decision(state, events=(AccountState(tenant_id=named[0], account_id=named[1]),))

    made = Batch(AT, {("acme", "a"): Loaded(0, False, Seen())}, {}, {InvoiceIssued: elsewhere})
    made.fold([event("a", "1")])
    assert (made.events, len(made.poison)) == ([], 1)
