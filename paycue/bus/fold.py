"""The fold: one transaction per batch, whatever brings it - records of a lane, timers that are due, commands of the API.

Lock the lane, claim unseen ids, lock the accounts, let handlers decide, save by the set, append the outbox, commit. Only after
the commit are provider calls handed out and offsets committed; nothing here ever calls out.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import asyncpg

from paycue.bus import inbox, outbox, poison
from paycue.bus.batch import Batch, Input
from paycue.bus.bus import Bus
from paycue.bus.envelope import Envelope, Record, Undecodable, decode, type_of
from paycue.bus.flow import Flow, TopicPartition
from paycue.clock import Clock
from paycue.db.accounts import AccountStore, Key, References, no_references
from paycue.db.engine import TRANSIENT, Connection, Database, see_tenants
from paycue.decision import Handlers, TimerFired
from paycue.ids import account_key
from paycue.observability import metrics

Within = Callable[[Connection, Batch], Awaitable[None]]
"""Runs in the transaction after the decisions were saved: an idempotency record, resolved dead letters."""


class Folder:
    """Folds for one service. `on_commit` hears of every batch that is durable."""

    def __init__(
        self,
        service: str,
        store: AccountStore,
        handlers: Handlers,
        database: Database,
        bus: Bus,
        clock: Clock,
        flow: Flow,
        references: References = no_references,
    ) -> None:
        self.references = references
        self.service, self.store, self.handlers = service, store, handlers
        self.database, self.bus, self.clock, self.flow = database, bus, clock, flow
        self.on_commit: list[Callable[[Batch], None]] = []
        self.limit = poison.Limit()
        self._handled = {event.DESCRIPTOR.full_name for event in handlers if hasattr(event, "DESCRIPTOR")}
        self._outbox_label = f"outbox rows of {service}"

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        """Fold one lane's records in order. Raises what is transient; a batch the database refuses is split until the record is found."""
        envelopes, faults = self._decode(records)
        if not envelopes and not faults:
            return
        ends = _ends(records)
        try:
            batch = await self._fold_envelopes(consumer, ends, envelopes, faults)
        except (asyncpg.PostgresError, ValueError) as error:
            # asyncpg's own DataError is a ValueError: an argument that PostgreSQL would not take, for ever.
            if isinstance(error, TRANSIENT) and not isinstance(error, ValueError):
                raise
            await self._split(consumer, records, envelopes, error)
            return
        self._count(envelopes, batch, faults)

    async def _split(self, consumer: str, records: Sequence[Record], envelopes: list[Envelope], error: Exception) -> None:
        """The database refused a batch: halve it; a single record that it refuses is poison."""
        if len(records) > 1:
            middle = len(records) // 2
            await self.fold_records(consumer, records[:middle])
            await self.fold_records(consumer, records[middle:])
            return
        fault = (records[0], Undecodable(f"the database refused it: {error}", envelopes[0].tenant, envelopes[0].account))
        self._count([], await self._fold_envelopes(consumer, _ends(records), [], [fault]), [fault])

    def _decode(self, records: Sequence[Record]) -> tuple[list[Envelope], list[poison.Fault]]:
        envelopes: list[Envelope] = []
        faults: list[poison.Fault] = []
        for record in records:
            kind = type_of(record)
            if kind is not None and kind not in self._handled and kind in poison.known_types(record.topic):
                metrics.RECORDS.labels(self.service, record.topic, kind, "ignored").inc()
                continue
            try:
                envelopes.append(decode(record))
            except Undecodable as fault:
                faults.append((record, fault))
        return envelopes, faults

    async def _fold_envelopes(
        self, consumer: str, ends: dict[TopicPartition, int], envelopes: list[Envelope], faults: list[poison.Fault]
    ) -> Batch:
        now = self.clock.now()
        tenants = {e.tenant for e in envelopes} | {f.tenant for _, f in faults if f.tenant}
        async with self.database.transaction(tenants) as tx:
            await inbox.lock_lanes(tx, self.store.schema, consumer, ends)
            new, reused = await inbox.claim(tx, self.store.schema, envelopes) if envelopes else ([], [])
            faults += [(e.record, Undecodable("the same event id came before with other content", e.tenant, e.account)) for e in reused]
            accused = {(f.tenant, f.account) for _, f in faults if f.tenant and f.account}
            inputs = [Input(e.tenant, e.account, e.event, e.id, e.time, e.trace, e) for e in new]
            batch = await self._fold(tx, inputs, now, also=accused)  # type: ignore[arg-type]
            await poison.bury(tx, self.store, batch, faults)
            self._expect(batch)
        self._committed(batch)
        return batch

    async def fold_due(self, most: int) -> int:
        """Claim up to `most` accounts whose timer is due and fold `TimerFired` into each; how many that were."""
        now = self.clock.now()
        async with self.database.transaction(()) as tx:
            keys = await self.store.claim_due(tx, now, most)
            if not keys:
                return 0
            await see_tenants(tx, {tenant for tenant, _ in keys})
            stamp = now.isoformat()
            batch = await self._fold(tx, [Input(t, a, TimerFired(), f"timer:{t}:{a}:{stamp}", now) for t, a in keys], now)
            await poison.bury(tx, self.store, batch, [])
            self._expect(batch)
        self._committed(batch)
        return len(keys)

    async def obey(self, inputs: Sequence[Input], within: Within | None = None) -> list[Any]:
        """Fold commands in one transaction and return their answers. Raises Refused before anything changes."""
        async with self.database.transaction({one.tenant for one in inputs}) as tx:
            batch = await self.obey_in(tx, inputs, within)
        self._committed(batch)
        return batch.answers

    async def obey_in(self, tx: Connection, inputs: Sequence[Input], within: Within | None = None) -> Batch:
        """The same inside a transaction of the caller, who reports the commit with `committed`."""
        batch = await self._fold(tx, list(inputs), self.clock.now())
        if within is not None:
            await within(tx, batch)
        self._expect(batch)
        return batch

    async def _fold(self, tx: Connection, inputs: list[Input], now: Any, also: Iterable[Key] = ()) -> Batch:
        store = self.store
        keys = {one.key for one in inputs} | set(also)
        references = await self.references(tx, sorted({tenant for tenant, _ in keys})) if inputs else {}
        batch = Batch(now, await store.load(tx, keys, self._lane), references, self.handlers)
        batch.fold(inputs)
        await store.save(tx, batch.changed, batch.rows)
        if batch.events:
            await outbox.append(tx, store.schema, batch.events)
        return batch

    def _lane(self, key: Key) -> int:
        return self.bus.partition("erp.invoices.v1", account_key(*key))

    def _expect(self, batch: Batch) -> None:
        """Counted before the commit: the relay may delete a row before this task runs again."""
        if batch.events:
            self.flow.add(self._outbox_label, len(batch.events))

    def _committed(self, batch: Batch) -> None:
        for heard in self.on_commit:
            heard(batch)

    committed = _committed

    def _count(self, envelopes: Sequence[Envelope], batch: Batch, faults: Sequence[poison.Fault]) -> None:
        bad = [record.topic for record, _ in faults] + [p.input.envelope.record.topic for p in batch.poison if p.input.envelope]
        for topic in bad:
            metrics.DEAD_LETTERS.labels(self.service, topic).inc()
        for (topic, kind), count in Counter((e.record.topic, e.type) for e in envelopes).items():
            metrics.RECORDS.labels(self.service, topic, kind, "folded").inc(count)
        if envelopes or bad:
            self.limit.count(good=max(0, len(envelopes) - len(batch.poison)), bad=len(bad))


def _ends(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition."""
    return {(record.topic, record.partition): record.offset + 1 for record in records}
