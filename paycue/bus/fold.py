"""The fold: one transaction per batch, whatever brings it - records of a lane, timers that are due, commands of the API.

Lock the lane, claim unseen ids, lock the accounts, let handlers decide, save by the set, append the outbox, commit. Only after
the commit are provider calls handed out and offsets committed; nothing here ever calls out.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Protocol

import msgspec

from paycue.bus import poison
from paycue.bus.batch import Batch, Input
from paycue.bus.bus import Bus
from paycue.bus.counted import count_records
from paycue.bus.envelope import Envelope, Record, Undecodable
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.intake import Fault, Taken, inputs_of, take
from paycue.bus.store import References, Store, Unit, no_references
from paycue.clock import Clock
from paycue.db.accounts import Key
from paycue.db.engine import Connection, is_ambiguous, is_transient
from paycue.decision import Handlers, TimerFired
from paycue.ids import account_key
from paycue.observability import metrics

_FIRED = TimerFired()


class TooMuchAtOnce(Exception):
    """A batch with more poison than the limit allows is folded in smaller pieces, so that the limit stops it early."""


class Allowance(Protocol):
    """How many calls may be claimed by events; a batch takes what it may need and gives it back when its calls are handed out."""

    def take(self, wanted: int) -> int: ...
    def give_back(self, taken: int) -> None: ...


class Folding:
    """One transaction of a Folder; whoever needs to know hears of its batches when they are durable."""

    def __init__(self, folder: "Folder", unit: Unit) -> None:
        self.unit, self.batches, self._folder = unit, list[Batch](), folder
        self._began = asyncio.get_running_loop().time()

    @property
    def tx(self) -> Connection:
        """The connection behind it, for SQL in the same transaction."""
        return self.unit.tx

    async def fold(self, inputs: Sequence[Input], room: int = 0, prompt: Collection[int] = ()) -> Batch:
        """Lock the accounts of `inputs`, fold in order, save. Raises what commands raise, Refused before anything changes.

        `room`: how many calls events may claim. `prompt`: on these lanes, timers that are due after that fire at once.
        """
        folder, unit, began = self._folder, self.unit, self._began
        keys = {one.key for one in inputs if one.account}
        references = await folder.references(unit, sorted({tenant for tenant, _ in keys}), inputs)
        loaded = await unit.load(keys, folder.lane)
        # Only now: whoever held these accounts until a moment ago decided before this instant.
        batch = Batch(folder.clock.now(), loaded, references, folder.handlers, began=began, fresh=folder.fresh, room=room)
        batch.fold(list(inputs))
        batch.fold(overdue(batch, prompt))
        await unit.save(batch.changed, batch.rows, batch.events)
        self.batches.append(batch)
        return batch


class Folder:
    """Folds for one service. `on_commit` hears of every batch that is durable."""

    def __init__(
        self,
        service: str,
        store: Store,
        handlers: Handlers,
        bus: Bus,
        clock: Clock,
        flow: Flow,
        references: References = no_references,
    ) -> None:
        self.references = references
        self.service, self.store, self.handlers = service, store, handlers
        self.bus, self.clock, self.flow = bus, clock, flow
        self.on_commit: list[Callable[[Batch], None]] = []
        self.fresh: Callable[[int], bool] = lambda lane: True
        """Whether a lane is ours and its stop feeds are fresh; what handlers get as `ctx.fresh`."""
        self.prompt: Callable[[], Collection[int]] = tuple
        """The lanes on which a timer that a fact makes due fires in the transaction that folds the fact."""
        self.claiming: str = ""
        """The consumer whose events may claim calls in the transaction that folds them."""
        self.allowance: Allowance | None = None
        self._limits: dict[str, poison.Limit] = defaultdict(poison.Limit)
        self._handled = {event.DESCRIPTOR.full_name for event in handlers if hasattr(event, "DESCRIPTOR")}
        self._outbox_label = f"outbox rows of {service}"

    def lane(self, key: Key) -> int:
        """The partition of an account's events in every account-keyed topic."""
        return self.bus.partition("erp.invoices.v1", account_key(*key))

    @asynccontextmanager
    async def transaction(self, tenants: Iterable[str]) -> AsyncIterator[Folding]:
        """A transaction to fold in, that sees the rows of `tenants`."""
        expected = 0
        try:
            async with self.store.transaction(tenants) as unit:
                folding = Folding(self, unit)
                yield folding
                # Counted before the commit: the relay may delete a row before this task runs again.
                expected = sum(len(batch.events) for batch in folding.batches)
                self._expect(expected)
        except Exception as error:
            if not is_ambiguous(error):
                self._expect(-expected)
            raise
        for batch in folding.batches:
            for heard in self.on_commit:
                heard(batch)

    def _expect(self, count: int) -> None:
        if count:
            self.flow.add(self._outbox_label, count)

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        """Fold one lane's records in order. Raises what is transient, and TooMuchPoison."""
        if taken := take(self.service, self._handled, records):
            await self._fold_or_split(consumer, taken)

    async def _fold_or_split(self, consumer: str, taken: Sequence[Taken]) -> None:
        """A batch that cannot be stored is halved; a single record that cannot be stored is poison."""
        try:
            return await self._fold_lane(consumer, taken)
        except Exception as error:
            if is_transient(error) or isinstance(error, poison.TooMuchPoison):
                raise
            refused = error
        if len(taken) == 1:
            why = _unstorable(refused, (taken[0].tenant, taken[0].account))
            return await self._fold_lane(consumer, [Fault(taken[0].record, why)])
        middle = len(taken) // 2
        await self._fold_or_split(consumer, taken[:middle])
        await self._fold_or_split(consumer, taken[middle:])

    async def _fold_lane(self, consumer: str, taken: Sequence[Taken]) -> None:
        with metrics.BATCH_SECONDS.labels(self.service).time(), self._room(consumer, len(taken)) as room:
            async with self.transaction({one.tenant for one in taken if one.tenant}) as folding:
                await folding.unit.lock_lanes(consumer, _ends(taken), *_foreseen(taken))
                batch = await folding.fold(await inputs_of(folding.unit, taken, self.clock.now()), room, self.prompt())
                await self._bury(folding, batch)
        count_records(self.service, taken, batch)
        self._limits[consumer].count(batch.verdicts)

    @contextmanager
    def _room(self, consumer: str, wanted: int) -> Iterator[int]:
        """How many calls a batch of this consumer may claim, kept for it until its calls are handed out."""
        if self.allowance is None or consumer != self.claiming:
            yield 0
            return
        taken = self.allowance.take(wanted)
        try:
            yield taken
        finally:
            self.allowance.give_back(taken)

    async def _bury(self, folding: Folding, batch: Batch) -> None:
        if len(batch.poison) > poison.Limit.AT_LEAST:
            raise TooMuchAtOnce(f"{len(batch.poison)} of {len(batch.verdicts)} inputs are poison")
        await poison.bury(folding.unit, batch)

    async def fold_due(self, most: int, lanes: Collection[int] | None = None) -> int:
        """Claim up to `most` accounts of these lanes (None: of all) whose timer is due and fold `TimerFired` into each; how many that were.

        Raises TooMuchPoison.
        """
        claimed: list[Key] = []
        try:
            await self._fold_timers(most, lanes, claimed)
        except Exception as error:
            if is_transient(error) or isinstance(error, poison.TooMuchPoison) or not claimed:
                raise
            if len(claimed) > 1:
                return await self.fold_due(len(claimed) // 2, lanes)
            await self._bury_timer(claimed[0], error)
        metrics.TIMERS.labels(self.service).inc(len(claimed))
        return len(claimed)

    async def _fold_timers(self, most: int, lanes: Collection[int] | None, claimed: list[Key]) -> None:
        now = self.clock.now()
        async with self.transaction(()) as folding:
            claimed += await folding.unit.claim_due(now, most, lanes)
            if not claimed:
                return
            await folding.unit.see_tenants({tenant for tenant, _ in claimed})
            batch = await folding.fold(_timers(claimed, now))
            await self._bury(folding, batch)
        self._limits["timers"].count(batch.verdicts)

    async def _bury_timer(self, key: Key, error: Exception) -> None:
        """What a timer decided cannot be stored: its account is parked, and the other timers go on."""
        (timer,) = _timers([key], self.clock.now())
        fault = msgspec.structs.replace(timer, event=_unstorable(error, key))
        async with self.transaction([key[0]]) as folding:
            batch = await folding.fold([fault])
            await poison.bury(folding.unit, batch)
        self._limits["timers"].count(batch.verdicts)

    async def obey(self, inputs: Sequence[Input]) -> list[Any]:
        """Fold commands in one transaction and return their answers. Raises Refused before anything changes."""
        async with self.transaction({one.tenant for one in inputs}) as folding:
            return (await folding.fold(inputs)).answers


def overdue(batch: Batch, lanes: Collection[int]) -> list[Input]:
    """Timers of changed accounts that are due already, once all that came with the batch is known."""
    if not lanes:
        return []
    due = [key for key, state in batch.changed.items() if (at := state.next_action_at) is not None and at <= batch.now]
    return _timers((key for key in due if batch.loaded[key].lane in lanes), batch.now)


def _timers(due: Iterable[Key], now: datetime) -> list[Input]:
    at = now.isoformat()
    return [Input(tenant, account, _FIRED, f"timer:{tenant}:{account}:{at}", now) for tenant, account in due]


def _unstorable(error: Exception, whom: tuple[str | None, str | None]) -> Undecodable:
    return Undecodable(f"it cannot be stored: {type(error).__name__}: {error}", *whom)


def _foreseen(taken: Sequence[Taken]) -> tuple[list[Envelope], set[Key]]:
    """What will be claimed, and which accounts may be wanted; those of events that came before are locked for nothing."""
    keys = {(one.tenant, one.account) for one in taken if one.tenant and one.account}
    return [one for one in taken if isinstance(one, Envelope)], keys


def _ends(taken: Sequence[Taken]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition."""
    return {(one.record.topic, one.record.partition): one.record.offset + 1 for one in taken}
