"""What ERPs and the ledger tell, one event at a time: each dispute raised is answered once, and each answer says what stands."""

from typing import Any

import msgspec
import pytest

from paycue.events.v1.dispute_pb2 import DISPUTE_REASON_WRONG_AMOUNT, DisputeRefused, DisputeRegistered, DisputeResolved, DisputeReviewed
from services.disputes.domain.account import DisputeAccount
from services.disputes.domain.commands import ReopenDispute
from services.disputes.domain.rows import NoteRow
from tests.unit.disputes.story import (
    INVALID,
    NOW,
    PARTLY_VALID,
    QUALITY,
    VALID,
    WHO,
    WITHDRAWN,
    Story,
    balance,
    changed,
    decided,
    issued,
    raised,
    reopened,
    reviewed,
    settled,
)

ABOUT: dict[str, Any] = {**WHO, "dispute_id": "d1", "invoice_id": "i1"}


def test_a_dispute_raised_is_registered_under_its_cause() -> None:
    decision = Story(issued()).tell(raised(minor=4_000, note="two boxes missing"), "fact-1")
    registered = DisputeRegistered(
        **ABOUT, cause_id="fact-1", reason=DISPUTE_REASON_WRONG_AMOUNT, currency="EUR", disputed_minor=4_000, version=1
    )
    assert decision.events == (registered,)


def test_a_dispute_raised_is_listed_with_its_note() -> None:
    story = Story(issued(), raised(minor=4_000, note="two boxes missing"))
    row = story.case()
    assert (row.status, row.invoice_state, row.disputed_minor, row.currency, row.opened_at) == ("opened", "open", 4_000, "EUR", NOW)
    assert [(note.author, note.text) for note in story.rows if isinstance(note, NoteRow)] == [("erp", "two boxes missing")]


@pytest.mark.parametrize(
    ("facts", "state"),
    [((), "unknown"), ((issued(),), "open"), ((issued(), settled()), "settled"), ((issued(), settled(), reopened()), "open")],
)
def test_a_dispute_is_registered_whatever_its_invoice_is(facts: tuple[Any, ...], state: str) -> None:
    story = Story(*facts, raised())
    assert (len(story.said(DisputeRegistered)), story.case().invoice_state) == (1, state)


def test_a_reason_of_a_newer_schema_is_other() -> None:
    assert Story(raised(reason=99)).case().reason == "other"  # type: ignore[arg-type]


def test_without_a_currency_a_dispute_is_of_its_invoices() -> None:
    story = Story(raised(currency="", minor=500), issued(currency="USD"))
    assert (story.said(DisputeRegistered)[0].currency, story.case().currency) == ("", "USD")


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (raised(currency="USD"), "the dispute is of USD, invoice i1 of EUR; raise it in the invoice's currency"),
        (raised(minor=10_001), "100.01 EUR is disputed of invoice i1, which is of 100.00 EUR; dispute that much at most"),
    ],
)
def test_a_dispute_that_its_invoice_contradicts_is_refused_under_its_cause(claim: Any, reason: str) -> None:
    decision = Story(issued()).tell(claim, "fact-1")
    assert decision.events == (DisputeRefused(**ABOUT, cause_id="fact-1", reason=reason),)


def test_an_invoice_that_comes_later_ends_a_dispute_that_it_contradicts() -> None:
    story = Story(raised(minor=10_001), decided(outcome=VALID))
    decision = story.tell(issued())
    assert decision.events == (DisputeResolved(**ABOUT, outcome=INVALID, currency="EUR", version=3),)
    assert (story.case().status, story.case().credit_minor) == ("refused", 0)


def test_an_invoice_ends_no_dispute_but_those_it_contradicts_and_each_of_them_once() -> None:
    story = Story(raised(minor=10_001), raised("d2", minor=400), raised("d3", "i2", 10_001), issued())
    decision = story.tell(changed(balance("i1", 9_000, 1)))
    assert decision.events == ()
    assert [story.account.cases[key].status for key in ("d1", "d2", "d3")] == ["refused", "opened", "opened"]


def test_a_balance_that_comes_first_tells_the_currency() -> None:
    assert Story(changed(balance("i1", 50, 1, "USD")), raised()).said(DisputeRefused)


def test_the_same_dispute_with_other_content_is_refused_and_the_first_stays() -> None:
    story = Story(raised())
    decision = story.tell(raised(reason=QUALITY), "fact-2")
    reason = "dispute d1 is on file with other content, which stays; raise this one under an id of its own"
    assert decision.events == (DisputeRefused(**ABOUT, cause_id="fact-2", reason=reason),)
    assert story.case().reason == "wrong_amount"


def test_the_same_dispute_again_is_registered_for_its_new_cause_with_the_version_it_has() -> None:
    story = Story(raised(), reviewed())
    again = story.tell(raised(), "fact-2").events
    assert [(type(event), event.cause_id, event.version) for event in again] == [(DisputeRegistered, "fact-2", 1)]
    assert story.account.cases["d1"].status == "in_review"


def test_the_same_dispute_again_after_its_end_is_registered_and_ended_again() -> None:
    story = Story(raised(), reviewed(), decided())
    again = story.tell(raised(), "fact-2").events
    assert [(type(event), event.version) for event in again] == [(DisputeRegistered, 1), (DisputeResolved, 3)]


def test_a_dispute_resolved_twice_is_not_raised_again() -> None:
    story = Story(raised(), decided(), ReopenDispute("d1"), decided(outcome=WITHDRAWN))
    (refused,) = story.tell(raised(), "fact-2").events
    assert refused.reason == "dispute d1 was reopened once and resolved again; raise a new dispute under an id of its own"


def test_a_review_keeps_the_hold_and_raises_the_version() -> None:
    decision = Story(raised()).tell(reviewed(note="asked the warehouse"))
    assert decision.events == (DisputeReviewed(**ABOUT, version=2),)
    assert [type(row).__name__ for row in decision.rows] == ["CaseRow", "NoteRow"]


@pytest.mark.parametrize(
    ("disputed", "outcome", "told", "credit", "whole"),
    [
        (4_000, VALID, 0, 4_000, False),
        (4_000, VALID, 1_500, 1_500, False),
        (0, VALID, 0, 0, True),
        (0, VALID, 1_500, 1_500, False),
        (4_000, PARTLY_VALID, 1_500, 1_500, False),
        (0, PARTLY_VALID, 1_500, 1_500, False),
        (4_000, INVALID, 0, 0, False),
        (4_000, INVALID, 900, 0, False),
        (4_000, WITHDRAWN, 0, 0, False),
        (4_000, WITHDRAWN, 900, 0, False),
    ],
)
def test_an_outcome_credits_what_it_says(disputed: int, outcome: Any, told: int, credit: int, whole: bool) -> None:
    decision = Story(issued(), raised(minor=disputed)).tell(decided(outcome=outcome, credit=told))
    resolved = DisputeResolved(**ABOUT, outcome=outcome, currency="EUR", credit_minor=credit, credit_whole=whole, version=2)
    assert decision.events == (resolved,)


@pytest.mark.parametrize(
    ("decision", "note"),
    [
        (
            decided(outcome=PARTLY_VALID),
            "decision partly_valid not counted, the dispute stays open: the credit is 0.00 EUR, expected more than zero",
        ),
        (
            decided(outcome=VALID, credit=4_001),
            "decision valid not counted, the dispute stays open: the credit is 40.01 EUR, expected at most what is disputed, 40.00 EUR",
        ),
        (
            decided(outcome=77),
            "decision number 77 not counted, the dispute stays open: the outcome is 'number 77', "
            "expected valid, partly_valid, invalid, withdrawn",
        ),
    ],
)
def test_a_decision_that_cannot_be_is_noted_and_the_dispute_stays_open(decision: Any, note: str) -> None:
    story = Story(issued(), raised(minor=4_000), decision)
    assert (story.notes(), story.account.cases["d1"].status, story.said(DisputeResolved)) == ([note], "opened", [])


def test_another_decision_of_a_resolved_dispute_is_noted_and_the_first_stays() -> None:
    story = Story(raised(), decided(), decided(outcome=VALID))
    assert story.notes() == ["decision valid not counted, the dispute is resolved as invalid already; reopen it to decide anew"]
    assert story.case().outcome == "invalid"


def test_the_same_decision_again_is_silent() -> None:
    decision = Story(raised(), decided()).tell(decided())
    assert (decision.events, decision.rows) == ((), ())


def test_a_decision_before_its_dispute_waits_and_takes_effect_with_it() -> None:
    story = Story(decided(outcome=VALID, reason="agreed on the phone"), reviewed())
    assert story.notes() == ["decision valid came before its dispute and waits for it", "review came before its dispute and waits for it"]
    assert [type(event) for event in story.tell(raised()).events] == [DisputeRegistered, DisputeResolved]
    assert (story.case().status, story.case().credit_whole, story.account.early) == ("resolved", True, {})


def test_a_decision_of_a_refused_dispute_is_noted() -> None:
    story = Story(issued(), raised(currency="USD"), decided(outcome=VALID))
    assert story.notes()[-1].startswith("decision valid not counted, the dispute is refused: the dispute is of USD")


def test_a_decision_replayed_after_a_reopening_changes_nothing() -> None:
    story = Story()
    story.tell(raised(), "fact-1")
    story.tell(decided(outcome=VALID), "fact-2")
    story.tell(ReopenDispute("d1"))
    before = story.account
    story.tell(raised(), "fact-1")
    assert story.tell(decided(outcome=VALID), "fact-2").events == ()
    assert story.account is before


def test_facts_of_invoices_without_disputes_say_nothing() -> None:
    story = Story(issued(), settled(), reopened(), changed(balance("i1", 50, 3), balance("i2", 7, 1)))
    assert (story.events, story.rows) == ([], [])


def test_an_older_balance_changes_nothing() -> None:
    story = Story(issued(), settled(version=4))
    assert story.tell(reopened(version=3)).state.invoices["i1"].state == "settled"


def test_the_document_survives_its_packing() -> None:
    story = Story(issued(), raised(minor=40), reviewed(), decided(), decided("d2"), settled())
    packed = msgspec.msgpack.encode(story.account)
    assert msgspec.msgpack.decode(packed, type=DisputeAccount) == story.account


def test_the_same_decision_told_again_without_its_amount_is_no_other_decision() -> None:
    story = Story(issued(), raised(minor=4_000), decided(outcome=PARTLY_VALID, credit=2_000), decided(outcome=PARTLY_VALID))
    assert (story.notes(), [told.credit_minor for told in story.said(DisputeResolved)][:1]) == ([], [2_000])
