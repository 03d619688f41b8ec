"""Receipts of stops, kept by the service that took the request, so that it can answer whoever waits for one.

A receipt is kept as it is told and changes no account: it needs no lock, no inbox and no handler. What another service took is
passed over.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from google.protobuf.message import DecodeError

from paycue.bus.batch import Batch, Input
from paycue.bus.envelope import Record, Undecodable, decode, type_of
from paycue.bus.poison import set_aside
from paycue.bus.store import Store
from paycue.clock import Clock
from paycue.db.bulk import Owned
from paycue.events.v1 import stop_pb2
from paycue.receipt import Receipt

TOPIC = "stops.receipts.v1"
_TYPE: str = stop_pb2.StopReceipt.DESCRIPTOR.full_name
_LOOK_AGAIN_SECONDS = 0.2
"""Another process of the service may have folded what this one waits for."""


class Receipts:
    """One service's receipts. Whoever waits is woken when one is kept here."""

    def __init__(self, service: str, store: Store, clock: Clock) -> None:
        self._service, self._store, self._clock = service, store, clock
        self._news = asyncio.Event()

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        """Keep the receipts of stops that this service took. One that cannot be read is a dead letter that parks nobody."""
        rows, faults = [], []
        for record in records:
            if self._another_took_it(record):
                continue
            try:
                event = decode(record).event
            except Undecodable as why:
                faults.append(Input("", "", why, "", self._clock.now(), record=record))
                continue
            rows.append(_row(event))
        if rows or faults:
            async with self._store.transaction({row.tenant for row in rows}) as unit:
                await unit.save({}, rows)
                await set_aside(unit, faults, self._clock.now())
            self._ring()

    def _another_took_it(self, record: Record) -> bool:
        """Every stop has a receipt and hardly one is ours: that is told from the value alone, as far as it can be read."""
        if type_of(record) != _TYPE:
            return False
        try:
            return bool(stop_pb2.StopReceipt.FromString(record.value or b"").taken_by != self._service)
        except DecodeError:
            return False

    def heard(self, batch: Batch) -> None:
        """A batch of the service itself is durable: it may hold receipts."""
        if any(isinstance(owned.row, Receipt) for owned in batch.rows):
            self._ring()

    def _ring(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def of(self, tenant: str, stop_id: str, count: int = 1, within: float = 0.0) -> list[Receipt]:
        """The receipts of a stop, one for each account it closed; waits up to `within` seconds until there are `count` of them."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + within
        while True:
            news, found = self._news, await self._store.receipts(tenant, stop_id)
            left = give_up - loop.time()
            if len(found) >= count or left <= 0:
                return found
            try:
                async with asyncio.timeout(min(left, _LOOK_AGAIN_SECONDS)):
                    await news.wait()
            except TimeoutError:
                continue


def _row(event: Any) -> Owned:
    """The row of a StopReceipt."""
    times = (getattr(event, name).ToDatetime(tzinfo=UTC) for name in ("accepted_at", "effective_at", "none_started_after"))
    accepted_at, effective_at, none_started_after = times
    receipt = Receipt(
        stop_id=event.stop_id,
        kind=stop_pb2.StopKind.Name(event.kind).removeprefix("STOP_KIND_").lower(),
        cause=event.cause,
        invoice_ids=json.dumps([*event.invoice_ids]),
        accepted_at=accepted_at,
        effective_at=effective_at,
        calls_in_flight=json.dumps([*event.calls_in_flight]),
        none_started_after=none_started_after,
    )
    return Owned(event.tenant_id, event.account_id, receipt)
