"""The rows of dead letters and of what waits behind them, on PostgreSQL: one sequence numbers both, so that order is kept across."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import structlog

from paycue.bus.batch import Aside, Input
from paycue.bus.envelope import Record
from paycue.bus.poison import digest_of, headers_json, headers_of, kept_of, record_of, refuse_overflow
from paycue.bus.store import Letter
from paycue.db.accounts import Key
from paycue.db.engine import Connection

log = structlog.get_logger(__name__)


async def keep(tx: Connection, schema: str, aside: Sequence[Aside], now: datetime) -> None:
    """Write dead letters and what waits behind them, numbered in the order it came. A timer that waits is due as before."""
    kept = kept_of(aside)
    if not kept:
        return
    rows = await tx.fetch(f"select nextval('{schema}.letter_id') from generate_series(1, $1)", len(kept))
    numbered = [(row[0], one) for row, one in zip(rows, kept, strict=True)]
    for number, one in numbered:
        if one.reason is not None:
            await _write_letter(tx, schema, number, one, now)
    if waiting := [(number, one.input) for number, one in numbered if one.reason is None]:
        await _keep_parked(tx, schema, waiting)


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
        refuse_overflow((tenant, account), waiting, count)


async def letters(tx: Connection, schema: str, only: int | None) -> list[Letter]:
    """Open dead letters, oldest first; `only` one of them by its id."""
    rows = await tx.fetch(
        f"""select * from {schema}.dead_letter where resolved_at is null and ($1::bigint is null or id = $1)
            order by id limit 1000""",
        only,
    )
    return [_letter(row) for row in rows]


async def letters_of(tx: Connection, schema: str, key: Key) -> list[Letter]:
    """The open dead letters of an account, oldest first."""
    rows = await tx.fetch(
        f"select * from {schema}.dead_letter where tenant_id = $1 and account_id = $2 and resolved_at is null order by id", *key
    )
    return [_letter(row) for row in rows]


async def take_parked(tx: Connection, schema: str, key: Key) -> list[tuple[int, Record]]:
    """Delete and return what waits behind an account."""
    rows = await tx.fetch(f"delete from {schema}.parked where tenant_id = $1 and account_id = $2 returning *", *key)
    return [(row["id"], _record(row)) for row in rows]


def _letter(row: asyncpg.Record) -> Letter:
    return Letter(row["id"], _record(row), row["reason"], row["at"], row["tenant_id"], row["account_id"], row["parked"])


def _record(row: asyncpg.Record) -> Record:
    return Record(row["topic"], row["partition"], row["offset"], row["key"], row["value"], headers_of(row["headers"]))
