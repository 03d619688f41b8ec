"""The outbox: events written in the transaction that decided them, sent afterwards by one relay per service, then deleted.

The relay keeps no cursor: `id > cursor` loses rows that commit late. One relay at a time drains a service's outbox, so a key
is never reordered; what was sent but not deleted is sent again under the same id, and every inbox makes that a no-op.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec
import structlog

from paycue.bus.bus import Bus, BusError
from paycue.bus.envelope import Outgoing, Pending, headers_for
from paycue.bus.feeds import BEAT_KEY, BEAT_SECONDS, BEAT_TYPE
from paycue.bus.flow import Flow
from paycue.bus.store import Outbox, Store
from paycue.bus.topics import topics
from paycue.clock import Clock
from paycue.db.engine import is_transient
from paycue.ids import new_id
from paycue.observability import metrics

_MOST = 2000
_IDLE_SECONDS = 1.0
PACE_SECONDS = 0.02
log = structlog.get_logger(__name__)


class Sent(msgspec.Struct, frozen=True):
    """How many events a batch sent, whether it was full, and whether of those of stop feeds: others of these may be left then."""

    count: int
    full: bool = False
    full_of_stops: bool = False


class Relay:
    """Drains one service's outbox into the bus for as long as it holds the service's relay lock, `most()` events at once or a few more.

    What no stop waits for is gathered: `pace` seconds pass from one such batch to the next, unless there is enough to fill it.
    """

    def __init__(
        self,
        service: str,
        store: Store,
        bus: Bus,
        clock: Clock,
        flow: Flow,
        most: Callable[[], int] = lambda: _MOST,
        *,
        pace: float = PACE_SECONDS,
    ) -> None:
        self.service, self.flow, self._clock = service, flow, clock
        self._beats = [name for name, topic in topics().items() if topic.owner == service and topic.beats]
        self._beaten = 0.0
        self._store, self._bus, self._most, self._pace = store, bus, most, pace
        self._work, self._hurry, self._stopping = asyncio.Event(), asyncio.Event(), False
        self.label = f"outbox rows of {service}"

    def nudge(self, decided: Iterable[Pending]) -> None:
        """There is something to send: at once, if it goes to a stop feed."""
        self._work.set()
        if any(topics()[name].beats for name in {event.topic for event in decided}):
            self._hurry.set()

    async def run(self) -> None:
        """Until `stop`: take the lock, drain, wait for a nudge. Trouble backs off; nothing is lost, for nothing is deleted unsent."""
        while not self._stopping:
            try:
                async with self._store.leading() as outbox:
                    await self._lead(outbox)
            except Exception as error:
                if not is_transient(error) and not isinstance(error, BusError):
                    raise
                log.warning("relay backs off", service=self.service, error=repr(error))
                await asyncio.sleep(_IDLE_SECONDS)

    async def _lead(self, outbox: Outbox | None) -> None:
        if outbox is None:
            await asyncio.sleep(_IDLE_SECONDS)
            return
        while not self._stopping:
            self._work.clear()
            self._hurry.clear()
            since, sent = self._now(), await self.drain(outbox)
            # Stop feeds come first: a batch that was not full of them, or had others in it, has left none of them behind.
            if not sent.full_of_stops:
                await self._beat(since)
            if not sent.count:
                await self._until(self._work, _IDLE_SECONDS)
            elif self._pace and not sent.full:
                await self._until(self._hurry, since + self._pace - self._now())
        # What the calls in hand told at their end is not left to the next start.
        await self.drain(outbox)

    async def _beat(self, since: float) -> None:
        """Say on every stop feed of this service that all of before `since` stands before; a moment later it would be a guess."""
        if not self._beats or self._now() - self._beaten < BEAT_SECONDS or self._now() - since > BEAT_SECONDS:
            return
        await self._bus.publish([self._beat_on(topic, n) for topic in self._beats for n in range(self._bus.partitions(topic))])
        self._beaten = self._now()

    def _beat_on(self, topic: str, partition: int) -> Outgoing:
        headers = headers_for(new_id(), f"urn:paycue:{self.service}", BEAT_TYPE, self._clock.now(), None)
        return Outgoing(topic, partition, BEAT_KEY, b"", headers)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    @staticmethod
    async def _until(event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def drain(self, outbox: Outbox) -> Sent:
        """Send and delete one batch."""
        most = self._most()
        rows = await outbox.waiting(most)
        if not rows:
            return Sent(0)
        with metrics.OUTBOX_SECONDS.labels(self.service).time():
            await self._bus.publish([self._outgoing(row) for _, row in rows])
            await outbox.delete([number for number, _ in rows])
        # Rows of a former run, or of another process, were never counted here.
        self.flow.add(self.label, -min(len(rows), self.flow.open[self.label]))
        for topic, count in Counter(row.topic for _, row in rows).items():
            metrics.OUTBOX_SENT.labels(self.service, topic).inc(count)
        return Sent(len(rows), len(rows) >= most, sum(topics()[row.topic].beats for _, row in rows) >= most)

    def _outgoing(self, row: Pending) -> Outgoing:
        headers = headers_for(row.event_id, f"urn:paycue:{self.service}", row.type, row.at, row.trace)
        return Outgoing(row.topic, row.lane, row.key, row.value, headers)

    def stop(self) -> None:
        """Send what is there, at most one batch, and let go of the lock."""
        self._stopping = True
        self._work.set()
        self._hurry.set()
