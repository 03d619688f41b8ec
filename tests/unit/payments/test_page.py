"""The debtor's page from values: amounts and dates that cannot be mistaken, nothing that was not given, nothing unescaped."""

import re
from datetime import UTC, date, datetime

import pytest

from paycue.money import Money
from services.payments.domain.rendering import page
from services.payments.domain.rows import Balance, InvoiceRow

AS_OF = datetime(2013, 3, 1, 9, 5, tzinfo=UTC)


def row(key: str = "INV-1", open_minor: int = 100000, credited: int = 0, currency: str = "EUR") -> InvoiceRow:
    days = (date(2013, 1, 1), date(2013, 1, 20))
    return InvoiceRow(key, "invoice", currency, 123450, credited, open_minor, "open" if open_minor else "settled", *days, 1, 0)


def shown(*rows: InvoiceRow, name: str = "Acme", balances: list[Balance] | None = None, whole: bool = True) -> str:
    made = balances or [Balance("EUR", sum(r.open_minor for r in rows), len(rows), 0, 0)]
    return page.open_items_page(page.open_items(name, "a1", AS_OF, rows, made, whole=whole))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money("EUR", 123450), "EUR 1,234.50"),
        (Money("EUR", 5), "EUR 0.05"),
        (Money("JPY", 1234567), "JPY 1,234,567"),
        (Money("KWD", 1234567), "KWD 1,234.567"),
        (Money("USD", 3 * (2**63 - 1)), "USD 276,701,161,105,643,274.21"),
    ],
)
def test_an_amount_is_written_whole_with_its_code(amount: Money, text: str) -> None:
    assert page.money(amount) == text


def test_a_day_is_written_so_that_no_order_of_numbers_can_be_mistaken() -> None:
    assert page.day(date(2013, 2, 1)) == "1 February 2013"


def test_paid_and_credited_are_named_only_where_there_is_some() -> None:
    assert "paid" not in re.sub(r"<style>.*</style>", "", shown(row(open_minor=123450)), flags=re.DOTALL).partition("<footer>")[0]
    text = shown(row(open_minor=100000, credited=3450))
    assert "EUR 200.00 paid" in text
    assert "EUR 34.50 credited" in text


def test_currencies_stand_side_by_side() -> None:
    text = shown(row(), balances=[Balance("EUR", 100000, 1, 500, 0), Balance("USD", 0, 0, 0, 700)])
    for words in ("EUR 1,000.00", "EUR 5.00</strong> credit", "USD 7.00</strong> received"):
        assert words in text, words
    assert "Open in EUR" not in text


def test_credit_is_not_shown_to_whoever_has_a_link_to_some_invoices() -> None:
    assert "EUR 5.00" not in shown(row(), balances=[Balance("EUR", 100000, 1, 500, 0)], whole=False)


def test_everything_given_is_escaped() -> None:
    evil = '<b onmouseover="x">\'&{{ 7 * 7 }}'
    text = shown(row(evil), name=evil)
    assert evil not in text
    assert "<b " not in text
    assert "{{ 7 * 7 }}" in text


@pytest.mark.parametrize("why", ["expired", "unknown"])
def test_a_page_that_does_not_open_names_nobody(why: page.Closed) -> None:
    text = page.closed_page(why)
    assert text.startswith("<!doctype html>")
    assert not re.search(r"EUR|Account <|as of", text)


def test_the_policy_lets_nothing_in_but_the_style() -> None:
    assert page.content_security_policy().startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in page.content_security_policy()
    assert not re.search(r"url\(|@import", page.closed_page("unknown"))
