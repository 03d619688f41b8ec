"""What may go wrong between a process and what it stands on. A simulation decides by its seed; without faults only the order varies."""

import asyncio
from typing import Protocol


class StoreFaults(Protocol):
    """Of a database."""

    async def statement(self, name: str) -> None:
        """Takes as long as a round trip does. Raises what is transient; then the transaction is over."""

    async def commit(self) -> bool:
        """The way to the commit. Raises when it never arrives; True when it does and its answer will be lost."""

    async def committed(self) -> None:
        """The answer's way back."""


class _NoFaults:
    async def statement(self, name: str) -> None:
        await asyncio.sleep(0)

    async def commit(self) -> bool:
        await asyncio.sleep(0)
        return False

    async def committed(self) -> None:
        await asyncio.sleep(0)


NO_FAULTS: StoreFaults = _NoFaults()


class BusFaults(Protocol):
    """Of a bus."""

    async def sending(self) -> None:
        """The way of records to the broker. Raises BusError when they never arrive."""

    def in_turn(self, topics: list[str]) -> list[str]:
        """In which order one batch arrives, topic by topic; within a topic its order stands."""

    async def between(self) -> None:
        """What passes between one topic's records and the next one's."""

    def copies(self) -> int:
        """How often a record is appended."""

    async def acknowledged(self) -> None:
        """The acknowledgement's way back. Raises BusError when it is lost."""

    async def fetching(self) -> None:
        """How long a poll takes that finds something."""

    def unnoticed(self) -> float:
        """Seconds for which a member that was thrown out goes on believing."""
