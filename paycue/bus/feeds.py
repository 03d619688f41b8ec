"""How fresh the stop feeds of each lane are. No fresh feed, no send: what was never heard cannot stop anything.

An ERP's topic is as fresh as the last fetch whose whole content is folded. On our own topics that proves nothing while their owner
is down or cannot publish, so it says once a second that nothing older is missing: a beat. Ages are of the event loop's clock and
lower bounds, so that neither a skewed clock nor a frozen process looks fresher than it is.
"""

from collections.abc import Collection, Mapping

import msgspec

from paycue.bus.flow import TopicPartition
from paycue.bus.topics import topics
from paycue.observability import metrics

BEAT_KEY = b"beat"
"""The key of a beat; no account has it, for it holds no colon."""
BEAT_TYPE = "paycue.beat"
BEAT_SECONDS = 1.0
FRESH_SECONDS = 30.0


class Progress(msgspec.Struct, frozen=True):
    """How far a partition is read: the next offset to be polled, and the end of the log if a fetch has told it since the last look."""

    position: int
    end: int | None


class Feeds:
    """The stop feeds of one member: all of `names` have to be fresh, partition by partition. A lane is the same number of each."""

    def __init__(self, names: tuple[str, ...], limit: float = FRESH_SECONDS) -> None:
        self.names, self.limit = names, limit
        self._looked: float | None = None
        self._goals: dict[TopicPartition, tuple[float, int]] = {}
        self._read: dict[TopicPartition, float] = {}
        self._beaten: dict[TopicPartition, float] = {}

    def look(self, now: float, progress: Mapping[TopicPartition, Progress], beats: Collection[TopicPartition]) -> None:
        """Everything polled so far is folded: note how far that is. `beats` came since the last look; `now` is of the loop's clock."""
        for tp in beats:
            # It was appended after the moment up to which all was read before.
            if tp in self._read:
                self._beaten[tp] = self._read[tp]
        self._forget(progress)
        for tp, seen in progress.items():
            self._reach(tp, seen)
        self._looked = now

    def _forget(self, progress: Mapping[TopicPartition, Progress]) -> None:
        """What was known of partitions that are not ours any more."""
        self._goals = {tp: goal for tp, goal in self._goals.items() if tp in progress}
        self._read = {tp: at for tp, at in self._read.items() if tp in progress}
        self._beaten = {tp: at for tp, at in self._beaten.items() if tp in progress}

    def _reach(self, tp: TopicPartition, seen: Progress) -> None:
        """Reached is the end that an earlier look was told; the next goal is an end that was told since then."""
        goal = self._goals.get(tp)
        if goal is not None and seen.position >= goal[1]:
            self._read[tp] = goal[0]
            goal = None
        if goal is None and seen.end is not None and self._looked is not None:
            if seen.position >= seen.end:
                self._read[tp] = self._looked
                self._goals.pop(tp, None)
            else:
                self._goals[tp] = (self._looked, seen.end)

    def age(self, tp: TopicPartition, now: float) -> float:
        """Seconds since everything on this partition was certainly folded; endless if that was never so."""
        known = self._beaten if topics()[tp[0]].beats else self._read
        return now - known[tp] if tp in known else float("inf")

    def stale(self, lane: int, now: float) -> list[str]:
        """The feeds of a lane that are older than the limit."""
        return [name for name in self.names if self.age((name, lane), now) > self.limit]

    def measure(self, service: str, lanes: Collection[int], now: float) -> None:
        """Set the gauge of every feed's age on these lanes."""
        for name in self.names:
            for lane in lanes:
                metrics.STOP_FEED_AGE.labels(service, name, str(lane)).set(self.age((name, lane), now))
