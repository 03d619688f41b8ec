"""What the handlers say: one answer per payment, notes of what did not count, refusals that tell a person what to do."""

from datetime import date, timedelta
from typing import Any

import pytest

from paycue.decision import Refused
from paycue.events.v1.payment_pb2 import BalanceChanged, InvoiceReopened, InvoiceSettled, PaymentApplied, PaymentRejected
from services.payments.domain.commands import CreatePaymentLink, IssueCreditNote, RecordPayment, RecordReturn
from services.payments.domain.rows import AllocationRow, InvoiceRow, LedgerEntry, LedgerNote, PaymentLinkRow, PaymentRow
from tests.unit.payments.story import NOW, PARTLY_VALID, Story, credit_note, invoice, payment, resolved, returned


def record(key: str, minor: int, *names: str, currency: str = "EUR") -> RecordPayment:
    return RecordPayment(key, currency, minor, date(2013, 1, 10), names)


def test_an_invoice_says_nothing_if_nothing_waited_for_it() -> None:
    assert Story([invoice("i1", 100)]).events == []


def test_the_answer_to_a_payment_follows_the_balances_it_changed() -> None:
    story = Story([invoice("i1", 100), invoice("i2", 100), payment("p1", 130, "i1", "i2")])
    assert [type(event) for event in story.events] == [InvoiceSettled, BalanceChanged, PaymentApplied]


def test_a_balance_names_the_fact_that_changed_it() -> None:
    facts = [invoice("i1", 100), payment("p1", 40, "i1"), credit_note("c1", "i1", 5), returned("r1", "p1"), payment("p2", 9, "i2")]
    story = Story([*facts, resolved("d1", "i1", PARTLY_VALID, 20), invoice("i2", 50)])
    assert [b.cause_id for event in story.said(BalanceChanged) for b in event.balances] == ["p1", "c1", "r1", "d1", ""]


def test_the_same_payment_under_another_event_id_is_answered_under_that_id_and_changes_nothing() -> None:
    story = Story([invoice("i1", 100)])
    story.tell(payment("p1", 30, "i1"), cause="first")
    again = story.tell(payment("p1", 30, "i1"), cause="second")
    assert [(a.cause_id, a.payment_id) for a in story.said(PaymentApplied)] == [("first", "p1"), ("second", "p1")]
    assert (again.rows, len(again.events), story.open()) == ((), 1, {"i1": 70})


def test_the_same_payment_id_with_other_content_is_rejected_with_the_reason() -> None:
    story = Story([invoice("i1", 100), payment("p1", 30, "i1")])
    story.tell(payment("p1", 40, "i1"), cause="other")
    (rejected,) = story.said(PaymentRejected)
    assert (rejected.cause_id, story.open()) == ("other", {"i1": 70})
    assert rejected.reason == "payment p1 is in the ledger with other content, which stays; what was told now needs an id of its own"
    assert len(story.wrote(LedgerNote)) == 1


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        (payment("p1", 0), "the amount is 0 minor units, expected more than zero"),
        (payment("p1", -5), "the amount is -5 minor units, expected more than zero"),
        (payment("p1", 5, currency="XYZ"), "the currency is 'XYZ', expected one of ISO 4217, such as EUR"),
    ],
)
def test_a_payment_that_cannot_be_is_rejected_and_leaves_no_trace_in_the_balances(fact: Any, reason: str) -> None:
    story = Story([fact])
    assert [(r.payment_id, r.cause_id, r.reason) for r in story.said(PaymentRejected)] == [("p1", "cause-1", reason)]
    assert not story.account.payments


def test_a_rejected_payment_may_be_told_again_correctly() -> None:
    assert Story([payment("p1", 0), payment("p1", 50)]).credit() == {"p1": 50}


def test_an_invoice_told_again_with_other_content_keeps_the_first_and_leaves_a_note() -> None:
    story = Story([invoice("i1", 100), invoice("i1", 900)])
    assert story.open() == {"i1": 100}
    assert [note.text[:45] for note in story.wrote(LedgerNote)] == ["invoice i1 is in the ledger with other conten"]


def test_every_fact_that_does_not_count_leaves_one_note() -> None:
    story = Story([invoice("i1", 100), payment("p1", 50, "i1", currency="USD"), credit_note("c1", "i1", 150), credit_note("c1", "i1", 150)])
    story.tell(returned("r1", "p1", currency="EUR"))
    assert [note.text for note in story.wrote(LedgerNote)] == [
        "payment p1 of USD names invoice i1 of EUR: not spent on it",
        "credits of invoice i1 exceed it by 0.50 EUR: not counted",
        "return r1 is of EUR, its payment p1 of USD: not counted",
    ]


def test_the_ledger_enters_each_movement_twice_over() -> None:
    story = Story([invoice("i1", 100), payment("p1", 130, "i1"), returned("r1", "p1", 50)])
    assert [(e.debit, e.credit, e.invoice_id, e.payment_id, e.amount_minor) for e in story.wrote(LedgerEntry)] == [
        ("receivable", "revenue", "i1", "", 100),
        ("cash", "unallocated", "", "p1", 130),
        ("unallocated", "receivable", "i1", "p1", 100),
        ("receivable", "unallocated", "i1", "p1", 20),
        ("unallocated", "cash", "", "p1", 50),
    ]
    assert [e.cause for e in story.wrote(LedgerEntry)] == ["cause-1", "cause-2", "cause-2", "cause-3", "cause-3"]


def test_entries_and_notes_have_ids_of_their_own() -> None:
    story = Story([invoice("i1", 100), payment("p1", 130, "i1"), invoice("i1", 5), returned("r1", "p1", 50)])
    ids = [e.entry_id for e in story.wrote(LedgerEntry)] + [n.note_id for n in story.wrote(LedgerNote)]
    assert len(ids) == len(set(ids)) == 6


def test_lists_show_invoice_payment_and_allocation_as_they_stand() -> None:
    story = Story([payment("p1", 80, "i1"), invoice("i1", 100)])
    assert story.wrote(InvoiceRow)[-1].open_minor == 20
    assert [(r.reserved_minor, r.allocated_minor, r.state) for r in story.wrote(PaymentRow)] == [(80, 0, "received"), (0, 80, "received")]
    assert [(r.amount_minor, r.reserved_minor) for r in story.wrote(AllocationRow)] == [(0, 80), (80, 0)]


def test_a_payment_recorded_by_hand_is_answered_as_it_stands() -> None:
    view = Story([invoice("i1", 100)]).tell(record("p1", 130, "i1", "i9")).answer
    assert [(part.invoice_id, part.amount_minor) for part in view.allocations + view.reserved] == [("i1", 100), ("i9", 30)]


def test_a_payment_recorded_by_hand_and_heard_from_the_erp_is_one() -> None:
    story = Story([invoice("i1", 100), record("p1", 60, "i1"), payment("p1", 60, "i1")])
    assert story.open() == {"i1": 40}


_GIVEN = (
    invoice("i1", 100), payment("p1", 60, "i1"), credit_note("c0", "i1", 10), invoice("i2", 10), payment("p0", 10, "i2")
)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (record("p1", 70, "i1"), 409),
        (record("p2", 0), 422),
        (record("p2", 10, currency="XYZ"), 422),
        (record("p2", 10, "i1", currency="USD"), 422),
        (RecordReturn("r1", "p9", "chargeback"), 404),
        (RecordReturn("r1", "p1", "chargeback", currency="USD"), 422),
        (RecordReturn("r1", "p1", "chargeback", amount_minor=61), 422),
        (RecordReturn("r1", "p1", "chargeback", amount_minor=-1), 422),
        (IssueCreditNote("c1", "i9", "EUR", 10, ""), 404),
        (IssueCreditNote("c1", "i1", "USD", 10, ""), 422),
        (IssueCreditNote("c1", "i1", "EUR", 101, ""), 422),
        (IssueCreditNote("c1", "i1", "EUR", 0, ""), 422),
        (CreatePaymentLink(("i9",)), 404),
        (CreatePaymentLink(("i2",)), 409),
        (CreatePaymentLink(valid_days=0), 422),
        (CreatePaymentLink(valid_days=91), 422),
        (IssueCreditNote("c0", "i1", "EUR", 11, "short delivery"), 409),
    ],
)
def test_a_command_that_cannot_be_obeyed_is_refused(command: Any, status: int) -> None:
    with pytest.raises(Refused) as refused:
        Story(_GIVEN).tell(command)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "command",
    [
        *(RecordReturn("r1", "p1", "chargeback", amount_minor=minor) for minor in (0, 1, 60)),
        *(IssueCreditNote("c1", "i1", "EUR", minor, "") for minor in (1, 90)),
        *(CreatePaymentLink(valid_days=days) for days in (1, 90)),
    ],
)
def test_the_least_and_the_most_that_may_be_asked_for_is_done(command: Any) -> None:
    assert Story(_GIVEN).tell(command).answer


def test_a_return_recorded_by_hand_twice_counts_once() -> None:
    story = Story([invoice("i1", 100), payment("p1", 100, "i1")])
    back = RecordReturn("r1", "p1", "chargeback", "4853")
    assert story.tell(back).answer == story.tell(back).answer
    assert (story.open(), story.account.invoices["i1"].reopening) == ({"i1": 100}, 1)
    assert [(r.balance.cause_id, r.reason) for r in story.said(InvoiceReopened)] == [("r1", "chargeback 4853")]


def test_a_credit_note_by_hand_is_answered_with_its_invoice() -> None:
    view = Story([invoice("i1", 100)]).tell(IssueCreditNote("c1", "i1", "EUR", 40, "goodwill")).answer
    assert (view.invoice.open_minor, view.invoice.credited_minor, view.amount_minor) == (60, 40, 40)


def test_a_link_to_all_shows_what_is_open_oldest_due_first_per_currency() -> None:
    facts = [invoice("i1", 100), invoice("i2", 50, due=9), invoice("i3", 70, currency="USD"), invoice("i4", 5), payment("p1", 5, "i4")]
    decision = Story(facts).tell(CreatePaymentLink())
    terms = decision.answer
    assert (terms.invoice_ids, terms.open_minor) == (("i2", "i1", "i3"), {"EUR": 150, "USD": 70})
    assert terms.expires_at == NOW + timedelta(days=14)
    assert [type(row) for row in decision.rows] == [PaymentLinkRow]


def test_a_link_to_some_shows_only_those() -> None:
    terms = Story([invoice("i1", 100), invoice("i2", 50)]).tell(CreatePaymentLink(("i2",), valid_days=3)).answer
    assert terms.invoice_ids == ("i2",)
