"""What the API takes and shows: wrong values are refused by the name of their field, amounts are text in their currency."""

import typing
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from services.disputes.domain import account, lifecycle
from services.disputes.domain.commands import AddNote
from services.disputes.domain.lifecycle import Reason
from services.disputes.schemas import DisputeIn, NoteIn, Outcome, ResolutionIn, Status, dispute_done, dispute_out
from tests.unit.disputes.story import PARTLY_VALID, VALID, Story, decided, issued, raised

CLAIM = {"invoice_id": "i1", "reason": "quality"}
PRICED = {**CLAIM, "currency": "USD"}
CREDIT = {"outcome": "partly_valid", "currency": "USD"}


def faults(kind: type[BaseModel], body: dict[str, Any]) -> set[str]:
    """The fields that are refused."""
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(body)
    return {str(error["loc"][0]) for error in caught.value.errors()}


def test_the_words_of_the_api_are_those_of_the_domain() -> None:
    assert typing.get_args(Reason) == lifecycle.REASONS
    assert typing.get_args(Outcome) == lifecycle.OUTCOMES
    assert typing.get_args(Status) == (account.OPENED, account.IN_REVIEW, account.RESOLVED, account.REFUSED)


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (DisputeIn, {"reason": "quality"}, "invoice_id"),
        (DisputeIn, {**CLAIM, "invoice_id": ""}, "invoice_id"),
        (DisputeIn, {**CLAIM, "invoice_id": "x" * 65}, "invoice_id"),
        (DisputeIn, {**CLAIM, "invoice_id": "i\n1"}, "invoice_id"),
        (DisputeIn, {**CLAIM, "reason": "bored"}, "reason"),
        (DisputeIn, {**CLAIM, "dispute_id": ""}, "dispute_id"),
        (DisputeIn, {**CLAIM, "dispute_id": "d\u20281"}, "dispute_id"),
        (DisputeIn, {**CLAIM, "dispute_id": "x" * 129}, "dispute_id"),
        (DisputeIn, {**CLAIM, "currency": "XXQ"}, "currency"),
        (DisputeIn, {**CLAIM, "currency": "usd"}, "currency"),
        (DisputeIn, {**CLAIM, "disputed_amount": "5.00"}, "disputed_amount"),
        (DisputeIn, {**PRICED, "disputed_amount": 5}, "disputed_amount"),
        (DisputeIn, {**PRICED, "disputed_amount": "5,00"}, "disputed_amount"),
        (DisputeIn, {**PRICED, "disputed_amount": "5.005"}, "disputed_amount"),
        (DisputeIn, {**PRICED, "disputed_amount": "0.00"}, "disputed_amount"),
        (DisputeIn, {**PRICED, "disputed_amount": "-5.00"}, "disputed_amount"),
        (DisputeIn, {**PRICED, "disputed_amount": "1e9"}, "disputed_amount"),
        (DisputeIn, {**PRICED, "disputed_amount": "9" * 30}, "disputed_amount"),
        (DisputeIn, {**CLAIM, "currency": "JPY", "disputed_amount": "5.5"}, "disputed_amount"),
        (DisputeIn, {**CLAIM, "note": "x" * 4001}, "note"),
        (DisputeIn, {**CLAIM, "by": "erp"}, "by"),
        (ResolutionIn, {"outcome": "maybe"}, "outcome"),
        (ResolutionIn, {"outcome": "partly_valid", "credit_amount": "5.00"}, "credit_amount"),
        (ResolutionIn, {**CREDIT, "credit_amount": "0"}, "credit_amount"),
        (NoteIn, {}, "text"),
        (NoteIn, {"text": " \n"}, "text"),
        (NoteIn, {"text": "x", "internal": "no"}, "internal"),
        (NoteIn, {"text": "x", "evidence": "e" * 2001}, "evidence"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_field(kind: type[BaseModel], body: dict[str, Any], field: str) -> None:
    assert faults(kind, body) == {field}


def test_amounts_become_minor_units_of_their_currency() -> None:
    assert DisputeIn.model_validate({**PRICED, "disputed_amount": "40.5"}).disputed_minor == 4_050
    assert DisputeIn.model_validate({**CLAIM, "currency": "KWD", "disputed_amount": "1.5"}).disputed_minor == 1_500
    assert ResolutionIn.model_validate({**CREDIT, "credit_amount": "15"}).credit_minor == 1_500


def test_an_amount_left_out_is_none_given() -> None:
    assert DisputeIn.model_validate(CLAIM).disputed_minor == 0
    assert ResolutionIn.model_validate({"outcome": "valid"}).credit_minor == 0


def test_a_part_of_an_amount_is_shown_with_the_currencys_decimals() -> None:
    row = Story(raised(minor=4_000), decided(outcome=PARTLY_VALID, credit=1_500)).case()
    shown = dispute_out("a1", row)
    assert (shown.account_id, shown.disputed_whole, shown.disputed_amount, shown.credit_amount) == ("a1", False, "40.00", "15.00")


def test_the_whole_invoice_is_shown_as_such_and_not_as_an_amount() -> None:
    shown = dispute_out("a1", Story(raised(), decided(outcome=VALID)).case())
    assert (shown.disputed_whole, shown.disputed_amount, shown.credit_whole, shown.credit_amount) == (True, None, True, None)


def test_an_amount_without_a_currency_is_not_shown_as_a_number() -> None:
    shown = dispute_out("a1", Story(raised(minor=4_000, currency="")).case())
    assert (shown.currency, shown.disputed_whole, shown.disputed_amount) == (None, False, None)


def test_what_is_open_is_shown_in_the_invoices_currency_even_if_the_dispute_names_another() -> None:
    story = Story(issued(currency="JPY"), raised(currency="EUR"))
    shown = dispute_done("a1", story.tell(AddNote("d1", "asked the debtor")).answer)
    assert (shown.status, shown.currency, shown.invoice_currency, shown.invoice_open) == ("refused", "EUR", "JPY", "10000")
