"""Disputes over REST: a person opens, reviews, resolves, reopens and annotates them, and reads how they stand.

Every change is a command folded like an event; nothing here decides. A key sees its own creditor's disputes and no others.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from msgspec.structs import replace

from paycue.api import obey, reading
from paycue.auth.api_keys import Caller, authorised
from paycue.db.engine import Connection
from paycue.decision import Refused
from paycue.http.fields import AccountId, Identity
from paycue.http.idempotency import Command, Commanded
from paycue.http.paging import Asked, Listing, Page
from paycue.stops import Wait, stopped
from services.disputes import store
from services.disputes.domain.commands import AddNote, DisputeView, OpenDispute, ReopenDispute, ResolveDispute, StartReview
from services.disputes.domain.projection import view
from services.disputes.schemas import (
    DisputeDone,
    DisputeFound,
    DisputeId,
    DisputeIn,
    DisputeOut,
    DisputeStopped,
    NoteIn,
    NoteOut,
    ReopeningIn,
    ResolutionIn,
    ReviewIn,
    Status,
    dispute_done,
    dispute_found,
    dispute_out,
    note_out,
)

router = APIRouter(prefix="/v1/creditors/{creditor}", tags=["disputes"])

DISPUTES = Listing("disputes", datetime, str, str)
NOTES = Listing("notes", int)
_FIRST_NOTES = Asked(50)
_NOTHING_SAID, _NO_REASON = ReviewIn(), ReopeningIn()
_ACCOUNT = "/accounts/{account}/disputes"
_ONE = f"{_ACCOUNT}/{{dispute}}"

Reads = Annotated[Caller, Depends(authorised("disputes", "read"))]
Writes = Annotated[Caller, Depends(authorised("disputes", "write"))]
Change = OpenDispute | StartReview | ResolveDispute | ReopenDispute | AddNote


@router.post(_ACCOUNT, status_code=201, response_model=DisputeStopped, summary="Open a dispute")
async def open_dispute(request: Request, caller: Writes, account: AccountId, body: DisputeIn, asked: Commanded, wait: Wait) -> Response:
    """Contest an invoice, or a part of its amount: reminders of that invoice wait from now on, others go on.

    An invoice that is settled, or that nobody has told us of yet, can be disputed too. The same dispute again is answered as it stands;
    an id on file with other content, or resolved, is a 409. `Prefer: wait=5` answers once no reminder of it can leave, or with 202.
    """
    command = OpenDispute(
        invoice_id=body.invoice_id,
        reason=body.reason,
        dispute_id=body.dispute_id or "",
        currency=body.currency or "",
        disputed_minor=body.disputed_minor,
        note=body.note,
    )
    return await _stopped(request, caller, account, command, asked, wait, 201)


@router.post(f"{_ONE}/review", summary="Take a dispute into review")
async def start_review(
    request: Request, caller: Writes, account: AccountId, dispute: DisputeId, asked: Commanded, body: ReviewIn = _NOTHING_SAID
) -> DisputeDone:
    """Say that somebody looks at it. Its hold goes on; a dispute in review stays in review."""
    return await _done(request, caller, account, StartReview(dispute, body.note), asked)


@router.post(f"{_ONE}/resolve", summary="Resolve a dispute")
async def resolve_dispute(
    request: Request, caller: Writes, account: AccountId, dispute: DisputeId, asked: Commanded, body: ResolutionIn
) -> DisputeDone:
    """End it: its hold ends with it. `valid` credits the amount given, else all that is disputed; `partly_valid` the amount given;
    after `invalid` and `withdrawn` reminders go on where they stopped. Resolved twice is a 409.
    """
    command = ResolveDispute(dispute, body.outcome, body.credit_minor, body.reason, currency=body.currency or "")
    return await _done(request, caller, account, command, asked)


@router.post(f"{_ONE}/reopen", response_model=DisputeStopped, summary="Reopen a dispute")
async def reopen_dispute(
    request: Request, caller: Writes, account: AccountId, dispute: DisputeId, asked: Commanded, wait: Wait, body: ReopeningIn = _NO_REASON
) -> Response:
    """Open a resolved dispute again, once: it holds its invoice anew. What was credited stays credited. `Prefer: wait=5` as on opening."""
    return await _stopped(request, caller, account, ReopenDispute(dispute, body.reason), asked, wait)


@router.post(f"{_ONE}/notes", status_code=201, summary="Add a note")
async def add_note(request: Request, caller: Writes, account: AccountId, dispute: DisputeId, asked: Commanded, body: NoteIn) -> DisputeDone:
    """Note something on a dispute, with a link to its evidence or without. A note is never changed or removed."""
    return await _done(request, caller, account, AddNote(dispute, body.text, body.internal, body.evidence), asked, 201)


@router.get("/disputes", summary="List disputes")
async def list_disputes(
    request: Request,
    caller: Reads,
    asked: Annotated[Asked, Depends(DISPUTES.asked)],
    status: Annotated[Status | None, Query(description="Only those that stand so.")] = None,
    account: Annotated[Identity | None, Query(description="Only of this account.")] = None,
    invoice: Annotated[Identity | None, Query(description="Only of invoices with this id; account ids tell them apart.")] = None,
) -> Page[DisputeOut]:
    """The creditor's disputes, the newest first. Filters may be combined; keep them from page to page."""
    async with reading(request, caller.tenant) as tx:
        rows = await store.disputes(tx, caller.tenant, store.Wanted(status, account, invoice), asked.after, asked.limit + 1)
    return DISPUTES.page(asked, rows, key=lambda found: found.place, item=lambda found: dispute_out(found.account_id, found.row))


@router.get(_ONE, summary="Read a dispute")
async def read_dispute(request: Request, caller: Reads, account: AccountId, dispute: DisputeId) -> DisputeFound:
    """One dispute, its invoice as it stands now, and the first 50 of its notes with their evidence."""
    async with reading(request, caller.tenant) as tx:
        seen = await _view(tx, caller.tenant, account, dispute)
        return dispute_found(account, seen, await _notes(tx, caller.tenant, account, dispute, _FIRST_NOTES))


@router.get(f"{_ONE}/notes", summary="List a dispute's notes")
async def list_notes(
    request: Request, caller: Reads, account: AccountId, dispute: DisputeId, asked: Annotated[Asked, Depends(NOTES.asked)]
) -> Page[NoteOut]:
    """The notes on a dispute with their evidence, in the order they were written."""
    async with reading(request, caller.tenant) as tx:
        await _view(tx, caller.tenant, account, dispute)
        return await _notes(tx, caller.tenant, account, dispute, asked)


async def _done(request: Request, caller: Caller, account: str, command: Change, asked: Command, status: int = 200) -> DisputeDone:
    """Obey, in the name of the key that asks. Decoded from what was stored, so that a repeated request reads the same."""
    signed = replace(command, by=f"key:{caller.key_id}")
    answer = await obey(request, caller.tenant, account, signed, asked, status=status)
    return dispute_done(account, msgspec.json.decode(answer.body, type=DisputeView))


async def _stopped(
    request: Request, caller: Caller, account: str, command: Change, asked: Command, wait: int | None, status: int = 200
) -> Response:
    """Obey, and answer with the stop that it brought about."""
    done = await _done(request, caller, account, command, asked, status)
    return await stopped(request, caller.tenant, asked, Response(done.model_dump_json(), status, media_type="application/json"), wait)


async def _view(tx: Connection, tenant: str, account: str, dispute_id: str) -> DisputeView:
    state = await store.account(tx, tenant, account)
    if state is None or dispute_id not in state.cases:
        raise Refused(404, "Dispute not found", f"there is no dispute {dispute_id!r} on this account; the list of disputes names them")
    return view(state, dispute_id)


async def _notes(tx: Connection, tenant: str, account: str, dispute_id: str, asked: Asked) -> Page[NoteOut]:
    (after,) = asked.after or (0,)
    rows = await store.notes(tx, tenant, account, dispute_id, after, asked.limit + 1)
    return NOTES.page(asked, rows, key=lambda noted: (noted.id,), item=lambda noted: note_out(noted.row))
