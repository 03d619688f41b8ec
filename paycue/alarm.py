"""The bell that wakes a service's loops: an account falls due, business time jumps, or somebody asks."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paycue.runtime import Runtime

IDLE_SECONDS = 1.0
"""The longest that a loop sleeps: another process may have set an earlier timer."""


class Alarm:
    """Wakes a service's loops: when an account falls due, when business time jumps, or when asked."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime, self._rung = runtime, asyncio.Event()

    def ring(self) -> None:
        """Something may be due now."""
        self._rung.set()

    def hush(self) -> None:
        """About to look: what rings from here on is new."""
        self._rung.clear()

    async def wait(self) -> None:
        """Until rung, or the next timer of the database, or a second: another process may have set an earlier one."""
        seconds = await self._until_next() if self._runtime.clock.flows else IDLE_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    async def _until_next(self) -> float:
        runtime = self._runtime
        due = await runtime.store.next_due(runtime.lanes())
        left = (due - runtime.clock.now()).total_seconds() if due else IDLE_SECONDS
        return min(IDLE_SECONDS, max(left, 0.01))
