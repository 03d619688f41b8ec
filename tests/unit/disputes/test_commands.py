"""What people ask over the API: done as an ERP's facts are, answered with the dispute, refused in words that say what to do."""

from typing import Any

import pytest

from paycue.decision import Refused
from paycue.events.v1.dispute_pb2 import DisputeRegistered, DisputeResolved, DisputeReviewed
from services.disputes.domain.commands import AddNote, DisputeView, OpenDispute, ReopenDispute, ResolveDispute, StartReview
from tests.unit.disputes.story import NOW, VALID, Story, decided, issued, raised, reviewed, settled


def refusal(story: Story, command: Any) -> Refused:
    before = story.account
    with pytest.raises(Refused) as caught:
        story.tell(command)
    assert story.account is before
    return caught.value


def test_opening_answers_the_dispute_with_its_invoice() -> None:
    story = Story(issued())
    answer: DisputeView = story.tell(
        OpenDispute("i1", "quality", "d1", disputed_minor=4_000, note="scratched", by="kim"), "command-1"
    ).answer
    assert answer.dispute == story.case()
    assert (answer.dispute.status, answer.invoice_state, answer.open_minor) == ("opened", "open", 10_000)
    assert [(note.author, note.text, note.internal) for note in answer.notes] == [("kim", "scratched", True)]
    assert [event.cause_id for event in story.said(DisputeRegistered)] == ["command-1"]


def test_a_dispute_without_an_id_gets_the_same_one_for_the_same_command() -> None:
    first, second = (Story().tell(OpenDispute("i1", "fraud"), "command-1").answer.dispute.dispute_id for _ in range(2))
    assert first == second
    assert Story().tell(OpenDispute("i1", "fraud"), "command-2").answer.dispute.dispute_id != first


@pytest.mark.parametrize(("facts", "state"), [((), "unknown"), ((issued(), settled()), "settled")])
def test_settled_and_unknown_invoices_can_be_disputed(facts: tuple[Any, ...], state: str) -> None:
    answer: DisputeView = Story(*facts).tell(OpenDispute("i1", "already_paid")).answer
    assert (answer.dispute.status, answer.invoice_state) == ("opened", state)


def test_opening_the_same_dispute_again_answers_it_as_it_stands() -> None:
    story = Story(issued(), raised(), reviewed())
    answer: DisputeView = story.tell(OpenDispute("i1", "wrong_amount", "d1", "EUR")).answer
    assert (answer.dispute.status, answer.dispute.version) == ("in_review", 2)


def test_a_decision_that_waited_resolves_what_a_person_opens() -> None:
    assert Story(decided(outcome=VALID)).tell(OpenDispute("i1", "other", "d1")).answer.dispute.outcome == "valid"


@pytest.mark.parametrize(
    ("command", "status", "detail"),
    [
        (OpenDispute("i1", "bored"), 422, "the reason is 'bored', expected one of wrong_amount, already_paid"),
        (OpenDispute("i1", "fraud", currency="XXQ"), 422, "the currency is 'XXQ', expected one of ISO 4217"),
        (OpenDispute("i1", "fraud", currency="USD"), 422, "the dispute is of USD, invoice i1 of EUR"),
        (OpenDispute("i1", "fraud", disputed_minor=10_001), 422, "100.01 EUR is disputed of invoice i1, which is of 100.00 EUR"),
        (OpenDispute("i1", "fraud", disputed_minor=-1), 422, "the disputed amount is below zero"),
        (OpenDispute("i9", "fraud", disputed_minor=5), 422, "invoice i9 is not known yet, nor is its currency; name the currency"),
        (OpenDispute("i1", "fraud", "d1"), 409, "dispute d1 is on file with other content; take another id"),
        (OpenDispute("i1", "wrong_amount", "d2", "EUR"), 409, "dispute d2 was resolved as invalid; reopen it"),
        (StartReview("d9"), 404, "there is no dispute 'd9' on this account; open it first"),
        (StartReview("d2"), 409, "dispute d2 was resolved as invalid; reopen it"),
        (StartReview("d3"), 409, "dispute d3 was refused: the dispute is of USD"),
        (ResolveDispute("d9", "valid"), 404, "there is no dispute 'd9'"),
        (ResolveDispute("d2", "valid"), 409, "dispute d2 was resolved as invalid; reopen it"),
        (ResolveDispute("d1", "maybe"), 422, "the outcome is 'maybe', expected valid, partly_valid, invalid, withdrawn"),
        (ResolveDispute("d1", "partly_valid"), 422, "the credit is 0.00 EUR, expected more than zero"),
        (ResolveDispute("d1", "partly_valid", -4), 422, "the credit is -0.04 EUR, expected more than zero"),
        (ResolveDispute("d1", "partly_valid", 10_001), 422, "invoice i1 is of 100.00 EUR; credit that much at most"),
        (ResolveDispute("d1", "invalid", 5), 422, "a dispute that is invalid credits nothing; leave the credit out"),
        (ResolveDispute("d1", "withdrawn", 5), 422, "a dispute that is withdrawn credits nothing; leave the credit out"),
        (ResolveDispute("d1", "valid", 5, currency="USD"), 422, "the credit is in USD, the dispute in EUR"),
        (ReopenDispute("d9"), 404, "there is no dispute 'd9'"),
        (ReopenDispute("d1"), 409, "dispute d1 is opened; only a resolved dispute can be reopened"),
        (AddNote("d9", "hm"), 404, "there is no dispute 'd9'"),
        (AddNote("d1", "  "), 422, "the note has no text"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(command: Any, status: int, detail: str) -> None:
    refused = refusal(Story(issued(), raised(), raised("d2"), decided("d2"), raised("d3", currency="USD")), command)
    assert refused.status == status
    assert refused.detail.startswith(detail)


def test_a_review_is_said_once() -> None:
    story = Story(raised(), StartReview("d1", "called the carrier", "kim"), StartReview("d1", "called again", "kim"))
    assert [event.version for event in story.said(DisputeReviewed)] == [2]
    assert story.notes() == ["called the carrier", "called again"]


def test_resolving_credits_and_dates_the_outcome() -> None:
    story = Story(issued(), raised(minor=4_000))
    answer: DisputeView = story.tell(ResolveDispute("d1", "partly_valid", 1_500, "half the goods came", "kim")).answer
    assert (answer.dispute.outcome, answer.dispute.credit_minor, answer.dispute.decided_at) == ("partly_valid", 1_500, NOW)
    assert [(event.credit_minor, event.version) for event in story.said(DisputeResolved)] == [(1_500, 2)]


def test_a_reopened_dispute_is_registered_anew_under_a_higher_version() -> None:
    story = Story(raised(), decided(outcome=VALID))
    answer: DisputeView = story.tell(ReopenDispute("d1", "the debtor sent proof"), "command-1").answer
    registered = story.said(DisputeRegistered)[-1]
    assert (registered.cause_id, registered.version) == ("command-1", 3)
    row = answer.dispute
    assert (row.status, row.outcome, row.credit_whole, row.decided_at, row.reopened) == ("opened", "", False, None, True)


def test_a_dispute_is_reopened_once() -> None:
    story = Story(raised(), decided(), ReopenDispute("d1"), ResolveDispute("d1", "valid"))
    assert refusal(story, ReopenDispute("d1")).detail == "dispute d1 was resolved again as valid; open a new dispute"


def test_a_note_carries_its_evidence_and_says_nothing_to_others() -> None:
    decision = Story(raised()).tell(AddNote("d1", "signed delivery note", internal=False, evidence="dms:4711", by="kim"))
    (note,) = decision.rows
    assert decision.answer.notes == (note,)
    assert (note.author, note.internal, note.text, note.evidence) == ("kim", False, "signed delivery note", "dms:4711")  # type: ignore[attr-defined]
    assert decision.events == ()
