"""The ledger over HTTP: what is told to it, what it answers, and the debtor's page behind a payment link.

Commands go through the handlers that fold events. A route must never compute an amount: it only writes one as text.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel

from paycue.api import obey, reading, runtime_of
from paycue.auth.api_keys import Caller, authorised
from paycue.auth.links import BadLink, ExpiredLink, open_link, sign
from paycue.db.engine import Connection
from paycue.decision import Refused
from paycue.http.fields import AccountId
from paycue.http.idempotency import Command, Commanded
from paycue.http.paging import Asked, Listing, Page
from paycue.stops import Wait, stopped
from services.payments import schemas, store
from services.payments.domain import commands
from services.payments.domain.rendering import page

router = APIRouter(prefix="/v1/creditors/{creditor}", tags=["ledger"])
pages = APIRouter(include_in_schema=False)

Reads = Annotated[Caller, Depends(authorised("payments", "read"))]
Writes = Annotated[Caller, Depends(authorised("payments", "write"))]
Status = Annotated[Literal["open", "settled"] | None, Query(description="Only invoices that stand so.")]

INVOICES = Listing("payments.invoices", date, str, str)
PAYMENTS = Listing("payments.payments", date, str, str)
ENTRIES = Listing("payments.entries", int)
NOTES = Listing("payments.notes", int)
InvoicesAsked = Annotated[Asked, Depends(INVOICES.asked)]
PaymentsAsked = Annotated[Asked, Depends(PAYMENTS.asked)]

PURPOSE = "payment"
"""Of a link's signature. The notifier signs the links in its messages for the same."""
LINES = 200
V = TypeVar("V", bound=msgspec.Struct)


@router.post("/accounts/{account}/payments", status_code=201, response_model=schemas.PaymentRecorded, summary="Record a payment")
async def record_payment(
    caller: Writes, request: Request, account: AccountId, told: schemas.PaymentIn, asked: Commanded, wait: Wait
) -> Response:
    """Money came. It pays the invoices it names, in that order, or what is due longest; what is left waits as credit.

    Told again with the same content it answers the same; with other content it is refused with 409. `Prefer: wait=5` answers once no
    reminder of what was paid can leave any more, or with 202.
    """
    command = commands.RecordPayment(told.payment_id, told.currency, told.amount_minor, told.received_on, tuple(told.invoice_ids))
    answer = await _obeyed(request, caller, account, command, asked, commands.PaymentView, lambda view: _payment(account, view))
    return await stopped(request, caller.tenant, asked, answer, wait)


@router.post("/accounts/{account}/returns", status_code=201, response_model=schemas.PaymentOut, summary="Record a returned payment")
async def record_return(caller: Writes, request: Request, account: AccountId, told: schemas.ReturnIn, asked: Commanded) -> Response:
    """Money that had come went back, all of it or a part. What it paid is open again. Answers with the payment."""
    amount = (told.currency or "", told.amount_minor)
    command = commands.RecordReturn(told.return_id, told.payment_id, told.kind, told.reason_code, *amount)
    return await _obeyed(request, caller, account, command, asked, commands.PaymentView, lambda view: _payment(account, view))


@router.post("/accounts/{account}/credit-notes", status_code=201, response_model=schemas.CreditNoteOut, summary="Credit an invoice")
async def issue_credit_note(
    caller: Writes, request: Request, account: AccountId, told: schemas.CreditNoteIn, asked: Commanded, wait: Wait
) -> Response:
    """Less is owed on an invoice. Money that paid more than is owed now becomes credit. `Prefer: wait=5` answers once it is in force."""
    command = commands.IssueCreditNote(told.credit_note_id, told.invoice_id, told.currency, told.amount_minor, told.reason)

    def shown(view: commands.CreditNoteView) -> schemas.CreditNoteOut:
        invoice = schemas.InvoiceOut.of(account, view.invoice)
        return schemas.CreditNoteOut(**schemas.readable(view, invoice.currency) | {"invoice": invoice})

    answer = await _obeyed(request, caller, account, command, asked, commands.CreditNoteView, shown)
    return await stopped(request, caller.tenant, asked, answer, wait)


@router.post("/accounts/{account}/payment-links", status_code=201, response_model=schemas.PaymentLinkOut, summary="Make a payment link")
async def create_payment_link(
    caller: Writes, request: Request, account: AccountId, told: schemas.PaymentLinkIn, asked: Commanded
) -> Response:
    """A signed address of a read-only page that shows what is open: all of it, or the invoices named. It ends at its own time."""
    settings = runtime_of(request).settings
    command = commands.CreatePaymentLink(tuple(told.invoice_ids), told.valid_days or settings.link_days)

    def shown(terms: commands.PaymentLinkTerms) -> schemas.PaymentLinkOut:
        token = sign(settings.signing_key, PURPOSE, (caller.tenant, account, terms.link_id), terms.expires_at)
        return schemas.PaymentLinkOut.of(f"{settings.public_url}/p/{token}", terms)

    return await _obeyed(request, caller, account, command, asked, commands.PaymentLinkTerms, shown)


@router.get("/invoices", summary="List a creditor's invoices")
async def list_invoices(caller: Reads, request: Request, asked: InvoicesAsked, status: Status = None) -> Page[schemas.InvoiceOut]:
    """By due date, then account and invoice."""
    async with reading(request, caller.tenant) as tx:
        return await _invoices(tx, caller.tenant, None, status, asked)


@router.get("/accounts/{account}/invoices", summary="List an account's invoices")
async def list_account_invoices(
    caller: Reads, request: Request, account: AccountId, asked: InvoicesAsked, status: Status = None
) -> Page[schemas.InvoiceOut]:
    """By due date, then invoice."""
    async with _known(request, caller.tenant, account) as tx:
        return await _invoices(tx, caller.tenant, account, status, asked)


@router.get("/payments", summary="List a creditor's payments")
async def list_payments(caller: Reads, request: Request, asked: PaymentsAsked) -> Page[schemas.PaymentOut]:
    """Latest first, each with what it was spent on."""
    async with reading(request, caller.tenant) as tx:
        return await _payments(tx, caller.tenant, None, asked)


@router.get("/accounts/{account}/payments", summary="List an account's payments")
async def list_account_payments(caller: Reads, request: Request, account: AccountId, asked: PaymentsAsked) -> Page[schemas.PaymentOut]:
    """Latest first, each with what it was spent on."""
    async with _known(request, caller.tenant, account) as tx:
        return await _payments(tx, caller.tenant, account, asked)


@router.get("/accounts/{account}/balance", summary="Read an account's balance")
async def read_balance(caller: Reads, request: Request, account: AccountId) -> schemas.AccountBalance:
    """What is owed, and what waits in the debtor's favour, per currency: amounts are never added across currencies."""
    async with _known(request, caller.tenant, account) as tx:
        balances = await store.balances(tx, caller.tenant, account)
    shown = [schemas.BalanceOut(**schemas.readable(balance, balance.currency)) for balance in balances]
    return schemas.AccountBalance(account_id=account, balances=shown)


@router.get("/accounts/{account}/ledger-entries", summary="List an account's ledger")
async def list_ledger_entries(
    caller: Reads, request: Request, account: AccountId, asked: Annotated[Asked, Depends(ENTRIES.asked)]
) -> Page[schemas.LedgerEntryOut]:
    """The double entries in the order they were made. None is ever changed: what was wrong is entered the other way."""
    async with _known(request, caller.tenant, account) as tx:
        rows = await store.entries(tx, caller.tenant, account, asked.after, asked.limit + 1)
    return ENTRIES.page(asked, rows, key=lambda row: (row[0],), item=lambda row: schemas.LedgerEntryOut.of(row[1]))


@router.get("/accounts/{account}/ledger-notes", summary="List what did not count")
async def list_ledger_notes(
    caller: Reads, request: Request, account: AccountId, asked: Annotated[Asked, Depends(NOTES.asked)]
) -> Page[schemas.LedgerNoteOut]:
    """Facts that changed no balance, or less than they said, and why: another currency, more returned than came, an id used twice."""
    async with _known(request, caller.tenant, account) as tx:
        rows = await store.notes(tx, caller.tenant, account, asked.after, asked.limit + 1)
    return NOTES.page(asked, rows, key=lambda row: (row[0],), item=lambda row: schemas.LedgerNoteOut(**msgspec.structs.asdict(row[1])))


@pages.api_route("/p/{token}", methods=["GET", "HEAD"])
async def show_open_items(request: Request, token: str) -> HTMLResponse:
    """What is open, for whoever has the link. Nothing can be changed here."""
    runtime = runtime_of(request)
    try:
        tenant, account, link_id = open_link(runtime.settings.signing_key, PURPOSE, token, runtime.clock.now())
    except ExpiredLink:
        return _html(page.closed_page("expired"), 410)
    except (BadLink, ValueError):
        return _html(page.closed_page("unknown"), 404)
    creditor = await runtime.directory.creditor(tenant)
    async with reading(request, tenant) as tx:
        if creditor is None or not await store.known(tx, tenant, account):
            return _html(page.closed_page("unknown"), 404)
        only = await store.invoices_of_link(tx, tenant, account, link_id)
        balances = await store.balances(tx, tenant, account, only)
        items = await store.open_items(tx, tenant, account, only, LINES)
    shown = page.open_items(creditor.name or tenant, account, runtime.clock.now(), items, balances, whole=only is None)
    return _html(page.open_items_page(shown), 200)


def _html(text: str, status: int) -> HTMLResponse:
    return HTMLResponse(text, status, {"Content-Security-Policy": page.content_security_policy(), **_PAGE_HEADERS})


_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def _obeyed(
    request: Request,
    caller: Caller,
    account: str,
    command: msgspec.Struct,
    asked: Command,
    answer: type[V],
    shown: Callable[[V], BaseModel],
) -> Response:
    """Fold the command and show its answer. What is kept for a repeated request is the answer in minor units, so both show the same."""
    kept = await obey(request, caller.tenant, account, command, asked, status=201)
    body = shown(msgspec.json.decode(kept.body, type=answer)).model_dump_json()
    return Response(body, kept.status_code, media_type="application/json")


@asynccontextmanager
async def _known(request: Request, tenant: str, account: str) -> AsyncIterator[Connection]:
    """A transaction that reads an account. Raises Refused 404 when no fact of it has come."""
    async with reading(request, tenant) as tx:
        if not await store.known(tx, tenant, account):
            raise Refused(404, "Unknown account", f"no fact of account {account!r} has come yet")
        yield tx


async def _invoices(tx: Connection, tenant: str, account: str | None, status: str | None, asked: Asked) -> Page[schemas.InvoiceOut]:
    rows = await store.invoices(tx, tenant, account, status, asked.after, asked.limit + 1)
    return INVOICES.page(
        asked, rows, key=lambda row: (row[1].due_on, row[0], row[1].invoice_id), item=lambda row: schemas.InvoiceOut.of(*row)
    )


async def _payments(tx: Connection, tenant: str, account: str | None, asked: Asked) -> Page[schemas.PaymentOut]:
    rows = await store.payments(tx, tenant, account, asked.after, asked.limit + 1)
    return PAYMENTS.page(
        asked, rows, key=lambda row: (row[1].payment.received_on, row[0], row[1].payment.payment_id), item=lambda row: _payment(*row)
    )


def _payment(account: str, view: commands.PaymentView) -> schemas.PaymentOut:
    return schemas.PaymentOut.of(account, view.payment, view.allocations, view.reserved)
