"""The inbox: which events a service has seen. An id is claimed in the transaction of its effect, so that both happen or neither.

The same id with other content is no duplicate but a fault: somebody upstream reuses ids, and silence would lose an event.
"""

from collections.abc import Sequence
from operator import is_

from paycue.bus.envelope import Envelope
from paycue.bus.store import Claim
from paycue.db.engine import Connection

KEPT_DAYS = 90
"""Longer than any topic of ours keeps its records; a replay of an ERP's topic from further back meets idempotent handlers."""


class Run:
    """What a batch claims: each id once, in order, with its digest. Ids are hashes, made here and nowhere else.

    Runs of bytes go there and back, for asyncpg asks about each element of an array and makes an object of each UUID.
    """

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes, self.own_ids = list(envelopes), [envelope.inbox_id for envelope in envelopes]
        self.first: dict[bytes, Envelope] = {}
        for own_id, envelope in zip(self.own_ids, envelopes, strict=True):
            self.first.setdefault(own_id, envelope)
        self.digests = {own_id: self.first[own_id].digest for own_id in sorted(self.first)}

    def columns(self) -> tuple[bytes, bytes]:
        """Ids and digests, one after the other, as the functions `claimed` and `opened` take them."""
        return b"".join(self.digests), b"".join(self.digests.values())

    def of(self, envelopes: Sequence[Envelope]) -> bool:
        """Whether these are what it claims."""
        return len(envelopes) == len(self.envelopes) and all(map(is_, envelopes, self.envelopes))


async def written(tx: Connection, schema: str, run: Run) -> bytes:
    """Claim a run; those of its ids that are claimed now and were not before, as a run."""
    claimed: bytes = await tx.fetchval(f"select {schema}.claimed($1, $2)", *run.columns())
    return claimed


async def claims(tx: Connection, schema: str, run: Run, written: bytes) -> list[Claim]:
    """Of a run that was claimed: for each envelope whether it is new, a duplicate, or reuses an id with other content."""
    claimed = {written[start : start + 16] for start in range(0, len(written), 16)}
    digests = run.digests | await _digests(tx, schema, [i for i in run.digests if i not in claimed])
    pairs = zip(run.own_ids, run.envelopes, strict=True)
    return [_verdict(e, digests[i], i in claimed and run.first[i] is e) for i, e in pairs]


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
