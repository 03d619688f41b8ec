"""The barrier of a replay: waits until everything that an instant caused has come to rest, then tells the next timer.

All services are in this process, so in-process counters know what is on its way; nothing is polled and nobody sleeps. What does
not move for thirty seconds is named.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from paycue.clock import SteppedClock
from paycue.runtime import Runtime
from paycue.world import World

PATIENCE_SECONDS = 30


class Stuck(Exception):
    """Nothing moved for too long; the text names what is outstanding."""


class Barrier:
    """Over all services of one world."""

    def __init__(self, runtimes: Sequence[Runtime], world: World, clock: SteppedClock) -> None:
        self._runtimes, self._flow, self._clock = runtimes, world.flow, clock

    async def rest(self) -> datetime | None:
        """Wait until nothing is outstanding and nothing is due; the earliest timer of any service, or None. Raises Stuck."""
        while True:
            seen = self._flow.moves
            # Business time stands still while a feed is stale, or a message would wait that waits in no other replay.
            waiting = self._flow.outstanding() or [note for runtime in self._runtimes for note in runtime.notes()]
            if not waiting:
                timers = [at for runtime in self._runtimes if (at := await next_due(runtime)) is not None]
                earliest = min(timers, default=None)
                if self._flow.moves != seen:
                    continue
                if earliest is None or earliest > self._clock.now():
                    return earliest
                waiting = [f"timers due at {earliest.isoformat()}"]
                for runtime in self._runtimes:
                    runtime.alarm.ring()
            await self._moved(seen, waiting)

    async def facts_first(self, publish: Callable[[], Awaitable[None]]) -> None:
        """Have what `publish` publishes folded to the end before any timer of this instant fires."""
        for runtime in self._runtimes:
            runtime.timers.clear()
        await publish()
        while waiting := self._flow.outstanding():
            await self._moved(self._flow.moves, waiting)
        for runtime in self._runtimes:
            runtime.timers.set()

    async def _moved(self, seen: int, waiting: list[str]) -> None:
        failed = [runtime.fatal.result() for runtime in self._runtimes if runtime.fatal.done()]
        failed += [why for runtime in self._runtimes if (why := await runtime.unready())]
        if failed:
            raise Stuck(f"the replay cannot go on: {'; '.join(failed)}")
        if not await self._flow.moved(seen, PATIENCE_SECONDS):
            raise Stuck(f"nothing moved for {PATIENCE_SECONDS} s; outstanding: {'; '.join(waiting)}")


async def next_due(runtime: Runtime) -> datetime | None:
    """A service's earliest timer."""
    if not runtime.service.loops:
        return None
    return await runtime.store.next_due()


async def dead_letters(runtimes: Sequence[Runtime]) -> int:
    """Unresolved dead letters of all services."""

    async def of(runtime: Runtime) -> int:
        async with runtime.database.connection() as connection:
            return int(
                await connection.fetchval(f"select count(*) from {runtime.service.store.schema}.dead_letter where resolved_at is null")
            )

    return sum(await asyncio.gather(*map(of, runtimes)))
