"""Ids: derived ones are the same on every replay, keys split where they must, secrets are fresh."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycue.ids import ACCOUNT, TENANT, account_key, derived_id, digest16, digest16_after, is_account, new_id, new_secret, split_key

AT = datetime(2013, 1, 9, 14, tzinfo=UTC)


def test_a_derived_id_is_a_version_8_uuid_that_begins_with_its_moment() -> None:
    made = UUID(derived_id(AT, "cause", "kind", 0))
    assert (made.version, made.variant, made.int >> 80) == (8, "specified in RFC 4122", int(AT.timestamp() * 1000))


def test_equal_parts_at_one_instant_give_equal_ids_and_others_differ() -> None:
    same = {derived_id(AT, "a", 1), derived_id(AT, "a", 1), derived_id(AT.astimezone(UTC), "a", "1")}
    others = {derived_id(AT, "a", 2), derived_id(AT, "b", 1), derived_id(AT + timedelta(milliseconds=1), "a", 1)}
    assert (len(same), len(same | others)) == (1, 4)


def test_a_derived_id_of_long_ago_is_still_an_id() -> None:
    assert UUID(derived_id(datetime(1901, 1, 1, tzinfo=UTC), "a")).version == 8


def test_fresh_ids_are_ordered_by_time_and_secrets_are_long() -> None:
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert (len(set(ids)), len({new_secret() for _ in range(10)}), len(new_secret())) == (100, 10, 43)


def test_a_digest_tells_where_its_parts_end() -> None:
    assert digest16(b"ab", b"c") != digest16(b"a", b"bc")
    assert len(digest16()) == 16


def test_a_digest_of_which_the_beginning_is_remembered_is_the_same() -> None:
    for last in (b"", b"c", b"another"):
        assert digest16_after((b"a", b"b"), last) == digest16(b"a", b"b", last)


@pytest.mark.parametrize("text", ["1", "a b:c/%", "ü" * 64, "\u200b"])
def test_an_account_id_is_anything_short_without_control_characters(text: str) -> None:
    assert is_account(text)


@pytest.mark.parametrize("text", ["", "x" * 65, "a\n", "\x7f", "a\x85b"])
def test_an_account_id_with_control_characters_is_none(text: str) -> None:
    assert not is_account(text)


@given(st.from_regex(TENANT, fullmatch=True), st.from_regex(ACCOUNT, fullmatch=True))
def test_every_account_key_splits_into_what_it_was_made_of(tenant: str, account: str) -> None:
    assert split_key(account_key(tenant, account)) == (tenant, account)


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"acme",
        b"acme:",
        b":a",
        b"Acme:a",
        b"acme:" + b"a" * 65,
        b"a" * 33 + b":a",
        b"acme:a\nb",
        b"acme:\xff",
        b"\xff:a",
        b"ac me:a",
    ],
)
def test_what_is_no_account_key_says_what_was_expected(key: bytes | None) -> None:
    with pytest.raises(ValueError, match="is not tenant:account"):
        split_key(key)


def test_an_account_may_contain_colons_and_any_letter() -> None:
    assert split_key("acme:a:b/ü%".encode()) == ("acme", "a:b/ü%")
