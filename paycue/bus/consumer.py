"""The consuming loop: poll, fold, commit offsets after the database; trouble backs off, revocation waits.

The lanes of a poll share a transaction while all is well, and have one each as soon as anything is not.

It never commits what was not folded, never holds a lock around polling (that deadlocks with the rebalance), and never lets one
lane's trouble stop another's.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

import structlog

from paycue.bus.bus import Bus, BusError
from paycue.bus.envelope import Record
from paycue.bus.feeds import BEAT_KEY, Feeds
from paycue.bus.flow import TopicPartition
from paycue.bus.offsets import Offsets
from paycue.bus.ramp import Ramp
from paycue.db.engine import is_transient
from paycue.observability import metrics

_TRIES_UNTIL_UNREADY = 5
_LONGEST_WAIT = 5.0
_LOOK_SECONDS = 0.1
_BUSY_SECONDS = 1.0
log = structlog.get_logger(__name__)

Polled = dict[TopicPartition, list[Record]]


class FoldsRecords(Protocol):
    """What a consumer hands its lanes to."""

    async def fold_records(self, consumer: str, records: Sequence[Record]) -> None:
        """Fold records of one lane or several, each in order, durably. Raises one of TRANSIENT to be asked again with the same records."""


class LaneConsumer:
    """One consumer group member of one service: `group` reads `topics` and folds them with `folder`, some lanes at a time.

    A poll brings `most()` records at most, after a rest fewer at first; `feeds` is told ten times a second how far all is folded. Beats
    are counted there and folded nowhere. `linger_ms`: for how long records may be gathered while they come.
    """

    def __init__(
        self,
        group: str,
        topics: tuple[str, ...],
        bus: Bus,
        folder: FoldsRecords,
        *,
        lanes_at_once: int = 4,
        most: Callable[[], int] = lambda: 2000,
        feeds: Feeds | None = None,
        linger_ms: int = 0,
    ) -> None:
        self.group, self.topics, self._folder, self._feeds = group, topics, folder, feeds
        self._beats, self._next_look, self._busy_until = dict[TopicPartition, int](), 0.0, 0.0
        self._service = group.partition(".")[0]
        self._consumer = bus.consumer(group, topics, self._before_revoke, linger_ms=linger_ms)
        self._folding, self._slots = asyncio.Lock(), asyncio.Semaphore(lanes_at_once)
        self._ramp, self._stopping = Ramp(most), False
        self._polling: asyncio.Future[Polled] | None = None
        self._tries: Counter[int] = Counter()
        self._in_hand: Counter[TopicPartition] = Counter()
        self._offsets = Offsets(group, self._consumer.commit, bus.flow)

    @property
    def ready(self) -> bool:
        """False while batches of a lane keep failing."""
        lanes = {partition for _, partition in self.assigned()}
        return all(tries < _TRIES_UNTIL_UNREADY for lane, tries in self._tries.items() if lane in lanes)

    @property
    def busy(self) -> bool:
        """Whether it had something to fold within the last second."""
        return asyncio.get_running_loop().time() < self._busy_until

    async def start(self) -> None:
        """Join the group. Raises BusError; nothing is left open then."""
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise

    def assigned(self) -> frozenset[TopicPartition]:
        """The partitions this member owns now."""
        return self._consumer.assigned()

    def lanes(self) -> frozenset[int]:
        """The lanes that this member owns in every topic."""
        return lanes_of(self.topics, self.assigned())

    async def lag(self) -> int:
        """Records that this member's partitions hold and that are not folded: not fetched yet, or in hand."""
        lags = await self._consumer.lag()
        for (topic, partition), behind in lags.items():
            metrics.LAG.labels(self._service, topic, str(partition)).set(behind)
        return sum(lags.values()) + self._in_hand.total()

    async def run(self) -> None:
        """Until `stop`: poll, fold, commit. Raises what is neither transient nor poison, such as TooMuchPoison."""
        try:
            while not self._stopping:
                if polled := await self._poll():
                    await self._fold(polled)
                await self._look(polled)
            await self._offsets.told()  # Who has left the group tells it nothing any more.
        finally:
            await self._consumer.stop()

    async def _look(self, polled: Polled) -> None:
        """Tell the feeds now and then what is folded. A batch that was put back moved its position back too, and so is not counted."""
        if self._feeds is None:
            return
        self._beats.update({tp: records[-1].offset for tp, records in polled.items() if _beats(records)})
        if self._stopping or asyncio.get_running_loop().time() < self._next_look:
            return
        self._next_look = asyncio.get_running_loop().time() + _LOOK_SECONDS
        try:
            progress = await self._consumer.progress()
        except BusError as error:
            log.info("not looked at", consumer=self.group, reason=str(error))
            return
        beaten = {tp for tp, last in self._beats.items() if tp in progress and last < progress[tp].position}
        self._beats.clear()
        self._feeds.look(asyncio.get_running_loop().time(), progress, beaten)

    async def _poll(self) -> Polled:
        """What came; nothing when `stop` cuts the wait short, for a poll may wait for a rebalance that no broker ends."""
        self._polling = asyncio.ensure_future(self._consumer.poll(self._ramp.ask()))
        try:
            polled = await self._polling
        except asyncio.CancelledError:
            if self._stopping:
                return {}
            self._polling.cancel()
            raise
        self._ramp.came(len(polled))
        return {} if self._stopping else polled

    async def stop(self) -> None:
        """Stop polling; the batch in flight is folded and committed first."""
        self._stopping = self._offsets.stopping = True
        if self._polling is not None:
            self._polling.cancel()
        await self._at_rest()

    async def _before_revoke(self, lost: frozenset[TopicPartition]) -> None:
        await self._at_rest()

    async def _at_rest(self) -> None:
        """Until the batch in flight is folded and Kafka knows, or does not answer."""
        async with self._folding:
            await self._offsets.told()

    async def _fold(self, polled: Polled) -> None:
        async with self._folding:
            lanes = self._by_lane(polled)
            if len(lanes) > 1 and not self._tries.keys() & lanes.keys() and await self._fold_together(lanes):
                lanes = {}
            try:
                await self._fold_apart(lanes)
            finally:
                self._in_hand.clear()

    async def _fold_apart(self, lanes: dict[int, Polled]) -> None:
        """All of them to their end, whatever becomes of one: nothing may fold on when the lock around this is given back."""
        work = [self._fold_lane(number, lane) for number, lane in lanes.items()]
        if len(work) == 1:
            return await work[0]
        for error in await asyncio.gather(*work, return_exceptions=True):
            if error is not None:
                raise error

    def _by_lane(self, polled: Polled) -> dict[int, Polled]:
        """What is ours and has something to fold. Partitions that brought beats alone are passed over."""
        owned, lanes, quiet = self._consumer.assigned(), defaultdict[int, Polled](dict), Polled()
        for tp, records in sorted(polled.items()):
            if tp not in owned:
                continue
            self._in_hand[tp] = len(records)
            if _beats(records) == len(records):
                quiet[tp] = records
            else:
                lanes[tp[1]][tp] = records
        self._offsets.tell(_ends(quiet))
        if lanes:
            self._busy_until = asyncio.get_running_loop().time() + _BUSY_SECONDS
        return lanes

    async def _fold_together(self, lanes: dict[int, Polled]) -> bool:
        """Fold several lanes in one transaction; False when trouble that passes says that each had better be tried by itself."""
        try:
            await self._folder.fold_records(self.group, [fact for lane in lanes.values() for fact in _facts(lane)])
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("lanes are folded one by one", consumer=self.group, error=repr(error))
            return False
        for lane in lanes.values():
            self._offsets.tell(_ends(lane))
        return True

    async def _fold_lane(self, number: int, lane: Polled) -> None:
        """Fold one lane; what passes by itself puts the lane back for a while."""
        async with self._slots:
            try:
                await self._folder.fold_records(self.group, _facts(lane))
            except Exception as error:
                if not is_transient(error) and not isinstance(error, BusError):
                    raise
                self._put_back(number, lane, error)
            else:
                self._tries.pop(number, None)
                self._offsets.tell(_ends(lane))

    def _put_back(self, number: int, lane: Polled, error: Exception) -> None:
        """The same records again, after a pause in which the other lanes go on."""
        self._tries[number] += 1
        log.warning("batch will be folded again", consumer=self.group, lane=number, error=repr(error), attempt=self._tries[number])
        metrics.TRANSIENT.labels(self._service, type(error).__name__).inc()
        for tp in lane:
            del self._in_hand[tp]
        self._consumer.rewind({tp: records[0].offset for tp, records in lane.items()})
        self._consumer.pause(lane.keys())
        wait = min(_LONGEST_WAIT, 0.05 * 2 ** self._tries[number])
        asyncio.get_running_loop().call_later(wait, self._consumer.resume, lane.keys())


@lru_cache(maxsize=64)
def lanes_of(topics: tuple[str, ...], owned: frozenset[TopicPartition]) -> frozenset[int]:
    """The partitions that are owned in every topic: a lane of which one feed is another's is nobody's."""
    numbers = [{number for name, number in owned if name == topic} for topic in topics]
    return frozenset(set.intersection(*numbers))


def _facts(lane: Polled) -> list[Record]:
    return [record for records in lane.values() for record in records if record.key != BEAT_KEY]


def _beats(records: Sequence[Record]) -> int:
    return sum(record.key == BEAT_KEY for record in records)


def _ends(polled: Polled) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition."""
    return {tp: records[-1].offset + 1 for tp, records in polled.items()}
