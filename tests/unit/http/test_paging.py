"""Pages follow each other without a gap or a repeat, and a cursor that is not ours is refused."""

import base64
from datetime import UTC, date, datetime

import httpx2
import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from paycue.http.paging import Listing

INVOICES = "/v1/creditors/alpha/invoices"


async def test_pages_follow_each_other_until_there_is_no_next(client: httpx2.AsyncClient) -> None:
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        answer = (await client.get(INVOICES, params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        seen += answer["items"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == [f"INV-{n}" for n in range(1, 8)]


async def test_a_last_page_that_is_full_names_no_next(client: httpx2.AsyncClient) -> None:
    assert (await client.get(INVOICES, params={"limit": 7})).json()["next"] is None


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1e3", "9" * 5000])
async def test_a_limit_out_of_bounds_is_a_422(client: httpx2.AsyncClient, limit: str) -> None:
    assert (await client.get(INVOICES, params={"limit": limit})).status_code == 422


@pytest.mark.parametrize("cursor", ["", "x", "====", "ä", "a" * 1000, base64.urlsafe_b64encode(b"\0" * 20).decode()])
async def test_a_cursor_that_is_not_ours_is_a_400_problem(client: httpx2.AsyncClient, cursor: str) -> None:
    answer = await client.get(INVOICES, params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@given(
    st.dates(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64), st.integers(-(2**63), 2**63 - 1)
)
def test_a_cursor_gives_back_its_key(due: date, invoice: str, version: int) -> None:
    listing = Listing("invoices", date, str, int)
    assert listing.key(listing.cursor((due, invoice, version))) == (due, invoice, version)


def test_instants_travel_to_the_microsecond() -> None:
    listing = Listing("events", datetime)
    at = datetime(2013, 2, 8, 14, 0, 0, 123456, tzinfo=UTC)
    assert listing.key(listing.cursor((at,))) == (at,)


def test_a_cursor_of_another_listing_is_refused() -> None:
    cursor = Listing("payments", str).cursor(("P-1",))
    with pytest.raises(HTTPException):
        Listing("invoices", str).key(cursor)


@pytest.mark.parametrize("key", [(1,), ("a", "b"), ("\0",), (None,), ("a" * 300,)])
def test_a_key_of_another_shape_is_refused_even_with_the_right_check(key: tuple[object, ...]) -> None:
    listing = Listing("invoices", str)
    with pytest.raises(HTTPException):
        listing.key(listing.cursor(key))
