"""An application with one route of every kind, and a client that speaks to it without a network."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field

from paycue.auth.api_keys import ApiKey, Caller, authorised, mint, operator_only
from paycue.decision import Refused
from paycue.http.app import create_app
from paycue.http.fields import AccountId, AmountText, Currency, Identity
from paycue.http.idempotency import Commanded
from paycue.http.paging import Asked, Listing, Page

router = APIRouter()
INVOICES = Listing("invoices", int, str)
ROWS = [(n, f"INV-{n}") for n in range(1, 8)]

Reads = Annotated[Caller, Depends(authorised("payments", "read"))]
Writes = Annotated[Caller, Depends(authorised("payments", "write"))]


class PaymentIn(BaseModel):
    payment_id: Identity
    amount: AmountText
    currency: Currency
    invoice_ids: list[Identity] = Field(default_factory=list, max_length=10)


class PaymentOut(BaseModel):
    command_id: str
    payment_id: str


@router.post("/v1/creditors/{creditor}/accounts/{account}/payments", status_code=201)
async def receive_payment(caller: Writes, account: AccountId, payment: PaymentIn, command: Commanded) -> PaymentOut:
    return PaymentOut(command_id=command.command_id, payment_id=payment.payment_id)


@router.get("/v1/creditors/{creditor}/accounts/{account}")
async def read_account(caller: Reads, account: AccountId) -> dict[str, str]:
    if account == "broken":
        raise RuntimeError("secret-detail-of-ours")
    if account == "offline":
        raise ConnectionRefusedError("10.0.0.7:5432")
    if account != "acme":
        raise Refused(404, "Unknown account", f"There is no account {account}.")
    return {"creditor": caller.tenant, "key": caller.key_id}


@router.get("/v1/creditors/{creditor}/invoices")
async def list_invoices(caller: Reads, asked: Annotated[Asked, Depends(INVOICES.asked)]) -> Page[str]:
    rows = [row for row in ROWS if asked.after is None or row > asked.after]
    return INVOICES.page(asked, rows[: asked.limit + 1], key=lambda row: row, item=lambda row: row[1])


@router.get("/v1/creditors")
async def list_creditors(caller: Annotated[Caller, Depends(operator_only("payments", "read"))]) -> list[str]:
    return ["alpha", "beta"]


class Keys:
    """A directory of three keys and two creditors."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.alpha = self.add("alpha", "payments:read", "payments:write")
        self.reader = self.add("alpha", "payments:read")
        self.operator = self.add("", "*")

    def add(self, tenant: str, *scopes: str) -> str:
        key, plain = mint(tenant, scopes)
        self.keys[key.key_id] = key
        return plain

    async def api_key(self, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    async def creditor(self, tenant: str) -> object | None:
        return tenant if tenant in ("alpha", "beta") else None


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def app(keys: Keys) -> FastAPI:
    app = create_app("paycue test", "An API for tests.", [router], service="test")
    app.state.directory = keys
    return app


@pytest.fixture
async def client(app: FastAPI, keys: Keys) -> AsyncIterator[httpx2.AsyncClient]:
    """Speaks with alpha's key unless a request names another."""
    headers = {"Authorization": f"Bearer {keys.alpha}"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test", headers=headers) as client:
        yield client


@pytest.fixture
def operator(keys: Keys) -> dict[str, str]:
    """The header of the operator's key."""
    return {"Authorization": f"Bearer {keys.operator}"}


@pytest.fixture(name="router")
def routes() -> APIRouter:
    return router
