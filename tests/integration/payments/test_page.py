"""The debtor's page: opens links of ours and of the notifier's, shows what is open now, and tells strangers nothing."""

import base64
import hashlib
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import structlog

from paycue.auth.links import sign
from tests.integration.payments.conftest import ACCOUNT, invoice, payment, told
from tests.integration.world import KERNEL, START, Running

SECRET = KERNEL["secret"].encode()


def token(*fields: str, purpose: str = "payment", secret: bytes = SECRET, days: int = 90) -> str:
    """As the notifier signs the links in its messages."""
    return sign(secret, purpose, fields, START + timedelta(days=days))


async def opened(payments: Running, word: str) -> tuple[int, str]:
    answer = await payments.client.get(f"/p/{word}", headers={"Authorization": ""})
    return answer.status_code, re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", answer.text, flags=re.DOTALL))


async def link(payments: Running, **body: object) -> str:
    answer = await payments.client.post(f"{ACCOUNT}/payment-links", json=body)
    assert answer.status_code == 201, answer.text
    url = urlsplit(str(answer.json()["url"]))
    assert f"{url.scheme}://{url.netloc}" == KERNEL["public_url"]
    return url.path.removeprefix("/p/")


async def test_a_link_shows_the_creditor_and_each_open_item(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 123450), invoice("INV-2", 500, currency="JPY", due="2013-02-01"), payment("p1", 23450, "INV-1"))
    status, text = await opened(payments, await link(payments))
    assert status == 200
    for words in ("Acme", "a1", "INV-1", "20 January 2013", "EUR 1,000.00", "of EUR 1,234.50", "EUR 234.50 paid", "INV-2", "JPY 500"):
        assert words in text, words


async def test_a_link_for_some_invoices_shows_those_alone(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000), invoice("INV-2", 2000), payment("p1", 700, "later"))
    _, text = await opened(payments, await link(payments, invoice_ids=["INV-2"]))
    assert "INV-2" in text
    assert "EUR 20.00" in text
    assert "INV-1" not in text
    assert "EUR 7.00" not in text


async def test_a_link_of_a_message_shows_everything_open_and_what_is_in_favour(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000), invoice("INV-2", 2000), payment("p1", 700, "later"))
    status, text = await opened(payments, token("acme", "a1", "call-1"))
    assert status == 200
    for words in ("INV-1", "INV-2", "EUR 30.00", "EUR 7.00 received for an invoice that has not reached us yet"):
        assert words in text, words


async def test_what_is_settled_is_said_to_be_closed(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000))
    word = await link(payments)
    await payments.publish(payment("p1", 1500, "INV-1"))
    status, text = await opened(payments, word)
    assert (status, "Nothing is open now" in text, "INV-1" in text) == (200, True, False)
    assert "EUR 5.00 credit" in (await opened(payments, token("acme", "a1", "call-1")))[1]


async def test_what_is_credited_is_shown_beside_its_invoice(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000))
    note = {"credit_note_id": "c1", "invoice_id": "INV-1", "currency": "EUR", "amount": "2.50"}
    assert (await payments.client.post(f"{ACCOUNT}/credit-notes", json=note)).status_code == 201
    _, text = await opened(payments, await link(payments))
    assert "EUR 7.50" in text
    assert "EUR 2.50 credited" in text


async def test_a_link_whose_time_is_over_says_so_and_nothing_else(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000))
    word = await link(payments, valid_days=1)
    await payments.at("2013-01-03T05:00:00")
    status, text = await opened(payments, word)
    assert (status, "expired" in text) == (410, True)
    assert not re.search("acme|a1|INV-1|10.00", text, re.IGNORECASE)


async def test_a_link_that_is_none_of_ours_says_nothing(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000))
    good = token("acme", "a1", "call-1")
    last = "b" if good[-1] == "a" else "a"
    strangers = [
        "x",
        "k" * 100,
        good.upper(),
        good[:-1] + last,
        good[:-1],
        "%F0%9F%92%A9",
        token("acme", "a1", "call-1", purpose="unsubscribe"),
        token("acme", "a1", "call-1", secret=b"another secret of thirty-two chars"),
        token("acme", "a1"),
        token("acme", "nobody", "call-1"),
        token("nobody", "a1", "call-1"),
    ]
    answers = {await opened(payments, word) for word in strangers}
    ((status, text),) = answers
    assert (status, "does not open" in text) == (404, True)
    assert not re.search("acme|a1|INV-1|10.00", text, re.IGNORECASE)


async def test_names_are_escaped(payments: Running) -> None:
    evil = "<script>alert(1)</script>"
    await payments.creditor("acme", sender_name="x")
    await payments.publish(invoice(evil, 1000, account_id=evil))
    answer = await payments.client.get(f"/p/{token('acme', evil, 'call-1')}")
    assert "<script" not in answer.text
    assert answer.text.count("&lt;script&gt;") >= 2


@pytest.mark.parametrize("days", [90, -1])
async def test_the_page_is_locked_down(payments: Running, days: int) -> None:
    await payments.publish(invoice("INV-1", 1000))
    answer = await payments.client.get(f"/p/{token('acme', 'a1', 'call-1', days=days)}")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    wanted = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert answer.headers["Content-Security-Policy"] == wanted
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"].startswith("noindex")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert not re.search(r"<script|<link|<img|<form|style=|https?:|\son\w+=", answer.text)


async def test_the_page_can_only_be_looked_at(payments: Running) -> None:
    path = f"/p/{token('acme', 'a1', 'call-1')}"
    await payments.publish(invoice("INV-1", 1000))
    assert (await payments.client.head(path)).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await payments.client.request(method, path)).status_code == 405, method


async def test_the_key_to_the_page_is_not_logged(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000))
    word = token("acme", "a1", "call-1")
    with structlog.testing.capture_logs() as logged:
        assert (await payments.client.get(f"/p/{word}")).status_code == 200
    assert [entry["operation"] for entry in logged if entry["event"] == "request"] == ["show_open_items"]
    assert word not in str(logged)


async def test_a_long_list_is_cut_and_still_adds_up(payments: Running) -> None:
    await payments.publish(*(invoice(f"INV-{number:03}", 1000) for number in range(203)))
    _, text = await opened(payments, token("acme", "a1", "call-1"))
    assert "EUR 2,030.00" in text
    assert "And 3 more" in text
    assert "INV-203" not in text


async def test_a_link_needs_something_open(payments: Running) -> None:
    await payments.client.post(f"{ACCOUNT}/payments", json=told())
    answer = await payments.client.post(f"{ACCOUNT}/payment-links", json={})
    assert (answer.status_code, answer.json()["title"]) == (409, "Nothing to pay")


async def test_a_request_for_a_link_repeated_with_its_key_answers_with_the_same_link(payments: Running) -> None:
    await payments.publish(invoice("INV-1", 1000))
    made = [await payments.client.post(f"{ACCOUNT}/payment-links", json={}, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert made[0].content == made[1].content
