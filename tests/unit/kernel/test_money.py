"""Money is integer minor units; text in and out says exactly what was meant or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycue.money import Money, decimal_text, exponent, known_currency, parse_minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        *(("1234.50", "USD", 123450), ("1234.5", "EUR", 123450), ("7", "USD", 700), ("0.01", "USD", 1), ("-3.10", "USD", -310)),
        *(("1234", "JPY", 1234), ("1.234", "KWD", 1234), ("1.500", "EUR", 150), ("9" * 15, "JPY", 10**15 - 1)),
    ],
)
def test_an_amount_becomes_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_minor(text, currency) == minor


@pytest.mark.parametrize("text", ["", "abc", "1,50", "1e3", "1E3", "NaN", "Infinity", "1_000", "0x10", "--1", "1.2.3"])
def test_what_is_no_plain_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a decimal number"):
        parse_minor(text, "USD")


@pytest.mark.parametrize(("text", "currency"), [("1.005", "USD"), ("0.1", "JPY"), ("1.0001", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match=f"more decimals than {currency}"):
        parse_minor(text, currency)


@pytest.mark.parametrize("code", ["", "usd", "US", "XXZ", "XAU"])
def test_an_unknown_currency_is_refused(code: str) -> None:
    assert not known_currency(code)
    with pytest.raises(ValueError, match="is not a currency"):
        exponent(code)


@given(st.integers(-(10**17), 10**17), st.sampled_from(["USD", "JPY", "KWD", "EUR"]))
def test_an_amount_written_and_read_is_the_same(minor: int, currency: str) -> None:
    assert parse_minor(decimal_text(minor, currency), currency) == minor


@pytest.mark.parametrize(("minor", "currency", "text"), [(5, "USD", "0.05"), (-5, "USD", "-0.05"), (0, "KWD", "0.000"), (12, "JPY", "12")])
def test_the_currencys_full_decimals_are_written(minor: int, currency: str, text: str) -> None:
    assert decimal_text(minor, currency) == text
    assert str(Money(currency, minor)) == f"{text} {currency}"
