"""`Idempotency-Key` (IETF draft httpapi-idempotency-key-header): the same command twice takes effect once and answers the same.

The answer is kept in the business transaction, so there is none for a command that did not commit. Refusals are not kept: nothing
happened, and the same request may find another state.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import Depends, Header, HTTPException, Request

from paycue.db.engine import Connection
from paycue.decision import Refused
from paycue.ids import derived_id, new_id

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
# Equal keys give equal command ids whenever they come, so the moment in the id is always the same one.
_NO_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


class Command(msgspec.Struct, frozen=True):
    """The identity of one request. `key` None: the caller sent none, and the same request again is another command."""

    command_id: str
    key: str | None
    digest: bytes
    """Of method, path and body."""


class Stored(msgspec.Struct, frozen=True):
    """An answer as it was given."""

    status: int
    body: bytes


async def command(
    request: Request,
    idempotency_key: Annotated[str | None, Header(description="Repeat it with the same request to be answered once.")] = None,
) -> Command:
    """The dependency of every route that changes something. Raises 400 on a key that is not 1 to 255 printable characters."""
    digest = digest_of(request.method, request.scope["path"], await request.body())
    if idempotency_key is None:
        return Command(new_id(), None, digest)
    key = _unquoted(idempotency_key)
    if not _KEY.fullmatch(key):
        raise HTTPException(400, "The Idempotency-Key is not 1 to 255 printable ASCII characters; a UUID does well.")
    tenant = request.path_params.get("creditor", "")
    return Command(derived_id(_NO_MOMENT, tenant, request.method, request.scope["path"], key), key, digest)


Commanded = Annotated[Command, Depends(command)]


def digest_of(method: str, path: str, body: bytes) -> bytes:
    """What tells two requests with one key apart."""
    return hashlib.sha256(f"{method} {path}\0".encode() + body).digest()


async def recall(tx: Connection, schema: str, tenant: str, key: str, digest: bytes) -> Stored | None:
    """The answer already given under this key, or None; then the key is this transaction's until it ends.

    Waits for another transaction that works on the same key. Raises Refused when the key was used with another request.
    """
    # Two round trips: the second must see what the transaction we waited for has committed.
    await tx.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{schema}:{tenant}:{key}")
    row = await tx.fetchrow(f"select request_digest, status, body from {schema}.idempotency where tenant_id = $1 and key = $2", tenant, key)
    if row is None:
        return None
    if row["request_digest"] != digest:
        raise Refused(422, "Idempotency key reused", "This Idempotency-Key came with another request before; send a new one.")
    return Stored(row["status"], row["body"])


async def remember(tx: Connection, schema: str, tenant: str, key: str, digest: bytes, answer: Stored, now: datetime) -> None:
    """Keep the answer for whoever repeats the request, in the transaction that did the work."""
    await tx.execute(
        f"insert into {schema}.idempotency (tenant_id, key, request_digest, status, body, created_at) values ($1, $2, $3, $4, $5, $6)",
        *(tenant, key, digest, answer.status, answer.body, now),
    )


def _unquoted(header: str) -> str:
    """The draft writes the key as a quoted string; many clients send it bare. Both name the same key."""
    if len(header) >= 2 and header[0] == header[-1] == '"':
        return re.sub(r"\\(.)", r"\1", header[1:-1])
    return header
