"""Telling Kafka how far a group has folded, beside the work. What it never hears of comes again, and the inbox knows it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from paycue.bus.bus import BusError
from paycue.bus.flow import TopicPartition

_PATIENCE_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
log = structlog.get_logger(__name__)


class Offsets:
    """What is folded of a `group` and not told yet. Of what comes in while Kafka is being told, only the last counts."""

    def __init__(self, group: str, commit: Callable[[Mapping[TopicPartition, int]], Awaitable[None]]) -> None:
        self.group, self.stopping = group, False
        """Once `stopping`, what Kafka refuses is not tried again."""
        self._commit = commit
        self._untold: dict[TopicPartition, int] = {}
        self._telling: asyncio.Task[None] | None = None

    def tell(self, ends: Mapping[TopicPartition, int]) -> None:
        """Everything below these offsets is folded durably. Kafka is told soon, while the next batch is read already."""
        self._untold.update(ends)
        if self._untold and (self._telling is None or self._telling.done()):
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name=f"{self.group} commits")

    async def told(self) -> None:
        """Until Kafka knows, or does not answer."""
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
