"""What every service's `api.py` builds on: a command folded in its own transaction with its idempotency record, and reads of one tenant.

A command takes the road of every event; its answer is kept with it, so that the same request is answered the same. No route opens
a transaction by itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response

from paycue.bus.batch import Input
from paycue.bus.store import Unit
from paycue.db.engine import Connection
from paycue.decision import Refused
from paycue.http.idempotency import Command, Stored, recall, remember
from paycue.ids import ACCOUNT
from paycue.observability import metrics, trace
from paycue.runtime import Runtime

First = Callable[[Unit], Awaitable[None]]


def runtime_of(request: Request) -> Runtime:
    """The running service behind a request."""
    runtime: Runtime = request.app.state.runtime
    return runtime


async def obey(
    request: Request, tenant: str, account: str, command: msgspec.Struct, asked: Command, *, status: int = 200, first: First | None = None
) -> Response:
    """Fold a command into an account and answer with its decision's `answer` as JSON. Raises Refused.

    `first` is done before it in the same transaction: neither happens where the command is refused or was answered before.
    """
    if not ACCOUNT.fullmatch(account):
        raise Refused(422, "Not an account", "an account id is 1 to 64 characters without control characters")
    runtime, name = runtime_of(request), type(command).__name__
    try:
        stored, outcome = await _obey(runtime, tenant, account, command, asked, status, first)
    except Refused:
        metrics.COMMANDS.labels(runtime.service.name, name, "refused").inc()
        raise
    metrics.COMMANDS.labels(runtime.service.name, name, outcome).inc()
    return Response(stored.body, stored.status, media_type="application/json")


async def _obey(
    runtime: Runtime, tenant: str, account: str, command: msgspec.Struct, asked: Command, status: int, first: First | None
) -> tuple[Stored, str]:
    """The answer, and whether the command was `applied` or its answer `replayed`."""
    schema, now = runtime.service.store.schema, runtime.clock.now()
    async with runtime.folder.transaction([tenant]) as folding:
        if asked.key is not None and (stored := await recall(folding.tx, schema, tenant, asked.key, asked.digest)):
            return stored, "replayed"
        if first is not None:
            await first(folding.unit)
        span = trace.current()
        one = Input(tenant, account, command, asked.command_id, now, span.header() if span else None, command=True)
        batch = await folding.fold([one])
        stored = Stored(status, msgspec.json.encode(batch.answers[0]))
        if asked.key is not None:
            await remember(folding.tx, schema, tenant, asked.key, asked.digest, stored, now)
    return stored, "applied"


@asynccontextmanager
async def reading(request: Request, tenant: str) -> AsyncIterator[Connection]:
    """A transaction that sees one tenant's rows, for queries."""
    async with runtime_of(request).database.transaction([tenant]) as tx:
        yield tx


@asynccontextmanager
async def asking(request: Request) -> AsyncIterator[Connection]:
    """A connection for one statement that names its tenant itself, in a function of the schema; any other sees no tenant's rows."""
    async with runtime_of(request).database.connection() as connection:
        yield connection


async def state_of(request: Request, tenant: str, account: str) -> Any:
    """An account's document. Raises Refused 404 when the service has never heard of it."""
    async with reading(request, tenant) as tx:
        state = await runtime_of(request).service.store.read(tx, tenant, account)
    if state is None:
        raise Refused(404, "Unknown account", f"no fact of account {account!r} has come yet")
    return state
