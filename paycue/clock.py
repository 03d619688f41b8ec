"""Business time. The only place that reads the wall clock; deadlines, heartbeats and watchdogs use the event loop's own time.

A replay steps business time and never touches the loop's.
"""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as wall
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Tells business time."""

    flows: bool
    """Whether it goes on by itself; a clock that does not is stepped, and waiting brings nothing."""

    def now(self) -> datetime:
        """The present instant, UTC."""

    def on_step(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever time jumps; a clock that only flows never does."""


class SystemClock:
    """Business time is wall-clock time."""

    flows = True

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    def on_step(self, wake: Callable[[], None]) -> None:
        """Wall-clock time never jumps."""


class SteppedClock:
    """Business time stands still until it is set: for replays and tests."""

    flows = False

    def __init__(self, start: datetime) -> None:
        self._now, self._wakes = start, list[Callable[[], None]]()

    def now(self) -> datetime:
        return self._now

    def on_step(self, wake: Callable[[], None]) -> None:
        self._wakes.append(wake)

    def set(self, now: datetime) -> None:
        """Move to `now` (UTC). Raises ValueError on a step backwards."""
        if now < self._now:
            raise ValueError(f"time cannot go back from {self._now.isoformat()} to {now.isoformat()}")
        self._now = now
        for wake in self._wakes:
            wake()


zone = lru_cache(maxsize=1024)(ZoneInfo)


@lru_cache(maxsize=4096)
def local_date(at: datetime, zone_name: str) -> date:
    """The calendar date at the instant `at` in an IANA zone."""
    return at.astimezone(zone(zone_name)).date()


@lru_cache(maxsize=65536)
def instant(day: date, hour: wall, zone_name: str) -> datetime:
    """The instant (UTC) of a local date and time.

    A local time that does not exist is the first instant after the gap; one that exists twice is the first (PEP 495 folds).
    """
    local = datetime.combine(day, hour, tzinfo=zone(zone_name))
    at = local.astimezone(UTC)
    if at.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None):
        return at
    return _gap_end(local)


def _gap_end(local: datetime) -> datetime:
    """The first instant after the gap that swallows `local`: where the zone's offset changes, by bisection to the second."""
    before = local.replace(fold=0).astimezone(UTC) - timedelta(days=1)
    after = before + timedelta(days=2)
    offset = before.astimezone(local.tzinfo).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(local.tzinfo).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
