"""The inbox: which events a service has seen. An id is claimed in the transaction of its effect, so that both happen or neither.

The same id with other content is no duplicate but a fault: somebody upstream reuses ids, and silence would lose an event.
"""

from collections.abc import Iterable, Sequence

import msgspec

from paycue.bus.envelope import Envelope
from paycue.bus.store import Claim
from paycue.db.engine import Connection

KEPT_DAYS = 90
"""Longer than any topic of ours keeps its records; a replay of an ERP's topic from further back meets idempotent handlers."""


class Run(msgspec.Struct, frozen=True):
    """Ids to be claimed and their digests, one after the other in the order of the ids."""

    ids: bytes
    digests: bytes


def run_of(envelopes: Iterable[Envelope]) -> Run:
    """What a batch claims: each id once. Bytes, for asyncpg asks about each element of an array and makes an object of each UUID."""
    first = _first(envelopes)
    ids = sorted(first)
    return Run(b"".join(ids), b"".join([first[i].digest for i in ids]))


def _first(envelopes: Iterable[Envelope]) -> dict[bytes, Envelope]:
    first: dict[bytes, Envelope] = {}
    for envelope in envelopes:
        first.setdefault(envelope.inbox_id, envelope)
    return first


async def written(tx: Connection, schema: str, run: Run) -> bytes:
    """Claim a run; those of its ids that are claimed now and were not before, as a run."""
    claimed: bytes = await tx.fetchval(f"select {schema}.claimed($1, $2)", run.ids, run.digests)
    return claimed


async def claims(tx: Connection, schema: str, envelopes: Sequence[Envelope], written: bytes) -> list[Claim]:
    """Of a batch whose run was claimed: for each envelope whether it is new, a duplicate, or reuses an id with other content."""
    first, claimed = _first(envelopes), {written[start : start + 16] for start in range(0, len(written), 16)}
    digests = {i: first[i].digest for i in claimed} | await _digests(tx, schema, [i for i in first if i not in claimed])
    return [_verdict(e, digests[e.inbox_id], e.inbox_id in claimed and first[e.inbox_id] is e) for e in envelopes]


def _verdict(envelope: Envelope, digest: bytes, claimed: bool) -> Claim:
    if claimed:
        return "new"
    return "duplicate" if digest == envelope.digest else "reused"


async def _digests(tx: Connection, schema: str, ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """The digests under which ids were claimed before."""
    if not ids:
        return {}
    rows = await tx.fetch(
        f"select id, digest from {schema}.inbox where id = any(select encode(x, 'hex')::uuid from unnest($1::bytea[]) x)", list(ids)
    )
    return {row[0].bytes: row[1] for row in rows}


async def forget(connection: Connection, schema: str, most: int = 10_000) -> int:
    """Delete up to `most` ids that came more than KEPT_DAYS ago; how many."""
    deleted: str = await connection.execute(
        f"""delete from {schema}.inbox where id in
            (select id from {schema}.inbox where received_on < current_date - {KEPT_DAYS} limit {most})"""
    )
    return int(deleted.rpartition(" ")[2])
