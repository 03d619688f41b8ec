"""What debtors say, and what providers report: over HTTP without a key, each request with a signature of its own.

Nothing of a request is used before its signature holds. Whoever asks us to stop is obeyed at once, and for good.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from paycue.api import runtime_of
from paycue.auth.links import BadLink, ExpiredLink, open_link
from paycue.bus.batch import Input
from paycue.bus.fold import Folding
from paycue.db.accounts import Key
from paycue.db.engine import is_transient
from paycue.decision import Refused
from paycue.ids import new_id
from paycue.observability import metrics
from paycue.runtime import Runtime
from services.notifier import store
from services.notifier.adapters.channels import INBOUND_CALLBACK, STATUS_CALLBACK
from services.notifier.adapters.twilio_callbacks import CallbackVerifier, call_of, delivery_report, inbound_message
from services.notifier.domain import commands, pages, said
from services.notifier.domain.addresses import suppression_key

public = APIRouter()
_NO_ANSWER = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
_QUOTED = 500
_PATIENCE_SECONDS, _AGAIN_SECONDS = 8.0, 0.1


Having = Callable[[Folding, str, str], Awaitable[list[Key]]]
"""Which accounts have an address, by its suppression key, on a channel."""


async def _having(folding: Folding, address: str, channel: str) -> list[Key]:
    return await store.accounts_of_address(folding.tx, address, channel)


async def stop_address(
    runtime: Runtime,
    folding: Folding,
    command: commands.OptOut,
    cause: str,
    creditor: str,
    more: Sequence[Key] = (),
    having: Having = _having,
) -> list[Key]:
    """Obey an opt-out for every account of a creditor (or of ANY_CREDITOR) that has its address, and for `more`; which those are. It is
    kept for those that get the address later.
    """
    word = said.Said(cause, command.basis, command.evidence)
    await store.say(folding.unit, (command.channel, command.address), lambda words: said.stop(words, creditor, word))
    found = await having(folding, suppression_key(command.address), command.channel)
    accounts = sorted({*more, *(key for key in found if creditor in (said.ANY_CREDITOR, key[0]))})
    await folding.unit.see_tenants({tenant for tenant, _ in accounts})
    now = runtime.clock.now()
    await folding.fold([Input(*key, command, cause, now, command=True) for key in accounts])
    return accounts


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
                await stop_address(runtime, folding, command, cause, said.ANY_CREDITOR)
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
        await stop_address(runtime, folding, command, new_id(), tenant, [(tenant, account)])
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
