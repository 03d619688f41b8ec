"""In whatever order, and however often, the facts of an account come, they end in the same document."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.domain.account import Account
from tests.unit.scheduler.desk import balance, desk, dispute, issued, registered

HISTORIES = {
    "settled": [issued(), balance("changed", 1, 5_000), balance("settled", 2)],
    "reopened": [issued(), balance("settled", 1), balance("reopened", 2, 10_000, reopening=1), balance("changed", 3, 4_000, reopening=1)],
    "reopened and settled": [
        issued(),
        balance("settled", 1),
        balance("reopened", 2, 10_000, reopening=1),
        balance("settled", 3, reopening=1),
    ],
    "allocated anew": [issued(), balance("settled", 1), balance("reopened", 2, 10_000), balance("changed", 3, 4_000)],
    "disputed": [issued(), dispute("registered", 1), dispute("reviewed", 2), dispute("resolved", 3), registered("Europe/Paris")],
    "disputed twice": [issued(), dispute("registered", 1), dispute("resolved", 2), dispute("registered", 1, dispute_id="D2")],
    "everything": [
        issued("I1"),
        issued("I2", issued_on="2013-01-30"),
        balance("settled", 1),
        dispute("registered", 1, invoice="I2"),
        registered("Asia/Tokyo", 1),
        registered("America/Lima", 2),
    ],
}


def end(history: list[Any]) -> Account:
    """The document after a history folded at one instant; how many decisions that took depends on the order and is left out."""
    d = desk(consolidate="account").jump("2013-02-10T12:00")
    d.fold(*history)
    return msgspec.structs.replace(d.state, decisions=0)


@pytest.mark.parametrize("name", HISTORIES)
def test_every_order_of_a_history_ends_the_same(name: str) -> None:
    history = HISTORIES[name]
    expected = end(history)
    assert all(end(list(order)) == expected for order in itertools.permutations(history))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_duplicates_and_replays_change_nothing(data: st.DataObject) -> None:
    history = [event for name in ("reopened", "disputed twice") for event in HISTORIES[name]]
    order = data.draw(st.permutations(history))
    extra = data.draw(st.lists(st.sampled_from(history), max_size=6))
    assert end([*order, *extra]) == end([*history])


@pytest.mark.parametrize("order", list(itertools.permutations(["issued", "settled", "reopened"])))
def test_what_stands_in_the_log_for_each_step_does_not_depend_on_the_order_either(order: tuple[str, ...]) -> None:
    facts = {"issued": issued(), "settled": balance("settled", 1), "reopened": balance("reopened", 2, 10_000, reopening=1)}
    d = desk().jump("2013-02-10T12:00")
    d.fold(*(facts[name] for name in order))
    d.at("2013-04-01T00:00")
    assert [reason for _, _, reason in d.last()] == ["settled", "settled", "settled", "due", "due"]


def test_a_replay_from_the_start_sends_nothing_again() -> None:
    history = [issued(), issued("I2"), balance("settled", 1, invoice="I2"), dispute("registered", 1), dispute("resolved", 2)]
    d = desk()
    d.at("2013-01-01T00:00").fold(*history)
    d.at("2013-03-10T00:00")
    before, sent = d.state, len(d.due)
    d.fold(*history)
    assert (d.at("2013-04-10T00:00").state, len(d.due)) == (before, sent)


def test_a_balance_and_a_dispute_wait_for_their_invoice() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(balance("changed", 1, 3_000), dispute("registered"))
    assert (d.wakes(), d.rows) == ("", [])
    d.fold(issued(), dispute("resolved", 2))
    d.at("2013-01-25T10:00")
    assert d.due[0].items[0].open_minor == 3_000


def test_an_invoice_settled_before_it_is_known_records_what_it_will_not_get() -> None:
    d = desk()
    d.at("2013-01-28T00:00").fold(balance("settled", 1), issued(issued_on="2013-01-28"))
    assert [reason for _, _, reason in d.last()] == ["before_issue", "settled", "settled", "settled", "settled"]
    assert d.wakes() == ""
