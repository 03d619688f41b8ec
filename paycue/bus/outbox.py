"""The outbox: events written in the transaction that decided them, sent afterwards by one relay per service, then deleted.

The relay keeps no cursor: `id > cursor` loses rows that commit late. One relay at a time drains a service's outbox, so a key
is never reordered; what was sent but not deleted is sent again under the same id, and every inbox makes that a no-op.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec
import structlog

from paycue.bus.bus import Bus, BusError
from paycue.bus.envelope import Outgoing, headers_for
from paycue.bus.flow import Flow
from paycue.db.engine import Connection, Database, is_transient
from paycue.observability import metrics

_BATCH = 2000
_IDLE_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Pending(msgspec.Struct, frozen=True):
    """An event for the outbox; the fields are the table's columns."""

    topic: str
    lane: int
    key: bytes
    type: str
    event_id: str
    at: datetime
    trace: str | None
    value: bytes


async def append(tx: Connection, schema: str, records: Sequence[Pending]) -> None:
    """Write events in the transaction that decided them."""
    await tx.execute(
        f"""insert into {schema}.outbox (topic, lane, key, type, event_id, at, trace, value)
            select * from unnest($1::text[], $2::integer[], $3::bytea[], $4::text[], $5::text[],
                $6::timestamptz[], $7::text[], $8::bytea[])""",
        *([getattr(record, name) for record in records] for name in Pending.__struct_fields__),
    )


class Relay:
    """Drains one service's outbox into the bus for as long as it holds the service's relay lock."""

    def __init__(self, service: str, schema: str, database: Database, bus: Bus, flow: Flow) -> None:
        self.service, self.schema, self.flow = service, schema, flow
        self._database, self._bus = database, bus
        self._work, self._stopping = asyncio.Event(), False
        self.label = f"outbox rows of {service}"

    def nudge(self) -> None:
        """There is something to send."""
        self._work.set()

    async def run(self) -> None:
        """Until `stop`: take the lock, drain, wait for a nudge. Trouble backs off; nothing is lost, for nothing is deleted unsent."""
        while not self._stopping:
            try:
                async with self._database.connection() as connection:
                    await self._lead(connection)
            except Exception as error:
                if not is_transient(error) and not isinstance(error, BusError):
                    raise
                log.warning("relay backs off", service=self.service, error=repr(error))
                await asyncio.sleep(_IDLE_SECONDS)

    async def _lead(self, connection: Connection) -> None:
        if not await connection.fetchval("select pg_try_advisory_lock(hashtext($1))", f"relay:{self.schema}"):
            await asyncio.sleep(_IDLE_SECONDS)
            return
        try:
            while not self._stopping:
                self._work.clear()
                while await self.drain(connection):
                    pass
                await self._idle()
        finally:
            if not connection.is_closed():
                await connection.execute("select pg_advisory_unlock_all()")

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._work.wait()
        except TimeoutError:
            return

    async def drain(self, connection: Connection) -> int:
        """Send and delete one batch; how many rows that were."""
        rows = await connection.fetch(f"select * from {self.schema}.outbox order by id limit {_BATCH}")
        if not rows:
            return 0
        with metrics.OUTBOX_SECONDS.labels(self.service).time():
            await self._bus.publish([self._outgoing(row) for row in rows])
            await connection.execute(f"delete from {self.schema}.outbox where id = any($1::bigint[])", [row["id"] for row in rows])
        # Rows of a former run, or of another process, were never counted here.
        self.flow.add(self.label, -min(len(rows), self.flow.open[self.label]))
        for topic, count in Counter(row["topic"] for row in rows).items():
            metrics.OUTBOX_SENT.labels(self.service, topic).inc(count)
        return len(rows)

    def _outgoing(self, row: asyncpg.Record) -> Outgoing:
        headers = headers_for(row["event_id"], f"urn:paycue:{self.service}", row["type"], row["at"], row["trace"])
        return Outgoing(row["topic"], row["lane"], row["key"], row["value"], headers)

    def stop(self) -> None:
        """Finish the batch in hand and let go of the lock."""
        self._stopping = True
        self._work.set()
