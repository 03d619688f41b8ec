"""Dead letters and parking: what cannot be folded is kept with its reason, and its account waits in order behind it.

Nothing is retried through other topics, for that gives up the order of a key. A limit stops the consumer, since a bad deploy
must not drain a topic into the dead letters.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime

import structlog

from paycue.bus.batch import Aside, Batch, Input
from paycue.bus.envelope import Headers, Record, Undecodable
from paycue.db.accounts import AccountStore
from paycue.db.engine import Connection
from paycue.ids import account_key, digest16

MOST_PARKED = 10_000
"""Records that may wait behind one parked account."""

log = structlog.get_logger(__name__)


class TooMuchPoison(Exception):
    """The share of bad records says that the service, not the data, is broken."""


class Limit:
    """Twenty bad records in a row, or 5 % of a minute and at least twenty."""

    IN_A_ROW, AT_LEAST, SHARE, SECONDS = 20, 20, 0.05, 60

    def __init__(self) -> None:
        self._row = 0
        self._minute: deque[tuple[float, int, int]] = deque()

    def count(self, verdicts: Sequence[bool]) -> None:
        """Count a folded batch, True for each good record. Raises TooMuchPoison when a bad one reaches the limit."""
        longest = 0
        for good in verdicts:
            self._row = 0 if good else self._row + 1
            longest = max(longest, self._row)
        now, bad = asyncio.get_running_loop().time(), len(verdicts) - sum(verdicts)
        self._minute.append((now, len(verdicts), bad))
        while self._minute[0][0] < now - self.SECONDS:
            self._minute.popleft()
        total, poisoned = sum(t for _, t, _ in self._minute), sum(b for _, _, b in self._minute)
        if bad and (longest >= self.IN_A_ROW or (poisoned >= self.AT_LEAST and poisoned >= self.SHARE * total)):
            raise TooMuchPoison(f"{poisoned} of {total} records of the last minute went to the dead letters, {longest} in a row")


async def not_buried(tx: Connection, schema: str, inputs: Sequence[Input]) -> list[Input]:
    """`inputs` without what is undecodable and a dead letter already, resolved or not: delivered again, it parks nobody."""
    digests = {digest_of(record_of(one)) for one in inputs if isinstance(one.event, Undecodable)}
    if not digests:
        return list(inputs)
    rows = await tx.fetch(f"select digest from {schema}.dead_letter where digest = any($1::bytea[])", list(digests))
    buried = {row[0] for row in rows}
    return [one for one in inputs if not isinstance(one.event, Undecodable) or digest_of(record_of(one)) not in buried]


async def bury(tx: Connection, store: AccountStore, batch: Batch) -> None:
    """Keep what a batch set aside, and park the accounts of its dead letters."""
    await keep(tx, store.schema, batch.aside, batch.now)
    if keys := sorted({one.input.key for one in batch.poison if one.input.account}):
        await store.park(tx, keys, batch.now)


async def keep(tx: Connection, schema: str, aside: Sequence[Aside], now: datetime) -> None:
    """Write dead letters and what waits behind them, numbered in the order it came. A timer that waits is due as before."""
    kept = [one for one in aside if one.reason is not None or one.input.record is not None]
    if not kept:
        return
    rows = await tx.fetch(f"select nextval('{schema}.letter_id') from generate_series(1, $1)", len(kept))
    numbered = [(row[0], one) for row, one in zip(rows, kept, strict=True)]
    for number, one in numbered:
        if one.reason is not None:
            await _write_letter(tx, schema, number, one, now)
    if waiting := [(number, one.input) for number, one in numbered if one.reason is None]:
        await _keep_parked(tx, schema, waiting)


def record_of(one: Input) -> Record:
    """What is kept of an input; of a timer, which no record brought, its account and its instant."""
    return one.record or Record("", 0, 0, account_key(*one.key), None, (("ce_id", one.cause.encode()),))


def digest_of(record: Record) -> bytes:
    """What makes two records the same dead letter."""
    return digest16(record.topic.encode(), record.key or b"", record.value or b"", headers_json(record.headers).encode())


async def _write_letter(tx: Connection, schema: str, number: int, one: Aside, now: datetime) -> None:
    record, reason = record_of(one.input), (one.reason or "").replace("\x00", "\\0")
    tenant, account = one.input.tenant or None, one.input.account or None
    log.error("dead letter", reason=reason, topic=record.topic, partition=record.partition, offset=record.offset)
    # A record that was resolved and is poison once more is open again: its account waits for it.
    await tx.execute(
        f"""insert into {schema}.dead_letter
                (id, digest, topic, partition, "offset", key, headers, value, reason, at, tenant_id, account_id, parked)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            on conflict (digest) do update set id = excluded.id, reason = excluded.reason, at = excluded.at, resolved_at = null""",
        *(number, digest_of(record), record.topic, record.partition, record.offset, record.key, headers_json(record.headers)),
        *(record.value, reason, now, tenant, account, account is not None),
    )


async def _keep_parked(tx: Connection, schema: str, waiting: Sequence[tuple[int, Input]]) -> None:
    await _refuse_overflow(tx, schema, Counter(one.key for _, one in waiting))
    records = [record_of(one) for _, one in waiting]
    await tx.execute(
        f"""insert into {schema}.parked (id, tenant_id, account_id, topic, partition, "offset", key, headers, value)
            select id, t, a, topic, partition, "offset", key, headers::jsonb, value
            from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::bytea[], $8::text[], $9::bytea[])
            as u(id, t, a, topic, partition, "offset", key, headers, value)""",
        *([number for number, _ in waiting], [one.tenant for _, one in waiting], [one.account for _, one in waiting]),
        *([r.topic for r in records], [r.partition for r in records], [r.offset for r in records], [r.key for r in records]),
        *([headers_json(r.headers) for r in records], [r.value for r in records]),
    )


async def _refuse_overflow(tx: Connection, schema: str, more: Counter[tuple[str, str]]) -> None:
    for (tenant, account), count in sorted(more.items()):
        waiting = await tx.fetchval(f"select count(*) from {schema}.parked where tenant_id = $1 and account_id = $2", tenant, account)
        if waiting + count > MOST_PARKED:
            raise TooMuchPoison(f"{waiting} records wait behind the parked account {tenant}:{account}; run `paycue dead-letters list`")


def headers_json(headers: Headers) -> str:
    """Headers as kept in a row: JSON, text where it is UTF-8. NUL has no place in jsonb."""
    texts = ((name, value.decode("utf-8", "replace")) for name, value in headers)
    return json.dumps([[text.replace("\x00", "\ufffd") for text in pair] for pair in texts])


def headers_of(kept: Sequence[tuple[str, str]]) -> Headers:
    """Headers back from their row, which the connection has decoded."""
    return tuple((name, value.encode()) for name, value in kept)
