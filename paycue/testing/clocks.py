"""Business time on a virtual loop: it flows with the loop, can be moved on at once, and each process sees it with a skew of its own."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta


class SharedTime:
    """What time it truly is."""

    def __init__(self, start: datetime, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._base, self._at = loop, start, loop.time()
        self.wakes: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """The true instant, UTC."""
        return self._base + timedelta(seconds=self._loop.time() - self._at)

    def move_to(self, then: datetime) -> None:
        """Move on to `then` at once; an instant that has passed changes nothing."""
        if then > self.now():
            self._base, self._at = then, self._loop.time()
            for wake in self.wakes:
                wake()


class SkewedClock:
    """A process's clock, ahead of the truth by `skew`, or behind it."""

    flows = True

    def __init__(self, shared: SharedTime, skew: timedelta) -> None:
        self.shared, self.skew = shared, skew
        self._wakes = list[Callable[[], None]]()
        shared.wakes.append(self._step)

    def now(self) -> datetime:
        return self.shared.now() + self.skew

    def on_step(self, wake: Callable[[], None]) -> None:
        self._wakes.append(wake)

    def _step(self) -> None:
        for wake in self._wakes:
            wake()

    def gone(self) -> None:
        """Its process ended: it wakes nobody any more."""
        self.shared.wakes.remove(self._step)
