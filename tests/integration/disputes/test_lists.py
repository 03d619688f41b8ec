"""The list of disputes: newest first, in pages that neither skip nor repeat, filtered as asked."""

from datetime import timedelta
from typing import Any

from tests.integration.disputes.facts import A1, ALL, ok, opened, problem, raised
from tests.integration.world import Running


async def _all(disputes: Running, **params: Any) -> list[tuple[str, str]]:
    """(account, dispute) of every item, page by page."""
    found: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = ok(await disputes.client.get(ALL, params={**params, **cursor}))
        found += [(item["account_id"], item["dispute_id"]) for item in page["items"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def test_pages_neither_skip_nor_repeat_and_the_newest_come_first(disputes: Running) -> None:
    await disputes.publish(*(raised(f"d{n}", account=f"a{n % 3}") for n in range(7)))
    disputes.clock.set(disputes.clock.now() + timedelta(hours=1))
    await disputes.publish(raised("newest", account="a0"))
    found = await _all(disputes, limit=3)
    assert found[0] == ("a0", "newest")
    assert found[1:] == sorted(((f"a{n % 3}", f"d{n}") for n in range(7)), reverse=True)


async def test_what_is_opened_between_two_pages_moves_nothing(disputes: Running) -> None:
    await disputes.publish(*(raised(f"d{n}") for n in range(4)))
    first = ok(await disputes.client.get(ALL, params={"limit": 2}))
    disputes.clock.set(disputes.clock.now() + timedelta(hours=1))
    await opened(disputes, dispute_id="later")
    second = ok(await disputes.client.get(ALL, params={"limit": 2, "cursor": first["next"]}))
    assert [item["dispute_id"] for item in first["items"] + second["items"]] == ["d3", "d2", "d1", "d0"]


async def test_filters_choose_by_status_invoice_and_account(disputes: Running) -> None:
    await disputes.publish(raised("d1"), raised("d2", invoice_id="i2"), raised("d3", account="a2"))
    ok(await disputes.client.post(f"{A1}/d1/resolve", json={"outcome": "invalid"}))
    assert await _all(disputes, status="resolved") == [("a1", "d1")]
    assert await _all(disputes, invoice="i1") == [("a2", "d3"), ("a1", "d1")]
    assert await _all(disputes, account="a1") == [("a1", "d2"), ("a1", "d1")]
    assert await _all(disputes, account="a1", status="opened", invoice="i2") == [("a1", "d2")]
    assert await _all(disputes, account="a9") == []


BAD: list[dict[str, Any]] = [
    {"status": "lost"},
    {"limit": 0},
    {"limit": 501},
    {"limit": "x"},
    {"account": ""},
    {"account": "a\n"},
    {"invoice": "x" * 65},
]


async def test_a_filter_that_cannot_be_is_named(disputes: Running) -> None:
    for params in BAD:
        (error,) = problem(await disputes.client.get(ALL, params=params), 422)["errors"]
        assert (error["part"], error["pointer"]) == ("query", f"#/{next(iter(params))}")


async def test_a_cursor_of_another_list_is_refused(disputes: Running) -> None:
    await opened(disputes, dispute_id="d1")
    for text in ("one", "two"):
        ok(await disputes.client.post(f"{A1}/d1/notes", json={"text": text}), 201)
    notes = ok(await disputes.client.get(f"{A1}/d1/notes", params={"limit": 1}))
    problem(await disputes.client.get(ALL, params={"cursor": notes["next"]}), 400)
    problem(await disputes.client.get(ALL, params={"cursor": "nonsense"}), 400)
