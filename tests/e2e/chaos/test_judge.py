"""What the judge of real processes calls lost, twice, late and out of order, and what it lets pass; told from values alone."""

import random
from dataclasses import replace

import pytest

from tests.e2e.chaos.book import Book, Debt, Seen, Stop
from tests.e2e.chaos.judge import UNDER_WAY, Judge, Row
from tests.e2e.chaos.listener import Listener

DEBT = Debt("acme", "a1", "email", "a1@acme.example", {"R-1": 10_000}, "calm")
TOLD = Seen(DEBT.address, "call-1", 100.0, {"R-1": 10_000})
OPTED_OUT = Stop("opt-out, API", frozenset({"opted_out"}), {}, acknowledged=99.0)
PAID_IN_PART = Stop("part payment, API", frozenset(), {"R-1": 6_000}, acknowledged=99.0)


def judged(*messages: Seen, debt: Debt = DEBT, stop: Stop | None = None, reasons: tuple[str, ...] = (), letters: str = "") -> Row:
    book = Book(random.Random(1), messages=list(messages))
    book.debts[debt.address] = replace(debt, stop=stop)
    return Judge(book, Listener(book), {("acme", "a1"): frozenset(reasons)}, (), letters).judge().total


def wrong(row: Row) -> dict[str, int]:
    return {name: count for name in ("lost", "duplicate", "late", "inversions", "unacknowledged") if (count := getattr(row, name))}


def test_a_debt_that_was_told_of_once_is_as_it_should_be() -> None:
    assert wrong(judged(TOLD)) == {}


@pytest.mark.parametrize("reason", ["too_late", "expired", "opted_out", "settled"])
def test_silence_that_nothing_asked_for_is_a_loss_whatever_is_recorded(reason: str) -> None:
    assert wrong(judged(reasons=(reason,))) == {"lost": 1}


def test_silence_after_a_stop_is_no_loss_for_its_own_reason_alone() -> None:
    assert wrong(judged(stop=OPTED_OUT, reasons=("opted_out",))) == {}
    assert wrong(judged(stop=OPTED_OUT, reasons=("settled",))) == {"lost": 1}
    assert wrong(judged(stop=PAID_IN_PART, reasons=("settled",))) == {"lost": 1}


def test_a_poisoned_account_has_to_stand_in_the_dead_letters() -> None:
    poisoned = replace(DEBT, poisoned=True)
    assert wrong(judged(debt=poisoned, letters="7  acme:a1 unknown type")) == {}
    assert wrong(judged(debt=poisoned, letters="7  acme:a11 unknown type")) == {"lost": 1}


def test_an_invoice_named_twice_or_a_message_to_a_stranger_or_of_nothing_is_a_duplicate() -> None:
    assert wrong(judged(TOLD, replace(TOLD, call_id="call-2"))) == {"duplicate": 1}
    assert wrong(judged(TOLD, replace(TOLD, to="b@acme.example"))) == {"duplicate": 1}
    assert wrong(judged(replace(TOLD, lines={}))) == {"duplicate": 1}


def test_what_arrives_after_the_acknowledgement_is_late_unless_it_is_named_there_and_had_begun() -> None:
    assert wrong(judged(replace(TOLD, arrived_at=99.0), stop=OPTED_OUT)) == {}
    assert wrong(judged(TOLD, stop=OPTED_OUT)) == {"late": 1}
    named = replace(OPTED_OUT, in_flight=frozenset({"call-1"}), none_started_after=100.0 - UNDER_WAY)
    assert wrong(judged(TOLD, stop=named)) == {}
    assert wrong(judged(TOLD, stop=replace(named, none_started_after=99.9 - UNDER_WAY))) == {"late": 1}


def test_what_states_an_amount_that_was_paid_before_its_acknowledgement_is_an_inversion() -> None:
    assert wrong(judged(replace(TOLD, lines={"R-1": 6_000}), stop=PAID_IN_PART)) == {}
    assert wrong(judged(TOLD, stop=PAID_IN_PART)) == {"inversions": 1}


def test_a_stop_without_a_receipt_is_told() -> None:
    assert wrong(judged(stop=replace(OPTED_OUT, acknowledged=None), reasons=("opted_out",))) == {"unacknowledged": 1}
