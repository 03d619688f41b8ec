"""What pays what, worked by hand."""

from paycue.events.v1.payment_pb2 import BalanceChanged, InvoiceReopened, InvoiceSettled, PaymentApplied
from tests.unit.payments.story import INVALID, PARTLY_VALID, VALID, Story, credit_note, invoice, payment, resolved, returned


def test_a_partial_payment_leaves_the_rest_open_and_says_so_once() -> None:
    story = Story([invoice("i1", 100), payment("p1", 30, "i1")])
    assert story.open() == {"i1": 70}
    (changed,) = story.said(BalanceChanged)
    assert [(b.invoice_id, b.open_minor, b.version, b.currency) for b in changed.balances] == [("i1", 70, 1, "EUR")]


def test_an_exact_payment_settles_its_invoice() -> None:
    story = Story([invoice("i1", 100), payment("p1", 100, "i1")])
    assert [(s.balance.open_minor, s.balance.version) for s in story.said(InvoiceSettled)] == [(0, 1)]


def test_the_named_invoices_are_paid_in_the_order_named() -> None:
    story = Story([invoice("i1", 100), invoice("i2", 100), payment("p1", 150, "i2", "i1")])
    assert story.open() == {"i1": 50, "i2": 0}


def test_what_overpays_a_named_invoice_is_credit_and_pays_no_other_open_one() -> None:
    story = Story([invoice("i1", 100), invoice("i2", 100, due=5), payment("p1", 130, "i1")])
    assert (story.open(), story.credit()) == ({"i1": 0, "i2": 100}, {"p1": 30})


def test_credit_pays_the_next_invoice_issued() -> None:
    story = Story([invoice("i1", 100), payment("p1", 130, "i1"), invoice("i2", 50, issued=15)])
    assert (story.open(), story.credit()) == ({"i1": 0, "i2": 20}, {})


def test_a_payment_without_references_pays_the_oldest_due_first() -> None:
    story = Story([invoice("i1", 100, due=20), invoice("i2", 100, due=15), payment("p1", 120)])
    assert story.open() == {"i1": 80, "i2": 0}


def test_the_oldest_due_is_paid_first_even_if_it_was_issued_later() -> None:
    assert Story([invoice("i1", 100, due=20), invoice("i2", 100, issued=5, due=15), payment("p1", 100)]).open() == {"i1": 100, "i2": 0}


def test_among_equal_due_dates_the_lower_invoice_id_is_paid_first() -> None:
    assert Story([invoice("i2", 100), invoice("i1", 100), payment("p1", 100)]).open() == {"i1": 0, "i2": 100}


def test_money_for_an_unknown_invoice_is_reserved_and_never_spent_on_the_oldest() -> None:
    story = Story([invoice("i1", 100), payment("p1", 80, "i9")])
    assert (story.open(), story.credit()) == ({"i1": 100}, {})
    (applied,) = story.said(PaymentApplied)
    assert [(r.invoice_id, r.amount_minor) for r in applied.reserved] == [("i9", 80)]


def test_every_unknown_invoice_that_a_payment_names_waits_for_it_though_the_first_has_all_the_money() -> None:
    story = Story([payment("p1", 150, "i8", "i9")])
    (applied,) = story.said(PaymentApplied)
    assert [(r.invoice_id, r.amount_minor) for r in applied.reserved] == [("i8", 150), ("i9", 0)]

    story.tell(invoice("i8", 100))
    story.tell(invoice("i9", 100))
    assert [(b.invoice_id, b.cause_id) for told in story.said(BalanceChanged) for b in told.balances] == [("i9", "")]


def test_a_reservation_is_spent_when_its_invoice_arrives_and_the_rest_becomes_credit() -> None:
    story = Story([payment("p1", 80, "i9"), invoice("i9", 50)])
    assert (story.open(), story.credit()) == ({"i9": 0}, {"p1": 30})
    assert [s.balance.version for s in story.said(InvoiceSettled)] == [1]


def test_an_invoice_that_was_paid_before_it_came_is_told_of_even_when_that_money_has_gone_back() -> None:
    story = Story([payment("p1", 80, "i9"), returned("r1", "p1"), invoice("i9", 50)])
    assert story.open() == {"i9": 50}
    (told,) = story.said(BalanceChanged)
    assert [(b.invoice_id, b.open_minor, b.version, b.cause_id) for b in told.balances] == [("i9", 50, 0, "")]


def test_named_invoices_that_are_known_are_paid_before_money_is_reserved() -> None:
    story = Story([invoice("i1", 100), payment("p1", 120, "i9", "i1")])
    assert story.open() == {"i1": 0}
    assert story.account.payments["p1"].reserved == (("i9", 20),)


def test_an_earlier_reference_keeps_later_unreferenced_money_from_its_invoice() -> None:
    story = Story([invoice("i1", 100), invoice("i2", 100, due=25), payment("p2", 100), payment("p1", 100, "i1", on=11)])
    assert story.open() == {"i1": 0, "i2": 0}
    assert story.allocations("p2") == {"i2": 100}


def test_a_credit_note_reduces_what_is_open() -> None:
    story = Story([invoice("i1", 100), credit_note("c1", "i1", 40), payment("p1", 60, "i1")])
    assert story.open() == {"i1": 0}
    assert story.account.invoices["i1"].credited_minor == 40


def test_a_credit_note_on_a_paid_invoice_gives_the_money_back_as_credit() -> None:
    story = Story([invoice("i1", 100), payment("p1", 100, "i1"), credit_note("c1", "i1", 40)])
    assert (story.open(), story.credit()) == ({"i1": 0}, {"p1": 40})


def test_a_credit_note_that_came_before_its_invoice_waits_for_it() -> None:
    assert Story([credit_note("c1", "i1", 40), invoice("i1", 100)]).open() == {"i1": 60}


def test_credits_never_exceed_the_invoice() -> None:
    story = Story([invoice("i1", 100), credit_note("c1", "i1", 80), credit_note("c2", "i1", 80)])
    assert (story.open(), story.account.invoices["i1"].credited_minor) == ({"i1": 0}, 100)


def test_a_return_before_its_payment_keeps_the_invoice_open_without_a_reopening() -> None:
    story = Story([invoice("i1", 100), returned("r1", "p1"), payment("p1", 100, "i1")])
    assert story.open() == {"i1": 100}
    assert story.account.payments["p1"].returned_minor == 100
    assert not story.said(InvoiceSettled)
    assert len(story.said(PaymentApplied)) == 1


def test_a_return_of_an_unknown_payment_is_recorded() -> None:
    story = Story([returned("r1", "p9")])
    assert story.account.returns.keys() == {"r1"}


def test_a_returned_payment_reopens_its_settled_invoice_with_the_banks_reason() -> None:
    story = Story([invoice("i1", 100), payment("p1", 100, "i1"), returned("r1", "p1")])
    (reopened,) = story.said(InvoiceReopened)
    balance = reopened.balance
    assert (balance.open_minor, balance.version, balance.reopening) == (100, 2, 1)
    assert reopened.reason == "returned_direct_debit AC04"


def test_an_invoice_that_is_paid_and_returned_twice_is_reopened_twice() -> None:
    first = [invoice("i1", 100), payment("p1", 100, "i1"), returned("r1", "p1")]
    story = Story([*first, payment("p2", 100, "i1"), returned("r2", "p2")])
    assert [r.balance.reopening for r in story.said(InvoiceReopened)] == [1, 2]


def test_a_partial_chargeback_takes_the_last_named_first() -> None:
    story = Story([invoice("i1", 100), invoice("i2", 100), payment("p1", 200, "i1", "i2"), returned("r1", "p1", 30)])
    assert story.open() == {"i1": 0, "i2": 30}


def test_a_return_takes_credit_before_it_opens_an_invoice() -> None:
    story = Story([invoice("i1", 100), payment("p1", 150, "i1"), returned("r1", "p1", 40)])
    assert (story.open(), story.credit()) == ({"i1": 0}, {"p1": 10})


def test_a_return_of_a_partly_paying_payment_changes_the_balance_and_reopens_nothing() -> None:
    story = Story([invoice("i1", 100), payment("p1", 60, "i1"), returned("r1", "p1")])
    assert not story.said(InvoiceReopened)
    balances = [b for event in story.said(BalanceChanged) for b in event.balances]
    assert [(b.open_minor, b.reopening) for b in balances] == [(40, 0), (100, 0)]


def test_more_returned_than_came_counts_as_all_of_it() -> None:
    story = Story([invoice("i1", 100), payment("p1", 100, "i1"), returned("r1", "p1", 70), returned("r2", "p1", 70)])
    assert story.account.payments["p1"].returned_minor == 100


def test_currencies_never_mix() -> None:
    facts = [invoice("i1", 100), invoice("i2", 100, currency="USD"), payment("p1", 70, currency="USD"), payment("p2", 40, "i2")]
    story = Story(facts)
    assert (story.open(), story.credit()) == ({"i1": 100, "i2": 30}, {"p2": 40})


def test_a_reservation_for_an_invoice_that_turns_out_to_be_of_another_currency_becomes_credit_of_its_own() -> None:
    story = Story([payment("p1", 70, "i1"), invoice("i1", 100, currency="USD"), invoice("i2", 50, issued=12)])
    assert (story.open(), story.credit()) == ({"i1": 100, "i2": 0}, {"p1": 20})


def test_a_valid_dispute_of_the_whole_invoice_credits_what_is_open() -> None:
    story = Story([invoice("i1", 100), payment("p1", 30, "i1"), resolved("d1", "i1", VALID, whole=True)])
    assert (story.open(), story.account.invoices["i1"].credited_minor, story.credit()) == ({"i1": 0}, 70, {})


def test_money_without_references_is_not_drawn_to_an_invoice_credited_whole() -> None:
    story = Story([invoice("i1", 100), invoice("i2", 100, due=25), resolved("d1", "i1", VALID, whole=True), payment("p1", 100)])
    assert story.open() == {"i1": 0, "i2": 0}


def test_a_partly_valid_dispute_credits_its_amount_and_no_more_than_the_invoice() -> None:
    partly = resolved("d1", "i1", PARTLY_VALID, 30)
    assert Story([invoice("i1", 100), partly]).open() == {"i1": 70}
    assert Story([partly, invoice("i1", 20)]).open() == {"i1": 0}


def test_an_invalid_dispute_credits_nothing() -> None:
    story = Story([invoice("i1", 100), resolved("d1", "i1", INVALID, 30)])
    assert story.open() == {"i1": 100}
    assert not story.events


def test_the_later_resolution_of_a_dispute_replaces_the_earlier_whichever_comes_first() -> None:
    valid, invalid = resolved("d1", "i1", VALID, 30, version=2), resolved("d1", "i1", INVALID, version=4)
    assert Story([invoice("i1", 100), valid, invalid]).open() == {"i1": 100}
    assert Story([invoice("i1", 100), invalid, valid]).open() == {"i1": 100}


def test_an_older_invoice_that_comes_late_takes_unreferenced_money_back_without_counting_as_a_reopening() -> None:
    story = Story([invoice("i2", 100, due=20), payment("p1", 100), invoice("i1", 100, due=15)])
    assert story.open() == {"i1": 0, "i2": 100}
    (reopened,) = story.said(InvoiceReopened)
    assert (reopened.balance.invoice_id, reopened.balance.reopening, reopened.reason) == ("i2", 0, "reallocated")


def test_a_dispute_that_turns_out_invalid_after_all_opens_its_invoice_again() -> None:
    story = Story([invoice("i1", 100), resolved("d1", "i1", VALID, whole=True), resolved("d1", "i1", INVALID, version=2)])
    assert [(r.balance.open_minor, r.balance.reopening, r.reason) for r in story.said(InvoiceReopened)] == [
        (100, 0, "dispute no longer credited")
    ]


def test_of_two_payments_that_name_one_invoice_the_one_received_first_pays_it() -> None:
    earlier, later = payment("p9", 80, "i1", on=5), payment("p1", 80, "i1", on=6)
    for facts in ([earlier, later], [later, earlier]):
        story = Story([invoice("i1", 100), *facts])
        assert (story.allocations("p9"), story.allocations("p1"), story.credit()) == ({"i1": 80}, {"i1": 20}, {"p1": 60})


def test_a_return_or_a_credit_of_another_currency_moves_nothing() -> None:
    story = Story([invoice("i1", 100), payment("p1", 60, "i1")])
    story.tell(returned("r1", "p1", 60, currency="USD"))
    story.tell(credit_note("c1", "i1", 40, currency="USD"))
    dispute = resolved("d1", "i1", VALID, 40)
    dispute.currency = "USD"
    story.tell(dispute)
    assert (story.open(), story.allocations("p1")) == ({"i1": 40}, {"i1": 60})
