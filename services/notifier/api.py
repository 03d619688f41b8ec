"""The notifier over HTTP: messages and what happened to them, gates, consent. What has no key is in `adapters.debtors`.

Commands are folded like events; reads show what is recorded.
"""

from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from paycue.api import obey, reading, runtime_of, state_of
from paycue.auth.api_keys import Caller, authorised
from paycue.bus.store import Unit
from paycue.decision import Refused
from paycue.http.fields import AccountId, PathId
from paycue.http.idempotency import Command, Commanded, Stored, recall, remember
from paycue.http.paging import Asked, Listing, Page
from paycue.stops import Wait, stopped
from services.notifier import schemas, store
from services.notifier.adapters.debtors import stop_address
from services.notifier.domain import commands, said
from services.notifier.domain.gate import EVERYTHING

router = APIRouter(prefix="/v1/creditors/{creditor}")
Reads = Annotated[Caller, Depends(authorised("notifier", "read"))]
Writes = Annotated[Caller, Depends(authorised("notifier", "write"))]
MESSAGES = Listing("notifier.messages", date, str, str)
Pages = Annotated[Asked, Depends(MESSAGES.asked)]
Only = Annotated[schemas.Status | None, Query(description="Only messages that stand so now.")]


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
        accounts = await stop_address(runtime, folding, command, asked.command_id, tenant)
        if not accounts:
            raise Refused(404, "Unknown address", "no account of this creditor has this address; opt the account out instead")
        stored = Stored(201, msgspec.json.encode({"address": address, "accounts": len(accounts)}))
        if asked.key is not None:
            await remember(tx, store.SCHEMA, tenant, asked.key, asked.digest, stored, runtime.clock.now())
    return stored


def _whom(address: str | None) -> tuple[str, Any]:
    return (EVERYTHING, "") if address is None else (address, schemas.channel_of(address))


def _json(stored: Stored) -> Response:
    return Response(stored.body, stored.status, media_type="application/json")
