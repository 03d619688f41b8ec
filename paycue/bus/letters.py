"""What an operator does with dead letters: list them, show one, replay an account behind them, or discard one.

Replaying an account folds its dead letters and all that waits behind them, in the order they came, in one transaction under
the account's lock; either all of it goes through, or nothing changes and the reason is told.
"""

from typing import Any

import asyncpg
import msgspec

from paycue.bus.batch import Batch, Input
from paycue.bus.envelope import Record, Undecodable, decode
from paycue.bus.fold import Folder
from paycue.bus.poison import headers_of
from paycue.db.engine import Connection


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
        if not discard:
            raise StillPoison(f"dead letter {letter.id} belongs to no account: publish the event again correctly, then discard the letter")
        async with folder.database.transaction(()) as tx:
            await _resolve(tx, folder, [letter.id])
        return 0
    async with folder.database.transaction([letter.tenant]) as tx:
        batch, count = await _drain(tx, folder, letter, discard)
    folder.committed(batch)
    return count


async def _drain(tx: Connection, folder: Folder, letter: DeadLetter, discard: bool) -> tuple[Batch, int]:
    schema, key = folder.store.schema, (letter.tenant, letter.account)
    await folder.store.load(tx, [key], lambda _: 0)  # type: ignore[list-item]
    await folder.store.park(tx, [key], None)  # type: ignore[list-item]
    letters = await tx.fetch(
        f"select * from {schema}.dead_letter where tenant_id = $1 and account_id = $2 and resolved_at is null order by id", *key
    )
    parked = await tx.fetch(f"delete from {schema}.parked where tenant_id = $1 and account_id = $2 returning *", *key)
    rows: list[Any] = sorted([row for row in letters if not (discard and row["id"] == letter.id)] + parked, key=lambda row: row["id"])
    inputs = [_input(row) for row in rows if row["topic"]]
    batch = await folder.obey_in(tx, inputs)
    if batch.poison:
        raise StillPoison(f"it still cannot be folded: {batch.poison[0].reason}")
    await _resolve(tx, folder, [row["id"] for row in letters])
    return batch, len(inputs)


def _input(row: asyncpg.Record) -> Input:
    record = Record(row["topic"], row["partition"], row["offset"], row["key"], row["value"], headers_of(row["headers"]))
    try:
        e = decode(record)
    except Undecodable as error:
        raise StillPoison(f"it still cannot be decoded: {error.reason}; discard it once the right event is published") from error
    return Input(e.tenant, e.account, e.event, e.id, e.time, e.trace, e)


async def _resolve(tx: Connection, folder: Folder, ids: list[int]) -> None:
    now = folder.clock.now()
    await tx.execute(f"update {folder.store.schema}.dead_letter set resolved_at = $2 where id = any($1::bigint[])", ids, now)
