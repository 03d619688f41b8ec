"""What a request that stops something is answered: the id of its stop, and its receipt if that has come.

`Prefer: wait=5` (RFC 7240, 4.3) waits for the receipt, which says that nothing about what was stopped can start any more. Until it
has come the stop is recorded and on its way, and no more is promised.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from paycue.api import runtime_of
from paycue.auth.api_keys import Caller, authorised
from paycue.decision import Refused
from paycue.http.fields import PathId
from paycue.http.idempotency import Command
from paycue.receipt import Receipt

MOST_SECONDS = 30
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)


class ReceiptOut(BaseModel):
    """The stop is in force: no call about what it stopped starts after `none_started_after`."""

    stop_id: str
    kind: str = Field(description="`payment`, `dispute`, `credit_note`, `pause`, `opt_out` or `suspension`.")
    cause: str = Field(description="What it was, such as `payment:P-5001` or `opt_out:person`.")
    invoice_ids: list[str] = Field(description="What it stopped; none: the whole account.")
    accepted_at: datetime = Field(description="When the gate was closed.")
    effective_at: datetime = Field(description="When every call claimed before that had ended, or was given up waiting for after 5 s.")
    calls_in_flight: list[str] = Field(description="Calls that had started by then and not ended: their messages may still arrive.")
    none_started_after: datetime

    @classmethod
    def of(cls, receipts: Sequence[Receipt]) -> Self:
        """One receipt for all the accounts that one request stopped."""
        return cls(
            stop_id=receipts[0].stop_id,
            kind=receipts[0].kind,
            cause=receipts[0].cause,
            invoice_ids=sorted({key for each in receipts for key in json.loads(each.invoice_ids)}),
            accepted_at=min(each.accepted_at for each in receipts),
            effective_at=max(each.effective_at for each in receipts),
            calls_in_flight=sorted({call for each in receipts for call in json.loads(each.calls_in_flight)}),
            none_started_after=max(each.none_started_after for each in receipts),
        )


class StopOut(BaseModel):
    """The stop that a request brought about."""

    stop_id: str = Field(description="`GET /v1/creditors/{creditor}/stops/{stop}` tells its receipt later.")
    receipt: ReceiptOut | None = Field(description="Null until it has come; with `Prefer: wait=5` the answer waits for it.")


class Stopping(BaseModel):
    """Part of every answer to a request that stops something."""

    stop: StopOut | None = None


def preferred(prefer: Annotated[list[str] | None, Header(description="`wait=5`: answer once the stop is in force.")] = None) -> int | None:
    """The seconds a caller prefers to wait, 30 at most; None when it does not say."""
    found = _WAIT.search(",".join(prefer or ()))
    return min(MOST_SECONDS, int(found[1])) if found else None


Wait = Annotated[int | None, Depends(preferred)]


async def stopped(request: Request, tenant: str, asked: Command, answer: Response, wait: int | None, *, accounts: int = 1) -> Response:
    """`answer` with its stop: 202 when the caller waits and the receipt has not come from all of the accounts."""
    found = await runtime_of(request).receipts.of(tenant, asked.command_id, accounts, float(wait or 0))
    receipt = in_force(found, accounts)
    body: dict[str, Any] = msgspec.json.decode(bytes(answer.body))
    body["stop"] = StopOut(stop_id=asked.command_id, receipt=receipt).model_dump(mode="json")
    status = 202 if wait is not None and receipt is None else answer.status_code
    headers = {} if wait is None else {"Preference-Applied": f"wait={wait}"}
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def in_force(receipts: Sequence[Receipt], accounts: int) -> ReceiptOut | None:
    """The receipt of a stop of so many accounts; None while one of them has not acknowledged it."""
    return ReceiptOut.of(receipts) if len(receipts) >= accounts > 0 else None


def router(service: str) -> APIRouter:
    """Where a service tells the receipts of the stops it took."""
    made = APIRouter(prefix="/v1/creditors/{creditor}", tags=["stops"])
    reads = Annotated[Caller, Depends(authorised(service, "read"))]

    @made.get("/stops/{stop}")
    async def read_stop(request: Request, caller: reads, stop: PathId) -> ReceiptOut:
        """The receipt of a stop. Answers 404 while it has not come: the notifier has not heard of the stop, or is down."""
        found = await runtime_of(request).receipts.of(caller.tenant, stop)
        if not found:
            raise Refused(404, "No receipt", f"no receipt of the stop {stop!r} has come; ask again, or look whether the notifier runs")
        return ReceiptOut.of(found)

    return made
