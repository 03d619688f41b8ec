"""A link opens what it was signed for, until its time, and nothing else."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycue.auth.links import BadLink, ExpiredLink, open_link, sign

SECRET = b"9f8e7d6c5b4a39281706f5e4d3c2b1a0"
EXPIRES = datetime(2013, 3, 1, 12, 0, tzinfo=UTC)
NOW = EXPIRES - timedelta(days=1)
FIELDS = ("alpha", "acme", "INV-1")
TOKEN = sign(SECRET, "payment", FIELDS, EXPIRES)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(texts, max_size=6).map(tuple))
def test_what_was_signed_comes_back(fields: tuple[str, ...]) -> None:
    token = sign(SECRET, "payment", fields, EXPIRES)
    assert open_link(SECRET, "payment", token, NOW) == fields
    assert re.fullmatch(r"k[a-z2-7]{25,}", token)


def test_equal_inputs_give_equal_tokens_and_other_inputs_others() -> None:
    assert sign(SECRET, "payment", FIELDS, EXPIRES) == TOKEN
    others = {
        sign(SECRET, "unsubscribe", FIELDS, EXPIRES),
        sign(SECRET, "payment", ("alpha", "acmeINV-1"), EXPIRES),
        sign(SECRET, "payment", FIELDS, EXPIRES + timedelta(seconds=1)),
        sign(SECRET + b"x", "payment", FIELDS, EXPIRES),
    }
    assert len({TOKEN, *others}) == 5


def test_a_link_ends_at_its_own_second() -> None:
    assert open_link(SECRET, "payment", TOKEN, EXPIRES - timedelta(microseconds=1)) == FIELDS
    with pytest.raises(ExpiredLink, match="2013-03-01T12:00:00"):
        open_link(SECRET, "payment", TOKEN, EXPIRES)


def test_a_link_of_one_purpose_does_not_open_another() -> None:
    with pytest.raises(BadLink):
        open_link(SECRET, "unsubscribe", TOKEN, NOW)


def test_another_secret_opens_nothing_even_when_expired() -> None:
    with pytest.raises(BadLink) as raised:
        open_link(b"another", "payment", TOKEN, EXPIRES + timedelta(days=1))
    assert not isinstance(raised.value, ExpiredLink)


def test_no_single_character_can_be_changed_added_or_left_out() -> None:
    changed = [TOKEN[:i] + ("b" if c != "b" else "c") + TOKEN[i + 1 :] for i, c in enumerate(TOKEN)]
    shortened = [TOKEN[:i] + TOKEN[i + 1 :] for i in range(len(TOKEN)) if TOKEN[:i] + TOKEN[i + 1 :] != TOKEN]
    for token in (*changed, *shortened, TOKEN + "a", TOKEN.upper(), TOKEN + "=", f" {TOKEN}"):
        with pytest.raises(BadLink):
            open_link(SECRET, "payment", token, NOW)


@given(st.text(max_size=200) | st.text("abcdefghijklmnopqrstuvwxyz234567", max_size=200).map(lambda body: f"k{body}"))
def test_anything_else_is_a_bad_link(token: str) -> None:
    with pytest.raises(BadLink):
        open_link(SECRET, "payment", token, NOW)


def test_fields_without_end_are_refused_at_signing() -> None:
    with pytest.raises(ValueError, match="2048"):
        sign(SECRET, "payment", ("x" * 3000,), EXPIRES)


def test_a_token_written_in_another_way_is_no_token() -> None:
    bits_of_no_byte = [TOKEN[:-1] + letter for letter in "abcdefghijklmnopqrstuvwxyz234567" if letter != TOKEN[-1]]
    for token in (TOKEN[0] + TOKEN[1:].upper(), *bits_of_no_byte):
        with pytest.raises(BadLink):
            open_link(SECRET, "payment", token, NOW)
