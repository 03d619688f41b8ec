"""What a seed decides: how long things take, what goes wrong, and in which order what is ready runs."""

import asyncio
import random
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

import asyncpg
import msgspec

from paycue.bus.bus import BusError

T = TypeVar("T")


class Weather(msgspec.Struct, frozen=True):
    """How likely each trouble is in one seed."""

    slow: float
    """Of a round trip to the database, the bus or a provider: takes seconds."""
    transient: float
    """Of a statement: the connection breaks."""
    lost_commit: float
    """Of a commit: it happened, and its answer is lost."""
    lost_ack: float
    """Of a batch: the broker has it, and nobody is told."""
    never_sent: float
    copies: float
    """Of a record: it comes twice."""
    refused: float
    """Of a call: the provider refuses it for good; later likewise for a while."""
    later: float
    dropped: float
    """Of a call: the connection breaks before anything left."""
    unanswered: float
    """Of a call: the provider has it, and its answer is lost."""
    cannot_tell: float
    """Of a lookup."""
    incidents: float
    """Of a burst of activity: a process is killed, frozen, doubled or drained in the middle of it."""


CALM = Weather(*[0.0] * len(Weather.__struct_fields__))


class Chance:
    """The one source of chance of a simulation. `calm()` lets everything go well from then on."""

    def __init__(self, seed: int | str) -> None:
        self.seed, self.random = seed, random.Random(seed)
        self.weather = self._weather()

    def apart(self, name: str) -> "Chance":
        """Another one of the same seed, that takes nothing of this one's turns."""
        return Chance(f"{self.seed} {name}")

    def _weather(self) -> Weather:
        """Some seeds are fine days, some are storms; each trouble has a strength of its own."""
        most = (0.02, 0.01, 0.02, 0.05, 0.05, 0.05, 0.05, 0.15, 0.1, 0.15, 0.3, 0.25)
        storm = self.random.choice((0.1, 0.5, 1.0, 1.0))
        return Weather(*(self.random.choice((0.0, 0.3, 1.0)) * storm * bound for bound in most))

    def id(self) -> UUID:
        """A fresh id."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def calm(self) -> None:
        self.weather = CALM

    def shuffle(self, handles: list[asyncio.Handle]) -> None:
        """An order of what is ready at the same instant."""
        self.random.shuffle(handles)

    def happens(self, likely: float) -> bool:
        return likely > 0 and self.random.random() < likely

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random.random()

    def whole(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def one_of(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def some_of(self, choices: Sequence[T], likely: float) -> list[T]:
        return [one for one in choices if self.happens(likely)]

    async def passes(self, usually: float) -> None:
        """A way from one machine to another: about `usually` seconds, now and then far longer."""
        if self.happens(self.weather.slow):
            await asyncio.sleep(self.between(0.5, 6.0))
        else:
            await asyncio.sleep(self.between(0.2, 1.5) * usually)


class SeededStoreFaults:
    """A database on this day."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    async def statement(self, name: str) -> None:
        await self._chance.passes(0.0005)
        if self._chance.happens(self._chance.weather.transient):
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def commit(self) -> bool:
        await self._chance.passes(0.001)
        if self._chance.happens(self._chance.weather.transient):
            raise ConnectionError("the commit never arrived")
        return self._chance.happens(self._chance.weather.lost_commit)

    async def committed(self) -> None:
        await self._chance.passes(0.0005)


class SeededBusFaults:
    """A cluster on this day."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    async def sending(self) -> None:
        await self._chance.passes(0.001)
        if self._chance.happens(self._chance.weather.never_sent):
            await asyncio.sleep(self._chance.between(0.1, 5.0))
            raise BusError("no answer; nothing arrived")

    def in_turn(self, topics: list[str]) -> list[str]:
        self._chance.random.shuffle(topics)
        return topics

    async def between(self) -> None:
        await self._chance.passes(0.002)

    def copies(self) -> int:
        return 2 if self._chance.happens(self._chance.weather.copies) else 1

    async def acknowledged(self) -> None:
        await self._chance.passes(0.001)
        if self._chance.happens(self._chance.weather.lost_ack):
            raise BusError("no answer; everything arrived")

    async def fetching(self) -> None:
        await self._chance.passes(0.002)

    def unnoticed(self) -> float:
        return self._chance.between(0.0, 3.0)
