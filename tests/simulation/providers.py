"""Fake providers of mail and SMS. What they received, when and byte for byte, is the ground truth of a simulation.

A provider is no process of ours: what has left towards it arrives whatever becomes of the sender, and it never tells anything
but the truth of what it has.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from datetime import datetime
from typing import Literal

import msgspec

from paycue.testing.virtual_loop import process
from services.notifier.adapters.base import TOO_LATE
from services.notifier.domain.calls import CallResult, Found, ProviderCall
from tests.simulation.chance import Chance
from tests.simulation.trace import Trace


class Received(msgspec.Struct, frozen=True):
    """A message that a provider took."""

    channel: str
    at: datetime
    """True time; `place` orders it among everything that happened. `left_at` is the place of its first byte, `left` its instant."""
    place: int
    left_at: int
    left: datetime
    call: ProviderCall


class Provider:
    """One of mail or SMS: accepts, refuses, goes silent."""

    def __init__(self, channel: Literal["email", "sms"], chance: Chance, trace: Trace, now: Callable[[], datetime]) -> None:
        self.channel, self.chance, self.trace, self.now = channel, chance, trace, now
        self.received: list[Received] = []
        self.underway = 0
        self.lookers: list[Callable[[ProviderCall], None]] = []
        """Shown every call at the instant when its first byte leaves."""
        self.takers: list[Callable[[Received], None]] = []
        """Told of every message that was taken."""
        self._has: dict[str, Received] = {}

    def begin(self, call: ProviderCall) -> asyncio.Future[CallResult]:
        """The first irrevocable byte leaves now. The answer comes unless it is lost."""
        left_at = self.trace.add("LEFT", f"{self.channel} {call.call_id[-12:]}")
        for looker in self.lookers:
            looker(call)
        loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
        self.underway += 1
        slowly = self.chance.happens(self.chance.weather.slow)
        left = (left_at, self.now())
        loop.call_later(self.chance.between(0.0, 50.0 if slowly else 0.4), self._arrive, call, left, answer, context=Context())
        return answer

    def _arrive(self, call: ProviderCall, left: tuple[int, datetime], answer: "asyncio.Future[CallResult]") -> None:
        self.underway -= 1
        weather, loop = self.chance.weather, asyncio.get_running_loop()
        if self.chance.happens(weather.refused):
            result = CallResult("failed", reason="smtp_550_5.7.1" if self.channel == "email" else "twilio_30007")
        elif self.chance.happens(weather.later):
            result = CallResult("retry", reason="smtp_451" if self.channel == "email" else "twilio_429", retry_after=self._retry_after())
        else:
            self._take(call, left)
            if self.chance.happens(weather.unanswered):
                return
            result = CallResult("accepted", reference=f"ref-{len(self.received)}")
        loop.call_later(self.chance.between(0.0, 0.3), _answer, answer, result, context=Context())

    def _retry_after(self) -> float | None:
        return self.chance.between(1, 90) if self.channel == "sms" else None

    def _take(self, call: ProviderCall, left: tuple[int, datetime]) -> None:
        place = self.trace.add("RECEIVED", f"{self.channel} {call.call_id[-12:]} to {call.recipient}")
        received = Received(self.channel, self.now(), place, *left, call)
        self.received.append(received)
        self._has[call.call_id] = received
        for taker in self.takers:
            taker(received)

    def has(self, call_id: str) -> bool:
        """The truth."""
        return call_id in self._has


def _answer(answer: "asyncio.Future[CallResult]", result: CallResult) -> None:
    if not answer.done():
        answer.set_result(result)


class FakeChannel:
    """One process's connection to a provider: the notifier's Channel."""

    def __init__(self, provider: Provider) -> None:
        self._provider, self._chance, self._process = provider, provider.chance, process()

    async def send(self, call: ProviderCall) -> CallResult:
        await self._chance.passes(0.02)
        if self._process is not None:
            self._process.alive()
        if self._chance.happens(self._chance.weather.dropped):
            return CallResult("retry", reason="connection_lost")
        if asyncio.get_running_loop().time() >= call.start_by_loop:
            return TOO_LATE
        answer = self._provider.begin(call)
        try:
            async with asyncio.timeout(self._chance.between(2.0, 20.0)):
                return await answer
        except TimeoutError:
            return CallResult("unknown", reason="no_answer")

    async def find(self, call: ProviderCall) -> Found:
        await self._chance.passes(0.02)
        if self._chance.happens(self._chance.weather.cannot_tell):
            return "cannot_tell"
        return "accepted" if self._provider.has(call.call_id) else "not_accepted"

    async def close(self) -> None:
        """Nothing is kept open."""
