"""Facts and requests of these tests in short words."""

from typing import Any

import httpx2

from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from tests.integration.world import Running

WRONG_AMOUNT, QUALITY = dispute_pb2.DISPUTE_REASON_WRONG_AMOUNT, dispute_pb2.DISPUTE_REASON_QUALITY
VALID, INVALID = dispute_pb2.DISPUTE_OUTCOME_VALID, dispute_pb2.DISPUTE_OUTCOME_INVALID
A1 = "/v1/creditors/acme/accounts/a1/disputes"
ALL = "/v1/creditors/acme/disputes"


def who(account: str = "a1", tenant: str = "acme") -> dict[str, str]:
    return {"tenant_id": tenant, "account_id": account}


def issued(invoice_id: str = "i1", minor: int = 10_000, account: str = "a1", **rest: str) -> invoice_pb2.InvoiceIssued:
    days = {"issued_on": "2013-01-01", "due_on": "2013-01-31"}
    return invoice_pb2.InvoiceIssued(**who(account, **rest), invoice_id=invoice_id, currency="USD", amount_minor=minor, **days)


def settled(invoice_id: str = "i1", version: int = 1) -> payment_pb2.InvoiceSettled:
    balance = payment_pb2.InvoiceBalance(invoice_id=invoice_id, currency="USD", open_minor=0, version=version)
    return payment_pb2.InvoiceSettled(**who(), balance=balance)


def raised(dispute_id: str = "d1", invoice_id: str = "i1", minor: int = 0, account: str = "a1", **rest: Any) -> dispute_pb2.DisputeRaised:
    content = {"reason": WRONG_AMOUNT, "currency": "USD", "disputed_minor": minor, "dispute_id": dispute_id, "invoice_id": invoice_id}
    return dispute_pb2.DisputeRaised(**{**who(account), **content, **rest})


def decided(dispute_id: str = "d1", outcome: Any = INVALID, credit: int = 0, reason: str = "") -> dispute_pb2.DisputeDecided:
    return dispute_pb2.DisputeDecided(**who(), dispute_id=dispute_id, outcome=outcome, credit_minor=credit, reason=reason)


async def opened(disputes: Running, path: str = A1, **body: Any) -> dict[str, Any]:
    """A dispute opened over the API."""
    return ok(await disputes.client.post(path, json={"invoice_id": "i1", "reason": "quality", **body}), 201)


async def read(disputes: Running, dispute_id: str = "d1") -> dict[str, Any]:
    return ok(await disputes.client.get(f"{A1}/{dispute_id}"))


def ok(answer: httpx2.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """The problem document of an error."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    return body
