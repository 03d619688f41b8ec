"""One spelling for each mailbox and each phone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.addresses import normalise_email, normalise_phone, suppression_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0379-NEVHP@debtors.example", "0379-NEVHP@debtors.example"),
        (" Ann.O'Neil+x@Example.COM ", "Ann.O'Neil+x@example.com"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@b-c.d1.example", "a@b-c.d1.example"),
    ],
)
def test_an_address_keeps_its_mailbox_and_lowers_its_domain(text: str, expected: str) -> None:
    assert normalise_email(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "@b.example", "a@", "a@b", "a@b.", "a@.b.example", "a@-b.example", "a@b_c.example", "a..b@c.example", ".a@b.example",
        "a.@b.example", "a b@c.example", "a@b.example,c@d.example", "A <a@b.example>", '"a b"@c.example', "a@[127.0.0.1]", "a@10.0.0.1",
        "ä@b.example", "a@bücher.example", "a\n@b.example", "a@b.example\r\nBcc: c@d.example", "=?utf-8?q?a?=@b.example",
        "x" * 65 + "@b.example", "a@" + ".".join(["x" * 60] * 5), "a@" + "x" * 64 + ".example",
    ],
)  # fmt: skip
def test_what_is_not_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        normalise_email(text)


@given(st.emails())
def test_normalising_twice_changes_nothing(text: str) -> None:
    try:
        once = normalise_email(text)
    except ValueError:
        return
    assert normalise_email(once) == once
    assert suppression_key(once) == suppression_key(text)


def test_a_refusal_shows_too_little_of_an_address_to_reach_anybody() -> None:
    with pytest.raises(ValueError) as refusal:
        normalise_email("private.person@example,com")
    assert "private.person" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+12025550123", "+12025550123"),
        ("+1 (202) 555-0123", "+12025550123"),
        ("+43 1 5880 1234", "+43158801234"),
        ("tel:+44-20-7946-0018", "+442079460018"),
    ],
)
def test_a_phone_number_becomes_e164(text: str, expected: str) -> None:
    assert normalise_phone(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2025550123", "0043 1 58801", "+1", "+1202555", "+99912345678", "hello", "+12025550123 ext. 7", "+1202555012345678"]
)
def test_a_number_without_its_country_or_of_no_possible_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        normalise_phone(text)
