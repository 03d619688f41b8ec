"""Every order and duplication of a history ends in the same balances, and what was said last is what is true."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from paycue.events.v1.payment_pb2 import BalanceChanged, InvoiceBalance, PaymentApplied, PaymentReceived, PaymentRejected
from services.payments.domain.account import PaymentAccount
from services.payments.domain.rows import AllocationRow, InvoiceRow, LedgerEntry, PaymentRow
from tests.unit.payments.story import INVALID, PARTLY_VALID, VALID, Story, credit_note, invoice, payment, resolved, returned

INVOICES, PAYMENTS = ("i1", "i2", "i3", "i4"), ("p1", "p2", "p3", "p4")
minor = st.integers(1, 120)
currency = st.sampled_from(["EUR", "EUR", "EUR", "USD"])
names = st.lists(st.sampled_from([*INVOICES, "i9"]), max_size=3, unique=True)

an_invoice = st.builds(
    lambda key, amount, issued, term, money: invoice(key, amount, issued=issued, due=issued + term, currency=money),
    *(st.sampled_from(INVOICES), minor, st.integers(1, 12), st.integers(0, 15), currency),
)
a_payment = st.builds(
    lambda key, amount, invoices, on, money: payment(key, amount, *invoices, on=on, currency=money),
    *(st.sampled_from(PAYMENTS), minor, names, st.integers(1, 14), currency),
)
a_return = st.builds(
    lambda key, of, amount: returned(f"r{key}", of, amount),
    *(st.integers(1, 3), st.sampled_from([*PAYMENTS, "p9"]), st.integers(0, 80)),
)
a_credit_note = st.builds(
    lambda key, of, amount: credit_note(f"c{key}", of, amount),
    *(st.integers(1, 3), st.sampled_from([*INVOICES, "i9"]), minor),
)
a_resolution = st.builds(
    lambda key, of, outcome, amount, whole, version: resolved(f"d{key}", of, outcome, amount, whole=whole, version=version),
    *(st.integers(1, 2), st.sampled_from(INVOICES), st.sampled_from([VALID, PARTLY_VALID, INVALID]), st.integers(0, 80)),
    *(st.booleans(), st.integers(1, 3)),
)


def natural_key(fact: Any) -> tuple[Any, ...]:
    """One content per key: an account's facts of one topic come in order, so that the first content is the same for all."""
    keys = ("dispute_id", "version", "return_id", "credit_note_id", "payment_id", "invoice_id")
    own = [(key, getattr(fact, key)) for key in keys if hasattr(fact, key)]
    return (type(fact), *own[: 2 if own[0][0] == "dispute_id" else 1])


facts = st.lists(
    st.one_of(an_invoice, an_invoice, a_payment, a_payment, a_return, a_credit_note, a_resolution),
    min_size=1,
    max_size=16,
    unique_by=natural_key,
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """A history, and the same one in another order with some facts told twice."""
    history = draw(facts)
    again = draw(st.lists(st.sampled_from(history), max_size=4))
    return history, draw(st.permutations(history + again))


@settings(max_examples=200, deadline=None)
@given(histories())
def test_every_order_of_a_history_ends_in_the_same_balances(pair: tuple[list[Any], list[Any]]) -> None:
    history, other = pair
    assert Story(history).balances() == Story(other).balances()


@settings(max_examples=200, deadline=None)
@given(histories())
def test_versions_grow_by_one_and_the_last_balance_said_is_the_one_that_stands(pair: tuple[list[Any], list[Any]]) -> None:
    story = Story(pair[1])
    last: dict[str, InvoiceBalance] = {}
    for balance in said_balances(story):
        # 0: an invoice that money came for before it did is told of at its arrival, changed or not.
        expected = {last[balance.invoice_id].version + 1} if balance.invoice_id in last else {0, 1}
        assert balance.version in expected
        last[balance.invoice_id] = balance
    for key, invoice_ in story.account.invoices.items():
        open_minor, version = (last[key].open_minor, last[key].version) if key in last else (invoice_.amount_minor, 0)
        assert (open_minor, version) == (invoice_.open_minor, invoice_.version)


@settings(max_examples=200, deadline=None)
@given(histories())
def test_every_payment_told_gets_exactly_one_answer_under_its_cause(pair: tuple[list[Any], list[Any]]) -> None:
    story = Story(pair[1])
    causes = [f"cause-{n}" for n, fact in enumerate(pair[1], 1) if isinstance(fact, PaymentReceived)]
    assert [event.cause_id for event in story.events if isinstance(event, PaymentApplied | PaymentRejected)] == causes


@settings(max_examples=200, deadline=None)
@given(histories())
def test_the_entries_add_up_to_the_balances_and_the_lists_show_them(pair: tuple[list[Any], list[Any]]) -> None:
    story = Story(pair[1])
    books: Counter[tuple[str, str]] = Counter()
    for entry in story.wrote(LedgerEntry):
        assert entry.amount_minor > 0
        for side, sign in ((entry.debit, 1), (entry.credit, -1)):
            books[side, entry.invoice_id if side == "receivable" else entry.payment_id] += sign * entry.amount_minor
    for key, invoice_ in story.account.invoices.items():
        assert books["receivable", key] == invoice_.open_minor
    for key, paid in story.account.payments.items():
        reserved = sum(amount for _, amount in paid.reserved)
        assert (books["unallocated", key], books["reserved", key]) == (-paid.unallocated_minor, -reserved)
        assert books["cash", key] == paid.amount_minor - paid.returned_minor


@settings(max_examples=200, deadline=None)
@given(histories())
def test_the_lists_show_the_state_and_the_document_survives_its_store(pair: tuple[list[Any], list[Any]]) -> None:
    story = Story(pair[1])
    invoices = {row.invoice_id: (row.open_minor, row.version) for row in story.wrote(InvoiceRow)}
    assert invoices == {key: (i.open_minor, i.version) for key, i in story.account.invoices.items()}
    payments = {row.payment_id: (row.unallocated_minor, row.returned_minor) for row in story.wrote(PaymentRow)}
    assert payments == {key: (p.unallocated_minor, p.returned_minor) for key, p in story.account.payments.items()}
    parts = {(row.payment_id, row.invoice_id): row.amount_minor for row in story.wrote(AllocationRow)}
    spent = {(key, name): amount for key, p in story.account.payments.items() for name, amount in p.allocations}
    assert {key: amount for key, amount in parts.items() if amount} == spent
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(story.account), type=PaymentAccount) == story.account


def said_balances(story: Story) -> list[InvoiceBalance]:
    """Every balance in the order said."""
    said: list[InvoiceBalance] = []
    for event in story.events:
        if isinstance(event, BalanceChanged):
            said += event.balances
        elif hasattr(event, "balance"):
            said.append(event.balance)
    return said
