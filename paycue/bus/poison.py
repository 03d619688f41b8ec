"""Dead letters and parking: what cannot be folded is kept with its reason, and its account waits in order behind it.

Nothing is retried through other topics, for that gives up the order of a key. A limit stops the consumer, since a bad deploy
must not drain a topic into the dead letters.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from paycue.bus.batch import Aside, Batch, Input
from paycue.bus.envelope import Headers, Record, Undecodable
from paycue.bus.store import Unit
from paycue.db.accounts import Key
from paycue.ids import account_key, digest16

MOST_PARKED = 10_000
"""Records that may wait behind one parked account."""


class TooMuchPoison(Exception):
    """The share of bad records says that the service, not the data, is broken."""


class Limit:
    """Twenty bad records in a row, or 5 % of a minute and at least twenty."""

    IN_A_ROW, AT_LEAST, SHARE, SECONDS = 20, 20, 0.05, 60

    def __init__(self) -> None:
        self._row = 0
        self._minute: deque[tuple[float, int, int]] = deque()
        self._total, self._poisoned = 0, 0
        """Of the minute, kept as it moves: stops come in hundreds of batches a second."""

    def count(self, verdicts: Sequence[bool]) -> None:
        """Count a folded batch, True for each good record. Raises TooMuchPoison when a bad one reaches the limit."""
        now, bad, longest = asyncio.get_running_loop().time(), len(verdicts) - sum(verdicts), 0
        for good in verdicts if bad else verdicts[-1:]:
            self._row = 0 if good else self._row + 1
            longest = max(longest, self._row)
        self._note(now, len(verdicts), bad)
        most = max(self.AT_LEAST, self.SHARE * self._total)
        if bad and (longest >= self.IN_A_ROW or self._poisoned >= most):
            raise TooMuchPoison(
                f"{self._poisoned} of {self._total} records of the last minute went to the dead letters, {longest} in a row"
            )

    def _note(self, now: float, count: int, bad: int) -> None:
        """Add a batch to the minute, and take away those that are older."""
        self._minute.append((now, count, bad))
        self._total, self._poisoned = self._total + count, self._poisoned + bad
        while self._minute[0][0] < now - self.SECONDS:
            _, gone, gone_bad = self._minute.popleft()
            self._total, self._poisoned = self._total - gone, self._poisoned - gone_bad


async def not_buried(unit: Unit, inputs: Sequence[Input]) -> list[Input]:
    """`inputs` without what is undecodable and a dead letter already, resolved or not: delivered again, it parks nobody."""
    digests = {digest_of(record_of(one)) for one in inputs if isinstance(one.event, Undecodable)}
    if not digests:
        return list(inputs)
    buried = await unit.buried(digests)
    return [one for one in inputs if not isinstance(one.event, Undecodable) or digest_of(record_of(one)) not in buried]


async def set_aside(unit: Unit, faults: Sequence[Input], now: datetime) -> None:
    """Keep records that cannot be read and belong to no account: dead letters that park nobody."""
    if faults:
        await unit.keep([Aside(one, one.event.reason) for one in await not_buried(unit, faults)], now)


async def bury(unit: Unit, batch: Batch) -> None:
    """Keep what a batch set aside, and park the accounts of its dead letters."""
    await unit.keep(batch.aside, batch.now)
    if keys := sorted({one.input.key for one in batch.poison if one.input.account}):
        await unit.park(keys, batch.now)


def kept_of(aside: Sequence[Aside]) -> list[Aside]:
    """What of it is kept: a timer that waits behind its parked account is due as before, and needs no row."""
    return [one for one in aside if one.reason is not None or one.input.record is not None]


def refuse_overflow(key: Key, waiting: int, more: int) -> None:
    """Raises TooMuchPoison when `more` records are too many behind a parked account."""
    if waiting + more > MOST_PARKED:
        raise TooMuchPoison(f"{waiting} records wait behind the parked account {key[0]}:{key[1]}; run `paycue dead-letters list`")


def record_of(one: Input) -> Record:
    """What is kept of an input; of a timer, which no record brought, its account and its instant."""
    return one.record or Record("", 0, 0, account_key(*one.key), None, (("ce_id", one.cause.encode()),))


def digest_of(record: Record) -> bytes:
    """What makes two records the same dead letter."""
    return digest16(record.topic.encode(), record.key or b"", record.value or b"", headers_json(record.headers).encode())


def headers_json(headers: Headers) -> str:
    """Headers as kept in a row: JSON, text where it is UTF-8. NUL has no place in jsonb."""
    texts = ((name, value.decode("utf-8", "replace")) for name, value in headers)
    return json.dumps([[text.replace("\x00", "\ufffd") for text in pair] for pair in texts])


def headers_of(kept: str) -> Headers:
    """Headers back from their row."""
    return tuple((name, value.encode()) for name, value in json.loads(kept))
