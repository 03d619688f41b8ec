"""Telling Kafka how far a group has folded, beside the work. What it never hears of comes again, and the inbox knows it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from paycue.bus.bus import BusError
from paycue.bus.flow import Flow, TopicPartition

_PATIENCE_SECONDS = 5.0
_PACE_SECONDS = 0.1
_AGAIN_SECONDS = 0.5
log = structlog.get_logger(__name__)


class Offsets:
    """What is folded of a `group` and not told yet. Kafka is told ten times a second at most, for a batch of two stops is folded
    in less time than telling takes; of what comes in between, only the last counts.
    """

    def __init__(self, group: str, commit: Callable[[Mapping[TopicPartition, int]], Awaitable[None]], flow: Flow) -> None:
        self.group, self.stopping = group, False
        """Once `stopping`, what Kafka refuses is not tried again."""
        self._commit, self._flow = commit, flow
        self._untold: dict[TopicPartition, int] = {}
        self._telling: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def tell(self, ends: Mapping[TopicPartition, int]) -> None:
        """Everything below these offsets is folded durably. Kafka is told soon, while the next batch is read already."""
        self._untold.update(ends)
        for tp, end in ends.items():
            self._flow.fold(self.group, *tp, end)
        if self._untold and (self._telling is None or self._telling.done()):
            self._hurry.clear()
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name=f"{self.group} commits")

    async def told(self) -> None:
        """Until Kafka knows, or does not answer."""
        self._hurry.set()
        if self._telling is not None:
            await asyncio.wait({self._telling}, timeout=_PATIENCE_SECONDS)

    async def _tell(self) -> None:
        while self._untold:
            ends, self._untold = self._untold, {}
            try:
                await self._commit(ends)
            except BusError as error:
                log.info("offsets are committed later", consumer=self.group, error=repr(error))
                self._untold = ends | self._untold
                if self.stopping:
                    return
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Until something may be told again: at once, when somebody waits for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PACE_SECONDS):
                await self._hurry.wait()
