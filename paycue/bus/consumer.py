"""The consuming loop: poll, fold lane by lane, commit offsets after the database; trouble backs off, revocation waits.

It never commits what was not folded, never holds a lock around polling (that deadlocks with the rebalance), and never lets one
lane's trouble stop another's.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog

from paycue.bus.bus import Bus, BusError
from paycue.bus.envelope import Record
from paycue.bus.flow import TopicPartition
from paycue.db.engine import TRANSIENT

_MOST = 2000
_TRIES_UNTIL_UNREADY = 5
_LONGEST_WAIT = 5.0
log = structlog.get_logger(__name__)

Polled = dict[TopicPartition, list[Record]]


class FoldsRecords(Protocol):
    """What a consumer hands its lanes to."""

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        """Fold one lane's records, in order, durably. Raises one of TRANSIENT to be asked again with the same records."""


class LaneConsumer:
    """One consumer group member of one service: `group` reads `topics` and folds them with `folder`."""

    def __init__(self, group: str, topics: tuple[str, ...], bus: Bus, folder: FoldsRecords) -> None:
        self.group, self.topics, self._folder = group, topics, folder
        self._consumer = bus.consumer(group, topics, self._before_revoke)
        self._folding = asyncio.Lock()
        self._stopping = False
        self.tries = 0

    @property
    def ready(self) -> bool:
        """False while batches keep failing."""
        return self.tries < _TRIES_UNTIL_UNREADY

    async def start(self) -> None:
        """Join the group."""
        await self._consumer.start()

    def assigned(self) -> frozenset[TopicPartition]:
        """The partitions this member owns now."""
        return self._consumer.assigned()

    async def lag(self) -> int:
        """Records that this member's partitions hold and the group has not folded."""
        return sum((await self._consumer.lag()).values())

    async def run(self) -> None:
        """Until `stop`: poll, fold, commit. Raises what is neither transient nor poison, such as TooMuchPoison."""
        try:
            while not self._stopping:
                if polled := await self._consumer.poll(_MOST):
                    await self._fold(polled)
        finally:
            await self._consumer.stop()

    async def stop(self) -> None:
        """Stop polling; the batch in flight is folded and committed first."""
        self._stopping = True
        async with self._folding:
            return

    async def _before_revoke(self, lost: frozenset[TopicPartition]) -> None:
        async with self._folding:
            return

    async def _fold(self, polled: Polled) -> None:
        async with self._folding:
            owned = self._consumer.assigned()
            lanes: dict[int, Polled] = defaultdict(dict)
            for tp, records in sorted(polled.items()):
                if tp in owned:
                    lanes[tp[1]][tp] = records
            failed = [lane for lane in await asyncio.gather(*map(self._fold_lane, lanes.values())) if lane]
        if failed:
            await self._back_off(failed)
        else:
            self.tries = 0

    async def _fold_lane(self, lane: Polled) -> Polled | None:
        """Fold and commit one lane; the lane again if that has to be tried later."""
        try:
            await self._folder.fold_records(self.group, [record for records in lane.values() for record in records])
            await self._consumer.commit({tp: records[-1].offset + 1 for tp, records in lane.items()})
        except (BusError, *TRANSIENT) as error:
            log.warning("batch will be folded again", consumer=self.group, error=repr(error), attempt=self.tries + 1)
            return lane
        return None

    async def _back_off(self, failed: list[Polled]) -> None:
        self.tries += 1
        await asyncio.sleep(min(_LONGEST_WAIT, 0.05 * 2**self.tries))
        for lane in failed:
            self._consumer.rewind({tp: records[0].offset for tp, records in lane.items()})
