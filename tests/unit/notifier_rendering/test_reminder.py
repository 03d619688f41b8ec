"""What a reminder says."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.notifier.domain.rendering.facts import STAGES, Facts, Line, Stage, amount_words, date_words
from services.notifier.domain.rendering.reminder import render_email, render_sms

SEVERAL = (
    Line("611365", 5594, "USD", date(2013, 2, 1)),
    Line("7900770", 123456789, "USD", date(2013, 3, 31)),
    Line("INV-9", 5000, "JPY", date(2013, 12, 24)),
)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_names_each_invoice_with_its_amount_and_due_date(facts: Facts, stage: Stage) -> None:
    facts = replace(facts, stage=stage, items=SEVERAL)
    for text in (render_email(facts).text, render_email(facts).html, render_sms(facts).body):
        for invoice, amount, due in (
            ("611365", "55.94 USD", "1 February 2013"),
            ("7900770", "1,234,567.89 USD", "31 March 2013"),
            ("INV-9", "5,000 JPY", "24 December 2013"),
        ):
            assert invoice in text
            assert amount in text
            assert due in text


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_says_for_whom_it_writes_and_how_to_pay_contest_and_opt_out(facts: Facts, stage: Stage) -> None:
    facts = replace(facts, stage=stage)
    mail = render_email(facts)
    for text in (mail.text, mail.html):
        assert "on behalf of Northwind Ltd" in text
        assert facts.payment_link in text
        assert "contest" in text
        assert facts.unsubscribe_link in text
    body = render_sms(facts).body
    assert "on behalf of Northwind Ltd" in body
    assert facts.payment_link in body
    assert body.endswith("Reply STOP to opt out")


@pytest.mark.parametrize("stage", STAGES)
def test_each_invoice_number_stands_between_blanks(facts: Facts, stage: Stage) -> None:
    words = render_email(replace(facts, stage=stage, items=SEVERAL)).text.split()
    assert [word for word in words if word in {"611365", "7900770", "INV-9"}] == ["611365", "7900770", "INV-9"]


@pytest.mark.parametrize("stage", STAGES)
def test_no_other_number_of_the_text_could_be_an_invoice(facts: Facts, stage: Stage) -> None:
    text = render_email(replace(facts, stage=stage)).text.replace(facts.payment_link, "").replace(facts.unsubscribe_link, "")
    assert re.findall(r"\d+", text) == ["611365", "1", "234", "50", "1", "2013"]


def test_totals_are_given_per_currency_and_never_across(facts: Facts) -> None:
    text = render_email(replace(facts, items=SEVERAL)).text
    assert re.findall(r"^Total (.*)$", text, re.MULTILINE) == ["1,234,623.83 USD", "5,000 JPY"]


def test_one_invoice_needs_no_total(facts: Facts) -> None:
    assert "Total" not in render_email(facts).text


def test_the_subject_names_the_one_invoice_or_the_creditor_of_several(facts: Facts) -> None:
    assert render_email(facts).subject == "Reminder: invoice 611365 of Northwind Ltd"
    assert render_email(replace(facts, items=SEVERAL)).subject == "Reminder: open invoices of Northwind Ltd"


def test_html_shows_names_as_text_and_never_as_markup(facts: Facts) -> None:
    html = render_email(replace(facts, debtor_name="<script>alert(1)</script>", creditor_name='A "B" & C')).html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "A &#34;B&#34; &amp; C" in html


def test_a_debtor_without_a_name_is_addressed_all_the_same(facts: Facts) -> None:
    assert render_email(replace(facts, debtor_name="")).text.startswith("Dear customer,\n")


def test_another_locale_gets_english(facts: Facts) -> None:
    assert render_email(replace(facts, locale="de-AT")).text == render_email(facts).text


@pytest.mark.parametrize("minor", [0, -1, 1.5, None, float("nan"), True])
def test_a_reminder_never_states_that_nothing_or_less_is_owed(facts: Facts, minor: object) -> None:
    items = (facts.items[0], Line("2", minor, "USD", date(2013, 2, 1)))  # type: ignore[arg-type]
    for render in (render_email, render_sms):
        with pytest.raises(ValueError, match="states only what is owed"):
            render(replace(facts, items=items))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("items", ()),
        ("creditor_name", ""),
        ("creditor_name", None),
        ("creditor_name", "{{ debtor }}"),
        ("creditor_name", "{% if debtor %}"),
        ("debtor_name", "a\nb"),
        ("payment_link", ""),
        ("payment_link", "javascript:alert(1)"),
        ("stage", "polite"),
        ("items", (Line("", 1, "USD", date(2013, 2, 1)),)),
        ("items", (Line("1", 1, "XXQ", date(2013, 2, 1)),)),
        ("items", (Line("1", 1, "USD", None),)),  # type: ignore[arg-type]
    ],
)
def test_a_missing_or_unfit_fact_is_an_error_on_every_channel(facts: Facts, field: str, value: object) -> None:
    for render in (render_email, render_sms):
        with pytest.raises(ValueError):
            render(replace(facts, **{field: value}))


def test_an_sms_longer_than_providers_take_is_refused(facts: Facts) -> None:
    items = tuple(Line(f"INV-{n:06}", 100, "USD", date(2013, 2, 1)) for n in range(60))
    with pytest.raises(ValueError, match="60 invoices"):
        render_sms(replace(facts, items=items))


def test_an_account_with_more_invoices_than_any_letter_holds_is_refused_by_the_limit(facts: Facts) -> None:
    items = tuple(Line(f"INV-{n:06}", 100, "USD", date(2013, 2, 1)) for n in range(6_000))
    with pytest.raises(ValueError, match="loop iteration limit"):
        render_email(replace(facts, items=items))


@given(st.integers(min_value=1, max_value=10**15), st.sampled_from(["USD", "JPY", "KWD"]))
def test_amounts_keep_every_digit(minor: int, currency: str) -> None:
    places = {"USD": 2, "JPY": 0, "KWD": 3}[currency]
    number, code = amount_words(minor, currency).split(" ")
    whole, _, decimals = number.partition(".")
    assert code == currency
    assert len(decimals) == places
    assert int(whole.replace(",", "") + decimals) == minor
    assert re.fullmatch(r"\d{1,3}(,\d{3})*", whole)


def test_dates_are_written_in_words() -> None:
    assert date_words(date(2013, 2, 1)) == "1 February 2013"
    assert date_words(date(2024, 12, 31)) == "31 December 2024"
