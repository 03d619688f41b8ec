"""Dead letters and parking: what cannot be folded is kept with its reason, and its account waits in order behind it.

Nothing is retried through other topics, for that gives up the order of a key. A limit stops the consumer, since a bad deploy
must not drain a topic into the dead letters.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from paycue.bus.batch import Batch, Poison
from paycue.bus.envelope import Envelope, Headers, Record, Undecodable
from paycue.bus.topics import topics
from paycue.db.accounts import AccountStore, Key
from paycue.db.engine import Connection
from paycue.ids import account_key, digest16

Fault = tuple[Record, Undecodable]
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

    def count(self, good: int, bad: int) -> None:
        """Count a folded batch. Raises TooMuchPoison when the limit is reached."""
        self._row = 0 if good > bad else self._row + bad
        now = asyncio.get_running_loop().time()
        self._minute.append((now, good, bad))
        while self._minute[0][0] < now - self.SECONDS:
            self._minute.popleft()
        total, poisoned = sum(g + b for _, g, b in self._minute), sum(b for _, _, b in self._minute)
        if self._row >= self.IN_A_ROW or (poisoned >= self.AT_LEAST and poisoned >= self.SHARE * total):
            raise TooMuchPoison(f"{poisoned} of {total} records of the last minute went to the dead letters, {self._row} in a row")


def known_types(topic: str) -> tuple[str, ...]:
    """The types that stand in a topic by contract: one that a service does not handle is passed over, not buried."""
    return topics()[topic].types


async def bury(tx: Connection, store: AccountStore, batch: Batch, faults: Sequence[Fault]) -> None:
    """Write a batch's dead letters, park their accounts, and keep what came behind parked accounts in order."""
    letters = [_of_fault(fault) for fault in faults] + [_of_poison(poison) for poison in batch.poison]
    if letters:
        await _write_letters(tx, store.schema, letters, batch.now)
        keys = sorted({(letter.tenant, letter.account) for letter in letters if letter.tenant and letter.account})
        await store.park(tx, keys, batch.now)
    waiting = [one.envelope for one in batch.parked if one.envelope is not None]
    if waiting:
        await _keep_parked(tx, store.schema, waiting)


class Letter(msgspec.Struct, frozen=True):
    """A dead letter to be written; with an account, that account is parked."""

    record: Record
    reason: str
    tenant: str | None
    account: str | None


def _of_fault(fault: Fault) -> Letter:
    record, why = fault
    return Letter(record, why.reason, why.tenant if why.account else None, why.account)


def _of_poison(poison: Poison) -> Letter:
    one = poison.input
    timer = Record("", 0, 0, account_key(*one.key), None, (("ce_id", one.cause.encode()),))
    return Letter(one.envelope.record if one.envelope else timer, poison.reason, one.tenant, one.account)


async def _write_letters(tx: Connection, schema: str, letters: Sequence[Letter], now: datetime) -> None:
    for letter in letters:
        record = letter.record
        log.error("dead letter", reason=letter.reason, topic=record.topic, partition=record.partition, offset=record.offset)
        await tx.execute(
            f"""insert into {schema}.dead_letter (digest, topic, partition, "offset", key, headers, value, reason, at, tenant_id, account_id, parked)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (digest) do nothing""",
            digest16(record.topic.encode(), record.key or b"", record.value or b"", headers_json(record.headers).encode()),
            *(record.topic, record.partition, record.offset, record.key, headers_json(record.headers), record.value),
            *(letter.reason.replace("\x00", "\\0"), now, letter.tenant, letter.account, letter.account is not None),
        )


async def _keep_parked(tx: Connection, schema: str, envelopes: Sequence[Envelope]) -> None:
    await _refuse_overflow(tx, schema, {(e.tenant, e.account) for e in envelopes})
    records = [e.record for e in envelopes]
    await tx.execute(
        f"""insert into {schema}.parked (tenant_id, account_id, topic, partition, "offset", key, headers, value)
            select t, a, topic, partition, "offset", key, headers::jsonb, value from unnest($1::text[], $2::text[], $3::text[], $4::integer[],
            $5::bigint[], $6::bytea[], $7::text[], $8::bytea[]) as u(t, a, topic, partition, "offset", key, headers, value)""",
        *([e.tenant for e in envelopes], [e.account for e in envelopes], [r.topic for r in records], [r.partition for r in records]),
        *([r.offset for r in records], [r.key for r in records], [headers_json(r.headers) for r in records], [r.value for r in records]),
    )


async def _refuse_overflow(tx: Connection, schema: str, keys: set[Key]) -> None:
    for tenant, account in sorted(keys):
        waiting = await tx.fetchval(f"select count(*) from {schema}.parked where tenant_id = $1 and account_id = $2", tenant, account)
        if waiting >= MOST_PARKED:
            raise TooMuchPoison(f"{waiting} records wait behind the parked account {tenant}:{account}; run `paycue dead-letters list`")


def headers_json(headers: Headers) -> str:
    """Headers as kept in a row: JSON, text where it is UTF-8. NUL has no place in jsonb."""
    return json.dumps([[name, value.decode("utf-8", "replace").replace("\x00", "\ufffd")] for name, value in headers])


def headers_of(text: str) -> Headers:
    """Headers back from their row."""
    return tuple((name, value.encode()) for name, value in json.loads(text))
