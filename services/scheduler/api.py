"""The scheduler over HTTP: policies, what accounts are at, why reminders went or did not go, pauses, and reminders that people ask for.

Commands are folded like events; reads show what is recorded. Nothing here decides.
"""

import asyncio
import re
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response
from msgspec.structs import replace

from paycue.api import asking, obey, reading, runtime_of
from paycue.auth.api_keys import Caller, authorised
from paycue.db.engine import Connection
from paycue.decision import Refused
from paycue.handwritten import HandwrittenError
from paycue.http.fields import AccountId, Identity, PathId
from paycue.http.idempotency import Command, Commanded, Stored, recall, remember
from paycue.http.paging import Asked, Listing, Page
from paycue.http.problems import FieldProblem, Problem, instance_of
from paycue.stops import Wait, stopped
from services.scheduler import schemas, store
from services.scheduler.domain.commands import PauseAccount, PauseInvoice, RemindNow, ResumeAccount, ResumeInvoice
from services.scheduler.domain.policy import Policy
from services.scheduler.domain.policy_form import policy_from_json, read_policy
from services.scheduler.domain.standing import Standing, moment_of
from services.scheduler.domain.why import Explanation, alone, explain

router = APIRouter(prefix="/v1/creditors/{creditor}")
T = TypeVar("T")
Reads = Annotated[Caller, Depends(authorised("scheduler", "read"))]
Writes = Annotated[Caller, Depends(authorised("scheduler", "write"))]
Why = Annotated[schemas.Reason | None, Query(description="Why; it is recorded.")]

POLICIES = Listing("scheduler.policies", int)
ACCOUNTS = Listing("scheduler.accounts", str)
DECISIONS = Listing("scheduler.decisions", str, int)
TIMELINE = Listing("scheduler.timeline", datetime, int, int)

_LARGEST_POLICY = 32 * 1024
_MOST_DECIDED = 500
_EVERYTHING = schemas.ReminderIn()
_YAML = ("application/yaml", "text/yaml", "application/x-yaml", "text/x-yaml")
_FORM = {"schema": {"$ref": "#/components/schemas/PolicyForm"}}
_POLICY_BODY = {
    "requestBody": {
        "required": True,
        "description": "The policy file as it is, or the same keys as JSON. Its `policy` is the name in the path.",
        "content": {"application/yaml": _FORM, "text/yaml": _FORM, "application/json": _FORM},
    }
}


@router.put(
    "/policies/{name}",
    tags=["policies"],
    response_model=schemas.PolicyForm,
    responses={201: {"model": schemas.PolicyForm, "description": "A new version, in force."}},
    openapi_extra=_POLICY_BODY,
)
async def publish_policy(request: Request, caller: Writes, name: PathId, asked: Commanded) -> Response:
    """Publish a policy: from now on it decides for every account of the creditor, which are all asked again.

    A version's content never changes: a changed policy needs a new version (409). A version published before comes back into force.
    """
    try:
        # In a thread: hostile YAML can take seconds, and the service goes on meanwhile.
        policy = await asyncio.to_thread(_policy, await request.body(), request.headers.get("content-type", ""), name)
    except HandwrittenError as error:
        return _refusal(error, instance_of(request.scope)).response()
    stored = await _publish(request, caller.tenant, policy, asked)
    runtime_of(request).alarm.ring()
    return Response(stored.body, stored.status, media_type="application/json")


def _policy(body: bytes, content_type: str, name: str) -> Policy:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (*_YAML, "application/json"):
        raise HTTPException(415, f"The Content-Type is {kind or 'missing'}; send the policy as {_YAML[0]} or application/json.")
    if len(body) > _LARGEST_POLICY:
        raise HTTPException(413, f"The policy has {len(body)} bytes, expected {_LARGEST_POLICY} at most.")
    policy = read_policy(body.decode()) if kind in _YAML else policy_from_json(body.decode())
    if policy.name != name:
        raise HandwrittenError("", 0, "policy", repr(policy.name), f"{name!r}, the name in the path")
    return policy


def _refusal(error: HandwrittenError, instance: str) -> Problem:
    """The problem with a policy: where, what was found, what is expected."""
    fault = f"found {error.found}, expected {error.expected}"
    place = ", ".join(part for part in (f"line {error.line}" if error.line else "", error.field) if part)
    steps = [str(int(step) - 1) if step.isdigit() else step for step in re.split(r"[.\[\]]+", error.field) if step]
    pointer = "".join(f"/{step}" for step in steps)
    kind = "urn:paycue:problem:invalid-policy"
    detail = f"{place}: {fault}" if place else fault
    return Problem(422, "Invalid policy", detail, kind, instance, (FieldProblem("body", f"#{pointer}", fault),))


async def _publish(request: Request, tenant: str, policy: Policy, asked: Command) -> Stored:
    """In one transaction with the request's Idempotency-Key: repeated later, it must not put an old version back in force."""
    runtime = runtime_of(request)
    now = runtime.clock.now()
    async with runtime.store.transaction([tenant]) as unit:
        tx = unit.tx
        if asked.key is not None and (stored := await recall(tx, store.SCHEMA, tenant, asked.key, asked.digest)):
            return stored
        await store.lock_policies(tx, tenant)
        known = await store.policy_version(tx, tenant, policy.name, policy.version)
        try:
            await store.publish_policy(unit, tenant, policy, now)
        except ValueError as error:
            raise Refused(409, "Policy version taken", str(error)) from None
        stored = Stored(201 if known is None else 200, schemas.PolicyForm.of(policy).model_dump_json(by_alias=True).encode())
        if asked.key is not None:
            await remember(tx, store.SCHEMA, tenant, asked.key, asked.digest, stored, now)
        return stored


@router.get("/policies", tags=["policies"])
async def list_policies(request: Request, caller: Reads, asked: Annotated[Asked, Depends(POLICIES.asked)]) -> Page[schemas.PolicyOut]:
    """Every published version of every policy, the one in force first."""
    async with reading(request, caller.tenant) as tx:
        rows = await store.policies(tx, caller.tenant, asked.after, asked.limit + 1)
    return POLICIES.page(asked, rows, lambda row: (row.published,), schemas.PolicyOut.of)


@router.get("/policies/{name}", tags=["policies"])
async def read_policy_version(
    request: Request, caller: Reads, name: PathId, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> schemas.PolicyForm:
    """A policy in the form in which it can be published again: the version asked for, or the one published last."""
    async with reading(request, caller.tenant) as tx:
        row = await store.policy_version(tx, caller.tenant, name, version)
    if row is None:
        raise Refused(404, "Unknown policy", f"there is no {f'version {version}' if version else 'version'} of policy {name!r}")
    return schemas.PolicyForm.of(row.policy)


@router.get("/accounts", tags=["accounts"], response_model=Page[schemas.AccountSummary])
async def list_accounts(request: Request, caller: Reads, asked: Annotated[Asked, Depends(ACCOUNTS.asked)]) -> Response:
    """Accounts by id, with what is open and when each is next."""
    async with asking(request) as connection:
        rows = await store.accounts(connection, caller.tenant, asked.after, asked.limit + 1)
    return ACCOUNTS.answer(asked, rows, lambda row: (row.account_id,), schemas.summary)


@router.get("/accounts/{account}", tags=["accounts"])
async def read_account(request: Request, caller: Reads, account: AccountId) -> schemas.AccountOut:
    """An account with its open invoices, their levels and holds, and the step each is at next."""
    async with asking(request) as connection:
        row, standing = await _known_in_standing(connection, caller.tenant, account)
    return schemas.AccountOut.explained(row, _explained(request, caller.tenant, row, standing))


@router.get("/accounts/{account}/timeline", tags=["accounts"])
async def read_timeline(
    request: Request, caller: Reads, account: AccountId, asked: Annotated[Asked, Depends(TIMELINE.asked)]
) -> Page[schemas.TimelineEntry]:
    """Everything that was decided on an account, what became of its reminders, and who paused what, oldest first."""
    async with reading(request, caller.tenant) as tx:
        _unless_unknown(await store.account(tx, caller.tenant, account), account)
        rows = await store.timeline(tx, caller.tenant, account, asked.after, asked.limit + 1)
    return TIMELINE.page(asked, rows, lambda row: (row["at"], row["place"], row["number"]), schemas.timeline_entry)


@router.get("/accounts/{account}/why", tags=["accounts"])
async def read_why(
    request: Request, caller: Reads, account: AccountId, invoice: Annotated[Identity | None, Query(description="One invoice alone.")] = None
) -> schemas.WhyOut:
    """Why reminders went or did not go, as recorded, and what comes next and what holds it."""
    async with reading(request, caller.tenant) as tx:
        row, standing = await _known_in_standing(tx, caller.tenant, account)
        if invoice is not None:
            if row.state.find(invoice) is None:
                raise Refused(404, "Unknown invoice", f"account {account!r} has no invoice {invoice!r}")
            row = replace(row, state=alone(row.state, invoice))
        rows = await store.last_decisions(tx, caller.tenant, account, invoice, _MOST_DECIDED + 1)
        heard = await store.last_outcomes(tx, caller.tenant, account, [each["reminder_id"] for each in rows])
    decided = [schemas.StandingDecision.standing(each, heard) for each in rows[:_MOST_DECIDED]]
    why = _explained(request, caller.tenant, row, standing)
    return schemas.WhyOut.of(row, why, decided, more=len(rows) > _MOST_DECIDED)


async def _known_in_standing(connection: Connection, tenant: str, account: str) -> tuple[store.AccountRow, Standing]:
    return _unless_unknown(await store.account_in_standing(connection, tenant, account), account)


def _unless_unknown(found: T | None, account: str) -> T:
    if found is None:
        raise Refused(404, "Unknown account", f"no fact of account {account!r} has come yet")
    return found


def _explained(request: Request, tenant: str, row: store.AccountRow, standing: Standing) -> Explanation:
    return explain(row.state, moment_of(runtime_of(request).clock.now(), tenant, row.account_id, row.state.zone, standing))


@router.get("/decisions", tags=["decisions"])
async def list_decisions(request: Request, caller: Reads, asked: Annotated[Asked, Depends(DECISIONS.asked)]) -> Page[schemas.DecisionOut]:
    """Every decision for the creditor, account by account in the order they were taken."""
    async with reading(request, caller.tenant) as tx:
        rows = await store.decisions(tx, caller.tenant, asked.after, asked.limit + 1)
    return DECISIONS.page(asked, rows, lambda row: (row["account_id"], row["seq"]), schemas.DecisionOut.of)


@router.put("/accounts/{account}/pause", tags=["pauses"], response_model=schemas.Paused)
async def pause_account(
    request: Request, caller: Writes, account: AccountId, pause: schemas.PauseIn, asked: Commanded, wait: Wait
) -> Response:
    """Hold everything of an account. A second pause takes the place of the first. `Prefer: wait=5` answers once it is in force."""
    answer = await obey(request, caller.tenant, account, PauseAccount(pause.reason, pause.until), asked)
    return await stopped(request, caller.tenant, asked, answer, wait)


@router.delete("/accounts/{account}/pause", tags=["pauses"], response_model=schemas.PausesOut)
async def resume_account(request: Request, caller: Writes, account: AccountId, asked: Commanded, reason: Why = None) -> Response:
    """End an account's pause; invoices paused one by one stay paused. Answers 409 when it is not paused."""
    return await obey(request, caller.tenant, account, ResumeAccount(reason or ""), asked)


@router.put("/accounts/{account}/invoices/{invoice}/pause", tags=["pauses"], response_model=schemas.Paused)
async def pause_invoice(
    request: Request, caller: Writes, account: AccountId, invoice: PathId, pause: schemas.PauseIn, asked: Commanded, wait: Wait
) -> Response:
    """Hold one invoice; the others go on. `Prefer: wait=5` answers once it is in force."""
    answer = await obey(request, caller.tenant, account, PauseInvoice(invoice, pause.reason, pause.until), asked)
    return await stopped(request, caller.tenant, asked, answer, wait)


@router.delete("/accounts/{account}/invoices/{invoice}/pause", tags=["pauses"], response_model=schemas.PausesOut)
async def resume_invoice(
    request: Request, caller: Writes, account: AccountId, invoice: PathId, asked: Commanded, reason: Why = None
) -> Response:
    """End the pause of one invoice. Answers 409 when it is not paused by itself."""
    return await obey(request, caller.tenant, account, ResumeInvoice(invoice, reason or ""), asked)


@router.post("/accounts/{account}/reminders", tags=["reminders"], status_code=201, response_model=schemas.RemindedOut)
async def remind_now(
    request: Request, caller: Writes, account: AccountId, asked: Commanded, wanted: schemas.ReminderIn = _EVERYTHING
) -> Response:
    """Remind an account now, outside the ladder. It passes the same holds and the same gate, and counts as a contact.

    Answers 409 with the reason when nothing may be sent. Send an Idempotency-Key: without one, a repeated request is another reminder.
    """
    return await obey(request, caller.tenant, account, RemindNow(tuple(wanted.invoice_ids), wanted.any_hour), asked, status=201)
