"""The ledger's API: what is told is booked once and answered in readable amounts; lists come in pages; others' keys see nothing."""

import asyncio
from typing import Any

import pytest

from paycue.events.v1 import payment_pb2
from tests.integration.payments.conftest import ACCOUNT, invoice, payment, told
from tests.integration.world import Running

CREDITOR = "/v1/creditors/acme"


async def post(payments: Running, what: str, body: dict[str, Any], expected: int = 201, key: str = "") -> dict[str, Any]:
    answer = await payments.client.post(f"{ACCOUNT}/{what}", json=body, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == expected, answer.text
    await payments.settle()
    answered: dict[str, Any] = answer.json()
    return answered


async def test_a_payment_is_allocated_and_answered_part_by_part(payments: Running) -> None:
    await payments.publish(invoice("i1", 6000), invoice("i2", 3000, due="2013-01-25"))
    answered = await post(payments, "payments", told())
    assert answered.pop("stop")["receipt"] is None
    assert answered == {
        "account_id": "a1",
        "payment_id": "p1",
        "status": "received",
        "currency": "EUR",
        "amount": "100.00",
        "received_on": "2013-01-10",
        "allocated": "90.00",
        "reserved": "0.00",
        "unallocated": "10.00",
        "returned": "0.00",
        "allocations": [{"invoice_id": "i1", "amount": "60.00"}, {"invoice_id": "i2", "amount": "30.00"}],
        "reserved_for": [],
    }
    assert len(payments.said(payment_pb2.InvoiceSettled)) == 2
    assert len(payments.said(payment_pb2.PaymentApplied)) == 1


async def test_the_list_shows_a_payment_as_its_own_answer_did(payments: Running) -> None:
    await payments.publish(invoice("i1", 6000))
    answered = await post(payments, "payments", told(invoice_ids=["i1", "later"]))
    del answered["stop"]
    assert (await payments.client.get(f"{CREDITOR}/payments")).json() == {"items": [answered], "next": None}


async def test_a_request_repeated_with_its_key_is_booked_once_and_answered_alike(payments: Running) -> None:
    body = told()
    first = await payments.client.post(f"{ACCOUNT}/payments", json=body, headers={"Idempotency-Key": "k1"})
    second = await payments.client.post(f"{ACCOUNT}/payments", json=body, headers={"Idempotency-Key": "k1"})
    await payments.settle()
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert len(payments.said(payment_pb2.PaymentApplied)) == 1


async def test_requests_with_one_key_at_the_same_moment_are_one_and_each_is_answered(payments: Running) -> None:
    bodies = [told(payment_id=f"p{n % 2}") for n in range(8)]
    asked = (payments.client.post(f"{ACCOUNT}/payments", json=b, headers={"Idempotency-Key": b["payment_id"]}) for b in bodies)
    answers = await asyncio.gather(*asked)
    await payments.settle()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 2
    assert len(payments.said(payment_pb2.PaymentApplied)) == 2


async def test_a_key_used_for_another_request_is_refused(payments: Running) -> None:
    await post(payments, "payments", told(), key="k1")
    problem = await post(payments, "payments", told(payment_id="p2"), 422, key="k1")
    assert problem["title"] == "Idempotency key reused"


async def test_a_payment_told_again_with_other_content_conflicts(payments: Running) -> None:
    await post(payments, "payments", told())
    await post(payments, "payments", told())
    problem = await post(payments, "payments", told(amount="99.00"), 409)
    assert problem["type"] == "urn:paycue:problem:told-before-with-other-content"


async def test_a_return_in_part_reopens_that_part(payments: Running) -> None:
    await payments.publish(invoice("i1", 10000))
    await post(payments, "payments", told())
    body = {"return_id": "r1", "payment_id": "p1", "kind": "chargeback", "currency": "EUR", "amount": "40"}
    assert (await post(payments, "returns", body))["status"] == "partly_returned"
    (balance,) = (await payments.client.get(f"{ACCOUNT}/balance")).json()["balances"]
    assert balance == {"currency": "EUR", "open": "40.00", "open_invoices": 1, "credit": "0.00", "reserved": "0.00"}


async def test_a_return_of_more_than_came_is_refused(payments: Running) -> None:
    await post(payments, "payments", told())
    body = {"return_id": "r1", "payment_id": "p1", "kind": "chargeback", "currency": "EUR", "amount": "100.01"}
    assert (await post(payments, "returns", body, 422))["title"] == "Return exceeds the payment"


async def test_a_return_of_an_unknown_payment_is_not_found(payments: Running) -> None:
    await post(payments, "returns", {"return_id": "r1", "payment_id": "p9", "kind": "chargeback"}, 404)


async def test_a_credit_note_shows_its_invoice(payments: Running) -> None:
    await payments.publish(invoice("i1", 10000))
    body = {"credit_note_id": "c1", "invoice_id": "i1", "currency": "EUR", "amount": "25.50", "reason": "broken on arrival"}
    answered = await post(payments, "credit-notes", body)
    assert (answered["amount"], answered["reason"]) == ("25.50", "broken on arrival")
    assert (answered["invoice"]["open"], answered["invoice"]["credited"]) == ("74.50", "25.50")


async def test_balances_stand_side_by_side_per_currency(payments: Running) -> None:
    await payments.publish(invoice("i1", 10000), invoice("i2", 500, currency="JPY"), payment("p1", 1234, currency="KWD"))
    await payments.publish(payment("p2", 700, "later"))
    listed = (await payments.client.get(f"{ACCOUNT}/balance")).json()["balances"]
    assert listed == [
        {"currency": "EUR", "open": "100.00", "open_invoices": 1, "credit": "0.00", "reserved": "7.00"},
        {"currency": "JPY", "open": "500", "open_invoices": 1, "credit": "0", "reserved": "0"},
        {"currency": "KWD", "open": "0.000", "open_invoices": 0, "credit": "1.234", "reserved": "0.000"},
    ]


async def test_amounts_of_any_currency_are_told_in_its_decimals(payments: Running) -> None:
    assert (await post(payments, "payments", told(currency="JPY", amount="500")))["amount"] == "500"
    assert (await post(payments, "payments", told(payment_id="p2", currency="KWD", amount="1.5")))["amount"] == "1.500"


async def test_invoices_are_paged_by_account_and_by_creditor_and_filtered(payments: Running) -> None:
    await payments.publish(*(invoice(f"i{n}", 1000, due=f"2013-01-{20 - n}", account_id=f"a{n % 2}") for n in range(1, 8)))
    await payments.publish(payment("p1", 1000, "i4", account_id="a0"))
    assert await ids(payments, "/invoices") == ["i7", "i6", "i5", "i4", "i3", "i2", "i1"]
    assert await ids(payments, "/invoices", status="open") == ["i7", "i6", "i5", "i3", "i2", "i1"]
    assert await ids(payments, "/invoices", status="settled") == ["i4"]
    assert await ids(payments, "/accounts/a0/invoices") == ["i6", "i4", "i2"]


async def ids(payments: Running, where: str, name: str = "invoice_id", **query: str) -> list[str]:
    """Every id of a list, read in pages of two."""
    found, cursor = [], ""
    while True:
        answer = await payments.client.get(f"{CREDITOR}{where}", params=query | {"limit": "2"} | ({"cursor": cursor} if cursor else {}))
        page = answer.json()
        assert len(page["items"]) <= 2
        found += [item[name] for item in page["items"]]
        if not (cursor := page["next"]):
            return found


async def test_payments_are_paged_latest_first(payments: Running) -> None:
    for number in range(1, 6):
        await post(payments, "payments", told(payment_id=f"p{number}", received_on=f"2013-01-{10 + number}"))
    assert await ids(payments, "/accounts/a1/payments", "payment_id") == ["p5", "p4", "p3", "p2", "p1"]


async def test_the_ledger_is_paged_in_the_order_of_entry(payments: Running) -> None:
    await payments.publish(invoice("i1", 1000), payment("p1", 1500, "i1"))
    assert await ids(payments, "/accounts/a1/ledger-entries", "debit") == ["receivable", "cash", "unallocated"]
    entries = (await payments.client.get(f"{ACCOUNT}/ledger-entries")).json()["items"]
    assert [(e["credit"], e["amount"], e["invoice_id"], e["payment_id"]) for e in entries] == [
        ("revenue", "10.00", "i1", None),
        ("unallocated", "15.00", None, "p1"),
        ("receivable", "10.00", "i1", "p1"),
    ]


async def test_an_account_whose_id_holds_a_slash_is_reached_with_it_encoded(payments: Running) -> None:
    await payments.publish(invoice("2013/001", 1000, account_id="KD/7 ü"))
    answer = await payments.client.get(f"{CREDITOR}/accounts/KD%2F7%20%C3%BC/invoices")
    assert [item["invoice_id"] for item in answer.json()["items"]] == ["2013/001"]


READS = (
    "/invoices",
    "/payments",
    *(f"/accounts/a1/{what}" for what in ("invoices", "payments", "balance", "ledger-entries", "ledger-notes")),
)
WRITES = {
    "payments": told(payment_id="theirs"),
    "returns": {"return_id": "r1", "payment_id": "p1", "kind": "chargeback"},
    "credit-notes": {"credit_note_id": "c1", "invoice_id": "i1", "currency": "EUR", "amount": "1"},
    "payment-links": {},
}


async def test_a_key_of_one_creditor_finds_nothing_of_another(payments: Running) -> None:
    await payments.publish(invoice("i1", 1000), payment("p1", 500))
    theirs = await payments.creditor("bravo")
    for path in READS:
        assert (await payments.client.get(f"{CREDITOR}{path}", headers=theirs)).status_code == 404, path
    for what, body in WRITES.items():
        assert (await payments.client.post(f"{ACCOUNT}/{what}", json=body, headers=theirs)).status_code == 404, what
    assert len(await payments.rows("select 1 from payments.payment")) == 1
    assert (await payments.client.get("/v1/creditors/bravo/invoices", headers=theirs)).json()["items"] == []


async def test_the_same_account_and_invoice_of_two_creditors_are_two(payments: Running) -> None:
    theirs = await payments.creditor("bravo")
    await payments.publish(invoice("i1", 1000), invoice("i1", 2000, tenant_id="bravo"))
    amounts = [
        (await payments.client.get(f"/v1/creditors/{who}/accounts/a1/balance", headers=key)).json()["balances"][0]["open"]
        for who, key in (("acme", {}), ("bravo", theirs))
    ]
    assert amounts == ["10.00", "20.00"]


async def test_without_a_key_or_with_too_little_scope_nothing_is_told(payments: Running) -> None:
    reader = await payments.key("acme", "payments:read")
    for path in READS:
        assert (await payments.client.get(f"{CREDITOR}{path}", headers={"Authorization": ""})).status_code == 401, path
    for what, body in WRITES.items():
        assert (await payments.client.post(f"{ACCOUNT}/{what}", json=body, headers=reader)).status_code == 403, what


async def test_an_account_nobody_heard_of_is_not_found(payments: Running) -> None:
    for path in READS[2:]:
        assert (await payments.client.get(f"{CREDITOR}{path}")).status_code == 404, path
    assert await payments.rows("select 1 from payments.account") == []


BAD = {
    "#/amount": [
        told(amount=value) for value in ("1,00", "1.001", "-1", "0", "0.00", "1e3", "NaN", "", " 1", "9" * 15, 12.5, 100, None, "١")
    ],
    "#/currency": [told(currency=value) for value in ("EURO", "XXX", "ZZZ", "eur", "", None, 7)],
    "#/received_on": [told(received_on=value) for value in ("10.01.2013", "2013-02-30", "20130110", "2013-01-10T00:00:00", 0, None)],
    "#/payment_id": [told(payment_id=value) for value in ("", "x" * 129, "a\u0007b", "a\u200bb", 5, None)],
    "#/invoice_ids/0": [told(invoice_ids=[value]) for value in ("", "x" * 65, "a\nb", 5, None)],
    "#/invoice_ids": [told(invoice_ids=value) for value in ("i1", ["i"] * 101)],
    "#/invoice": [told(invoice="i1")],
}


@pytest.mark.parametrize("pointer", BAD)
async def test_a_value_that_cannot_be_is_named(payments: Running, pointer: str) -> None:
    for body in BAD[pointer]:
        problem = await post(payments, "payments", body, 422)
        assert [(error["part"], error["pointer"]) for error in problem["errors"]] == [("body", pointer)], body
    assert await payments.rows("select 1 from payments.account") == []


async def test_other_commands_refuse_what_cannot_be(payments: Running) -> None:
    await payments.publish(invoice("i1", 1000), payment("p1", 500))
    back = {"return_id": "r1", "payment_id": "p1", "kind": "chargeback"}
    bad = [
        ("returns", back | {"kind": "gift"}),
        ("returns", back | {"amount": "1"}),
        ("returns", back | {"amount": "0", "currency": "EUR"}),
        ("returns", back | {"amount": "1", "currency": "USD"}),
        ("returns", back | {"reason_code": "x" * 65}),
        ("credit-notes", WRITES["credit-notes"] | {"amount": "10.01"}),
        ("credit-notes", WRITES["credit-notes"] | {"currency": "USD"}),
        ("credit-notes", WRITES["credit-notes"] | {"reason": "x" * 501}),
        ("payment-links", {"valid_days": 0}),
        ("payment-links", {"valid_days": 91}),
        ("payment-links", {"valid_days": "7"}),
        ("payment-links", {"valid_days": True}),
        ("payments", told(payment_id="p2", invoice_ids=["i1"], currency="USD")),
    ]
    for what, body in bad:
        await post(payments, what, body, 422)


async def test_lists_refuse_what_cannot_be(payments: Running) -> None:
    for query in ("status=paid", "limit=0", "limit=501", "limit=x", "cursor=%00"):
        assert (await payments.client.get(f"{CREDITOR}/invoices?{query}")).status_code == 422, query
    cursor = (await payments.client.get(f"{CREDITOR}/payments?cursor=abc")).status_code
    assert cursor == 400


async def test_the_largest_amounts_are_told_and_shown_whole(payments: Running) -> None:
    largest = 2**63 - 1
    await payments.publish(*(invoice(f"i{n}", largest) for n in range(3)), payment("p1", largest, "i0"))
    (balance,) = (await payments.client.get(f"{ACCOUNT}/balance")).json()["balances"]
    assert balance["open"] == "184467440737095516.14"
    assert (await post(payments, "payments", told(payment_id="p2", amount="9" * 14)))["amount"] == "99999999999999.00"
    link = await post(payments, "payment-links", {})
    assert link["open"] == [{"currency": "EUR", "amount": "184367440737095517.14"}]
