"""The notifier over HTTP: messages and what happened to them, gates, consent, and what providers and debtors tell us.

Commands are folded like events; reads show what is recorded. Nothing of a provider's request is used before its signature holds.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response

from paycue.api import obey, reading, runtime_of, state_of
from paycue.auth.api_keys import Caller, authorised
from paycue.auth.links import BadLink, ExpiredLink, open_link
from paycue.bus.batch import Input
from paycue.bus.fold import Folding
from paycue.bus.store import Unit
from paycue.db.accounts import Key
from paycue.db.engine import is_transient
from paycue.decision import Refused
from paycue.http.fields import AccountId, PathId
from paycue.http.idempotency import Command, Commanded, Stored, recall, remember
from paycue.http.paging import Asked, Listing, Page
from paycue.ids import new_id
from paycue.observability import metrics
from paycue.runtime import Runtime
from paycue.stops import Wait, stopped
from services.notifier import schemas, store
from services.notifier.adapters.channels import INBOUND_CALLBACK, STATUS_CALLBACK
from services.notifier.adapters.twilio_callbacks import CallbackVerifier, call_of, delivery_report, inbound_message
from services.notifier.domain import commands, pages, said
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.gate import EVERYTHING

router = APIRouter(prefix="/v1/creditors/{creditor}")
public = APIRouter()
Reads = Annotated[Caller, Depends(authorised("notifier", "read"))]
Writes = Annotated[Caller, Depends(authorised("notifier", "write"))]
MESSAGES = Listing("notifier.messages", date, str, str)
Pages = Annotated[Asked, Depends(MESSAGES.asked)]
Only = Annotated[schemas.Status | None, Query(description="Only messages that stand so now.")]
_NO_ANSWER = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_QUOTED = 500
_PATIENCE_SECONDS, _AGAIN_SECONDS = 8.0, 0.1


@router.get("/messages", tags=["messages"])
async def list_messages(request: Request, caller: Reads, asked: Pages, status: Only = None) -> Page[schemas.MessageOut]:
    """Messages of the creditor, latest planned first."""
    return await _messages(request, caller.tenant, None, status, asked)


@router.get("/accounts/{account}/messages", tags=["messages"])
async def list_account_messages(
    request: Request, caller: Reads, account: AccountId, asked: Pages, status: Only = None
) -> Page[schemas.MessageOut]:
    """Messages of one account, latest planned first."""
    return await _messages(request, caller.tenant, account, status, asked)


async def _messages(request: Request, tenant: str, account: str | None, status: str | None, asked: Asked) -> Page[schemas.MessageOut]:
    after: Any = asked.after
    async with reading(request, tenant) as tx:
        rows = await store.messages(tx, tenant, account, status, after, asked.limit + 1)
    return MESSAGES.page(asked, rows, lambda row: (row["planned_on"], row["account_id"], row["reminder_id"]), schemas.MessageOut.of)


@router.get("/accounts/{account}/messages/{reminder}", tags=["messages"])
async def read_message(request: Request, caller: Reads, account: AccountId, reminder: PathId) -> schemas.MessageDetail:
    """One message with every attempt and every provider's report."""
    async with reading(request, caller.tenant) as tx:
        row = await store.message(tx, caller.tenant, account, reminder)
        if row is None:
            raise Refused(404, "Unknown message", f"account {account!r} has no message of reminder {reminder!r}")
        attempts = await store.attempts(tx, caller.tenant, account, reminder)
        reports = await store.reports(tx, caller.tenant, account, reminder)
    return schemas.MessageDetail.told(row, attempts, reports)


@router.post("/accounts/{account}/messages/{reminder}/resend", tags=["messages"], response_model=schemas.Resent)
async def resend_message(
    request: Request, caller: Writes, account: AccountId, reminder: PathId, wanted: schemas.ResendIn, asked: Commanded
) -> Response:
    """Send a message whose outcome is unknown again, within the hour: it may arrive twice, and the caller answers for that.

    Answers 409 when its outcome is known, or nobody looks for it any more.
    """
    return await obey(request, caller.tenant, account, commands.Resend(reminder, wanted.reason), asked)


@router.get("/accounts/{account}/gate", tags=["gate"])
async def read_gate(request: Request, caller: Reads, account: AccountId) -> schemas.GateOut:
    """What keeps messages from an account, how it is reached, and what is on its way."""
    return schemas.GateOut.of(account, await state_of(request, caller.tenant, account))


@router.post("/accounts/{account}/stops/release", tags=["gate"], response_model=schemas.Released)
async def release_stop(request: Request, caller: Writes, account: AccountId, wanted: schemas.ReleaseIn, asked: Commanded) -> Response:
    """End a stop whose raw fact no service resolves. Recorded with the reason; the same fact never stops anything again."""
    return await obey(request, caller.tenant, account, commands.ReleaseStop(wanted.cause, wanted.reason), asked)


@router.post("/accounts/{account}/contact-points", tags=["consent"], status_code=201, response_model=schemas.ContactPointOut)
async def add_contact_point(
    request: Request, caller: Writes, account: AccountId, point: schemas.ContactPointIn, asked: Commanded
) -> Response:
    """Record an address with the consent it rests on; it comes before those that the ERP names. It does not undo an opt-out."""
    command = commands.SetContactPoint(point.channel, point.address, point.basis, point.evidence)
    return await obey(request, caller.tenant, account, command, asked, status=201)


@router.post("/accounts/{account}/opt-outs", tags=["consent"], status_code=201, response_model=schemas.OptOutRecorded)
async def opt_out(request: Request, caller: Writes, account: AccountId, wanted: schemas.OptOut, asked: Commanded, wait: Wait) -> Response:
    """Write to an address of the account, or to the account at all, no more. What is pending is withdrawn in the same moment; with
    `Prefer: wait=5` the answer waits for what is on its way.
    """
    command = commands.OptOut(*_whom(wanted.address), "person", wanted.evidence)
    answer = await obey(request, caller.tenant, account, command, asked, status=201)
    return await stopped(request, caller.tenant, asked, answer, wait)


@router.post("/accounts/{account}/opt-ins", tags=["consent"], status_code=201, response_model=schemas.OptedOut)
async def opt_in(request: Request, caller: Writes, account: AccountId, wanted: schemas.OptIn, asked: Commanded) -> Response:
    """Take an opt-out back, by the debtor's own consent; accounts of the creditor that get the address later may be written to as well.
    Answers 409 when there is none.
    """
    address, channel = _whom(wanted.address)

    async def consented(unit: Unit) -> None:
        if address != EVERYTHING:
            await store.say(unit, (channel, address), lambda words: said.consent(words, caller.tenant))

    command = commands.OptIn(address, channel, "person", wanted.evidence)
    return await obey(request, caller.tenant, account, command, asked, status=201, first=consented)


@router.post("/opt-outs", tags=["consent"], status_code=201, response_model=schemas.AddressOptedOut)
async def opt_out_address(request: Request, caller: Writes, wanted: schemas.AddressOptOut, asked: Commanded, wait: Wait) -> Response:
    """Write to an address no more, for every account of the creditor that has it now or gets it later. Answers 404 when none has it now.
    `Prefer: wait=5` waits until that is in force for all of them.
    """
    stored = await _opted_out_everywhere(request, caller.tenant, wanted, asked)
    accounts: int = msgspec.json.decode(stored.body)["accounts"]
    return await stopped(request, caller.tenant, asked, _json(stored), wait, accounts=accounts)


async def _opted_out_everywhere(request: Request, tenant: str, wanted: schemas.AddressOptOut, asked: Command) -> Stored:
    """What was recorded, now or when the same request came before."""
    runtime = runtime_of(request)
    address, channel = _whom(wanted.address)
    async with runtime.folder.transaction([tenant]) as folding:
        tx = folding.tx
        if asked.key is not None and (stored := await recall(tx, store.SCHEMA, tenant, asked.key, asked.digest)):
            return stored
        command = commands.OptOut(address, channel, "person", wanted.evidence)
        accounts = await _stop_address(runtime, folding, command, asked.command_id, tenant)
        if not accounts:
            raise Refused(404, "Unknown address", "no account of this creditor has this address; opt the account out instead")
        stored = Stored(201, msgspec.json.encode({"address": address, "accounts": len(accounts)}))
        if asked.key is not None:
            await remember(tx, store.SCHEMA, tenant, asked.key, asked.digest, stored, runtime.clock.now())
    return stored


def _whom(address: str | None) -> tuple[str, Any]:
    return (EVERYTHING, "") if address is None else (address, schemas.channel_of(address))


async def _stop_address(
    runtime: Runtime, folding: Folding, command: commands.OptOut, cause: str, creditor: str, more: Sequence[Key] = ()
) -> list[Key]:
    """Obey an opt-out for every account of a creditor (or of ANY_CREDITOR) that has its address, and for `more`; which those are. It is
    kept for those that get the address later.
    """
    word = said.Said(cause, command.basis, command.evidence)
    await store.say(folding.unit, (command.channel, command.address), lambda words: said.stop(words, creditor, word))
    having = await store.accounts_of_address(folding.tx, suppression_key(command.address), command.channel)
    accounts = sorted({*more, *(key for key in having if creditor in (said.ANY_CREDITOR, key[0]))})
    await folding.unit.see_tenants({tenant for tenant, _ in accounts})
    now = runtime.clock.now()
    await folding.fold([Input(*key, command, cause, now, command=True) for key in accounts])
    return accounts


def _json(stored: Stored) -> Response:
    return Response(stored.body, stored.status, media_type="application/json")


@public.post(STATUS_CALLBACK, tags=["providers"], status_code=204)
async def twilio_status(request: Request) -> Response:
    """Twilio reports on a message; signed with the account's token. Answered once it is recorded; again and again is harmless."""
    url, form = await _from_twilio(request)
    try:
        report = delivery_report(call_of(url), form)
    except ValueError as error:
        raise Refused(422, "Callback not understood", str(error)) from None
    runtime = runtime_of(request)
    async with runtime.database.transaction(()) as tx:
        found = await store.account_of_call(tx, report.call_id)
    if found is None:
        raise Refused(404, "Unknown call", "no message was sent under this call id")
    tenant, account, reminder_id = found
    command = commands.DeliveryReported(reminder_id, report.call_id, form.get("To", ""), report.reference, report.status, report.error_code)
    cause = f"twilio:{report.reference}:{report.status}"
    await runtime.folder.obey([Input(tenant, account, command, cause, runtime.clock.now(), command=True)])
    metrics.CALLBACKS.labels("twilio", "applied").inc()
    return Response(status_code=204)


@public.post(INBOUND_CALLBACK, tags=["providers"])
async def twilio_inbound(request: Request) -> Response:
    """A debtor answers an SMS. Whoever asks us to stop is obeyed at once for every account that has the number, and for every one that
    gets it later.
    """
    _, form = await _from_twilio(request)
    try:
        heard = inbound_message(form)
    except ValueError as error:
        raise Refused(422, "Callback not understood", str(error)) from None
    runtime = runtime_of(request)
    if heard.opt_out:
        command = commands.OptOut(heard.sender, "sms", "reply", f"{heard.reference}: {heard.body[:_QUOTED]}")
        await _obey_at_last(runtime, command, f"twilio:{heard.reference}")
    metrics.CALLBACKS.labels("twilio", "applied").inc()
    return Response(_NO_ANSWER, media_type="text/xml")


async def _obey_at_last(runtime: Runtime, command: commands.OptOut, cause: str) -> None:
    """The provider asks once and waits for a while: what passes by itself meanwhile is tried again here."""
    give_up = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        try:
            async with runtime.folder.transaction(()) as folding:
                await _stop_address(runtime, folding, command, cause, said.ANY_CREDITOR)
            return
        except Exception as error:
            if not is_transient(error) or asyncio.get_running_loop().time() > give_up:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)


async def _from_twilio(request: Request) -> tuple[str, dict[str, str]]:
    """The public address that Twilio called and the form it posted, once its signature holds. Raises 403, or 404 without Twilio."""
    settings = runtime_of(request).settings
    if not settings.twilio_auth_token:
        raise HTTPException(404, "This installation has no Twilio account.")
    query = request.scope.get("query_string", b"").decode("latin-1")
    url = f"{settings.own_url}{request.scope['path']}" + (f"?{query}" if query else "")
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    if not CallbackVerifier(settings.twilio_auth_token).verify_callback(url, form, request.headers.get("x-twilio-signature", "")):
        metrics.CALLBACKS.labels("twilio", "forged").inc()
        raise HTTPException(403, "The signature does not fit the request; it is made with the account's token over PAYCUE_PUBLIC_URL.")
    return url, form


@public.get("/u/{token}", tags=["debtors"], response_class=HTMLResponse)
async def ask_to_unsubscribe(request: Request, token: str) -> HTMLResponse:
    """The page behind a mail's opt-out link: it asks, since mail scanners follow links too."""
    try:
        tenant, _, _, address = _opened(request, token)
    except BadLink as problem:
        return _bad_link(problem)
    return HTMLResponse(pages.ask_page(await _creditor_name(request, tenant), address))


@public.post("/u/{token}", tags=["debtors"], response_class=HTMLResponse)
async def unsubscribe(request: Request, token: str) -> HTMLResponse:
    """RFC 8058's one click, by a mail program or by the page's button: for every account of the creditor that has the address or gets
    it later.
    """
    try:
        tenant, account, call_id, address = _opened(request, token)
    except BadLink as problem:
        return _bad_link(problem)
    body = await request.body()
    if b"List-Unsubscribe" not in body or b"One-Click" not in body:
        raise HTTPException(400, "Post the form field List-Unsubscribe=One-Click, as RFC 8058 says.")
    runtime, command = runtime_of(request), commands.OptOut(address, "email", "one_click", f"mail {call_id}")
    async with runtime.folder.transaction([tenant]) as folding:
        await _stop_address(runtime, folding, command, new_id(), tenant, [(tenant, account)])
    return HTMLResponse(pages.done_page(await _creditor_name(request, tenant), address))


def _opened(request: Request, token: str) -> tuple[str, ...]:
    runtime = runtime_of(request)
    return open_link(runtime.settings.signing_key, "unsubscribe", token, runtime.clock.now())


def _bad_link(problem: BadLink) -> HTMLResponse:
    expired = isinstance(problem, ExpiredLink)
    return HTMLResponse(pages.bad_link_page(expired=expired), 410 if expired else 404)


async def _creditor_name(request: Request, tenant: str) -> str:
    creditor = await runtime_of(request).directory.creditor(tenant)
    return creditor.name if creditor is not None and creditor.name else tenant
