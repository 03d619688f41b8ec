"""What an operator does with dead letters: list them, show one, replay an account behind them, or discard one.

Replaying an account folds its dead letters and all that waits behind them, in the order they came, in one transaction under
the account's lock; either all of it goes through, or nothing changes and the reason is told.
"""

import msgspec

from paycue.bus.batch import Input
from paycue.bus.envelope import Envelope, Record, Undecodable, decode
from paycue.bus.fold import Folder, Folding
from paycue.bus.intake import event_input
from paycue.bus.store import Letter, Unit
from paycue.db.engine import is_transient


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
    return [_shown(letter) for letter in await folder.store.letters(only)]


def _shown(letter: Letter) -> DeadLetter:
    record, headers = letter.record, {name: value.decode() for name, value in letter.record.headers}
    return DeadLetter(
        *(letter.id, record.topic, record.partition, record.offset, letter.reason, letter.at.isoformat()),
        *(letter.tenant, letter.account, letter.parked, headers, record.value),
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
    async with folder.store.transaction(()) as unit:
        await unit.resolve([letter.id], folder.clock.now())
    return 0


async def _drain(folding: Folding, folder: Folder, letter: DeadLetter, discard: bool) -> int:
    unit, key = folding.unit, (str(letter.tenant), str(letter.account))
    await unit.load([key], folder.lane)
    await unit.park([key], None)
    letters = await unit.letters_of(key)
    kept = [(one.id, one.record) for one in letters if not (discard and one.id == letter.id)] + await unit.take_parked(key)
    inputs = await _inputs(unit, [_envelope(record) for _, record in sorted(kept, key=lambda one: one[0]) if record.topic])
    batch = await folding.fold(inputs)
    if batch.poison:
        raise StillPoison(f"it still cannot be folded: {batch.poison[0].reason}")
    await unit.resolve([one.id for one in letters], folder.clock.now())
    return len(inputs)


def _envelope(record: Record) -> Envelope:
    try:
        return decode(record)
    except Undecodable as error:
        raise StillPoison(f"it still cannot be decoded: {error.reason}; discard it once the right event is published") from error


async def _inputs(unit: Unit, envelopes: list[Envelope]) -> list[Input]:
    """Each event once. Its id was claimed when it was set aside, or is claimed now if it could not be decoded then."""
    claims = await unit.claim(envelopes)
    if reused := [e.id for e, claim in zip(envelopes, claims, strict=True) if claim == "reused"]:
        raise StillPoison(f"another event has the id {reused[0]!r}: publish it again under an id of its own, then discard the letter")
    first: dict[bytes, Envelope] = {}
    for envelope in envelopes:
        first.setdefault(envelope.inbox_id, envelope)
    return [event_input(envelope) for envelope in first.values()]
