"""The inbox: which events a service has seen. An id is claimed in the transaction of its effect, so that both happen or neither.

The same id with other content is no duplicate but a fault: somebody upstream reuses ids, and silence would lose an event.
"""

from collections.abc import Sequence

from paycue.bus.envelope import Envelope
from paycue.bus.flow import TopicPartition
from paycue.bus.store import Claim
from paycue.db.engine import Connection

KEPT_DAYS = 90
"""Longer than any topic of ours keeps its records; a replay of an ERP's topic from further back meets idempotent handlers."""


async def lock_lanes(tx: Connection, schema: str, consumer: str, ends: dict[TopicPartition, int]) -> None:
    """Lock the lane rows of a batch: of two processes that believe they own a partition, one waits, and then finds all claimed."""
    topics, partitions = [topic for topic, _ in sorted(ends)], [partition for _, partition in sorted(ends)]
    await tx.execute(
        f"""insert into {schema}.lane (consumer, topic, partition, next_offset)
            select $1, * from unnest($2::text[], $3::integer[], $4::bigint[])
            on conflict (consumer, topic, partition) do update set next_offset = excluded.next_offset""",
        consumer,
        topics,
        partitions,
        [ends[tp] for tp in sorted(ends)],
    )


async def claim(tx: Connection, schema: str, envelopes: Sequence[Envelope]) -> list[Claim]:
    """Claim a batch's ids: for each envelope whether it is new (now claimed), a duplicate, or reuses an id with other content."""
    if not envelopes:
        return []
    own_ids = [envelope.inbox_id for envelope in envelopes]
    first: dict[bytes, Envelope] = {}
    for own_id, envelope in zip(own_ids, envelopes, strict=True):
        first.setdefault(own_id, envelope)
    ids = sorted(first)
    digests = {i: first[i].digest for i in ids}
    # Runs of bytes there and back, for asyncpg asks about each element of an array and makes an object of each UUID.
    written = await tx.fetchval(
        f"""with written as (
                insert into {schema}.inbox (id, digest)
                select encode(substr($1::bytea, 16 * n + 1, 16), 'hex')::uuid, substr($2::bytea, 8 * n + 1, 8)
                from generate_series(0, $3::integer - 1) n
                on conflict do nothing returning id)
            select coalesce(string_agg(uuid_send(id), ''), '') from written""",
        b"".join(ids),
        b"".join(digests.values()),
        len(ids),
    )
    claimed = {written[start : start + 16] for start in range(0, len(written), 16)}
    digests |= await _digests(tx, schema, [i for i in ids if i not in claimed])
    return [_verdict(e, digests[i], i in claimed and first[i] is e) for i, e in zip(own_ids, envelopes, strict=True)]


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
