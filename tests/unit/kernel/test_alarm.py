"""How long a service's loops sleep: until the next timer, a second at most, and not at all once they are rung."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paycue.alarm import IDLE_SECONDS, Alarm
from paycue.clock import SystemClock


class Desk:
    """A service, as far as its alarm knows it: `seconds` from the question until its next timer, or none."""

    def __init__(self, seconds: float | None) -> None:
        self.clock, self.store, self._seconds = SystemClock(), self, seconds

    def lanes(self) -> frozenset[int]:
        return frozenset({0})

    async def next_due(self, lanes: frozenset[int]) -> datetime | None:
        return None if self._seconds is None else datetime.now(UTC) + timedelta(seconds=self._seconds)


async def slept(seconds: float | None, rung_after: float | None = None) -> float:
    desk: Any = Desk(seconds)
    alarm, began = Alarm(desk), time.monotonic()
    if rung_after is not None:
        asyncio.get_running_loop().call_later(rung_after, alarm.ring)
    async with asyncio.timeout(10):
        await alarm.wait()
    return time.monotonic() - began


async def test_a_timer_that_is_near_is_waited_for_and_no_longer() -> None:
    assert 0.09 <= await slept(0.1) < 0.8


@pytest.mark.parametrize("seconds", [None, 86_400])
async def test_no_timer_and_a_far_one_are_looked_for_again_before_long(seconds: float | None) -> None:
    assert IDLE_SECONDS * 0.99 <= await slept(seconds) < 5


async def test_a_timer_that_is_due_and_held_by_somebody_else_is_not_asked_for_without_a_pause() -> None:
    assert 0.009 <= await slept(-60) < 0.8


async def test_whoever_rings_wakes_the_sleeper_at_once() -> None:
    assert await slept(None, rung_after=0.05) < 0.8


async def test_what_rang_before_the_last_look_is_not_heard_after_it() -> None:
    desk: Any = Desk(None)
    alarm = Alarm(desk)
    alarm.ring()
    alarm.hush()
    began = time.monotonic()
    await alarm.wait()
    assert time.monotonic() - began >= IDLE_SECONDS * 0.99
