"""The payments service at work, facts of the account a1 in short words, and what must hold at the end of every test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from paycue.events.v1 import invoice_pb2, payment_pb2
from paycue.observability.invariants import violated
from services.payments.invariants import INVARIANTS
from services.payments.main import SERVICE
from tests.integration.conftest import Start
from tests.integration.world import Running

ACCOUNT = "/v1/creditors/acme/accounts/a1"


def invoice(key: str, minor: int, *, due: str = "2013-01-20", currency: str = "EUR", **whose: str) -> invoice_pb2.InvoiceIssued:
    who = {"tenant_id": "acme", "account_id": "a1"} | whose
    return invoice_pb2.InvoiceIssued(**who, invoice_id=key, currency=currency, amount_minor=minor, issued_on="2013-01-01", due_on=due)


def payment(key: str, minor: int, *names: str, currency: str = "EUR", **whose: str) -> payment_pb2.PaymentReceived:
    who = {"tenant_id": "acme", "account_id": "a1"} | whose
    return payment_pb2.PaymentReceived(
        **who, payment_id=key, currency=currency, amount_minor=minor, received_on="2013-01-10", invoice_ids=names
    )


def told(**changed: Any) -> dict[str, Any]:
    """The body of a payment of EUR 100.00."""
    return {"payment_id": "p1", "currency": "EUR", "amount": "100.00", "received_on": "2013-01-10"} | changed


@pytest.fixture
async def payments(running_service: Start) -> AsyncIterator[Running]:
    """Payments, with every invariant asked at the end."""
    service = await running_service(SERVICE)
    yield service
    async with service.runtime.database.transaction(["acme", "bravo"]) as tx:
        assert await violated(tx, INVARIANTS) == []
