"""What an operator does with dead letters: list them, show one, replay an account behind them, or discard one.

Replaying an account folds its dead letters and all that waits behind them, in the order they came, in one transaction under
the account's lock; either all of it goes through, or nothing changes and the reason is told.
"""

from typing import Any

import asyncpg
import msgspec

from paycue.bus import inbox
from paycue.bus.batch import Input
from paycue.bus.envelope import Envelope, Record, Undecodable, decode
from paycue.bus.fold import Folder, Folding
from paycue.bus.intake import event_input
from paycue.bus.poison import headers_of
from paycue.db.engine import Connection, is_transient


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter as it is listed."""

    id: int
    topic: str
    partition: int
    offset: int
    reason: str
    at: str
    tenant: str | None
    account: str | None
    parked: bool
    headers: dict[str, str]
    value: bytes | None


class StillPoison(Exception):
    """A replay that failed again; nothing was changed."""


async def unresolved(folder: Folder, only: int | None = None) -> list[DeadLetter]:
    """Dead letters that nobody has replayed or discarded, oldest first; `only` one of them by its id."""
    async with folder.database.transaction(()) as tx:
        rows = await tx.fetch(
            f"""select * from {folder.store.schema}.dead_letter where resolved_at is null and ($1::bigint is null or id = $1)
                order by id limit 1000""",
            only,
        )
    return [_letter(row) for row in rows]


def _letter(row: asyncpg.Record) -> DeadLetter:
    headers = {name: value.decode() for name, value in headers_of(row["headers"])}
    return DeadLetter(
        *(row["id"], row["topic"], row["partition"], row["offset"], row["reason"], row["at"].isoformat()),
        *(row["tenant_id"], row["account_id"], row["parked"], headers, row["value"]),
    )


async def replay(folder: Folder, letter: DeadLetter, *, discard: bool = False) -> int:
    """Fold the letter's account's dead letters and what is parked behind, then let the account go on; how many were folded.

    With `discard` the letter itself is passed over. A letter without an account can only be discarded. Raises StillPoison.
    """
    if letter.tenant is None or letter.account is None:
        return await _close(folder, letter, discard)
    try:
        async with folder.transaction([letter.tenant]) as folding:
            return await _drain(folding, folder, letter, discard)
    except Exception as error:
        if isinstance(error, StillPoison) or is_transient(error):
            raise
        raise StillPoison(f"it still cannot be stored: {type(error).__name__}: {error}") from error


async def _close(folder: Folder, letter: DeadLetter, discard: bool) -> int:
    if not discard:
        raise StillPoison(f"dead letter {letter.id} belongs to no account: publish the event again correctly, then discard the letter")
    async with folder.database.transaction(()) as tx:
        await _resolve(tx, folder, [letter.id])
    return 0


async def _drain(folding: Folding, folder: Folder, letter: DeadLetter, discard: bool) -> int:
    schema, tx = folder.store.schema, folding.tx
    key = str(letter.tenant), str(letter.account)
    await folder.store.load(tx, [key], folder.lane)
    await folder.store.park(tx, [key], None)
    letters = await tx.fetch(
        f"select * from {schema}.dead_letter where tenant_id = $1 and account_id = $2 and resolved_at is null order by id", *key
    )
    parked = await tx.fetch(f"delete from {schema}.parked where tenant_id = $1 and account_id = $2 returning *", *key)
    rows: list[Any] = sorted([row for row in letters if not (discard and row["id"] == letter.id)] + parked, key=lambda row: row["id"])
    inputs = await _inputs(tx, schema, [_envelope(row) for row in rows if row["topic"]])
    batch = await folding.fold(inputs)
    if batch.poison:
        raise StillPoison(f"it still cannot be folded: {batch.poison[0].reason}")
    await _resolve(tx, folder, [row["id"] for row in letters])
    return len(inputs)


def _envelope(row: asyncpg.Record) -> Envelope:
    record = Record(row["topic"], row["partition"], row["offset"], row["key"], row["value"], headers_of(row["headers"]))
    try:
        return decode(record)
    except Undecodable as error:
        raise StillPoison(f"it still cannot be decoded: {error.reason}; discard it once the right event is published") from error


async def _inputs(tx: Connection, schema: str, envelopes: list[Envelope]) -> list[Input]:
    """Each event once. Its id was claimed when it was set aside, or is claimed now if it could not be decoded then."""
    claims = await inbox.claim(tx, schema, envelopes)
    if reused := [e.id for e, claim in zip(envelopes, claims, strict=True) if claim == "reused"]:
        raise StillPoison(f"another event has the id {reused[0]!r}: publish it again under an id of its own, then discard the letter")
    first: dict[bytes, Envelope] = {}
    for envelope in envelopes:
        first.setdefault(envelope.inbox_id, envelope)
    return [event_input(envelope) for envelope in first.values()]


async def _resolve(tx: Connection, folder: Folder, ids: list[int]) -> None:
    now = folder.clock.now()
    await tx.execute(f"update {folder.store.schema}.dead_letter set resolved_at = $2 where id = any($1::bigint[])", ids, now)
