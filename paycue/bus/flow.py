"""What is on its way inside this process: records acknowledged and folded, outbox rows, provider calls.

Counters and one condition, no polling: a replay waits here until everything it caused has come to rest. What another process
does is not seen, so a barrier needs all services in one.
"""

import asyncio
from collections import Counter

TopicPartition = tuple[str, int]


class Flow:
    """Counts movement. Every part of the bus reports to one Flow; `moves` grows with each report."""

    def __init__(self) -> None:
        self.moves = 0
        self.acked: dict[TopicPartition, int] = {}
        self.folded: dict[tuple[str, str, int], int] = {}
        self.open: Counter[str] = Counter()
        self._groups: dict[str, frozenset[str]] = {}
        self._moved = asyncio.Event()

    def subscribe(self, group: str, topics: tuple[str, ...]) -> None:
        """A consumer group reads these topics: what is acknowledged on them is outstanding until it has folded it."""
        self._groups[group] = frozenset(topics)

    def ack(self, topic: str, partition: int, next_offset: int) -> None:
        """The broker has everything below `next_offset`."""
        at = (topic, partition)
        self.acked[at] = max(next_offset, self.acked.get(at, 0))
        self._move()

    def fold(self, group: str, topic: str, partition: int, next_offset: int) -> None:
        """A group has folded everything below `next_offset`."""
        self.folded[group, topic, partition] = next_offset
        self._move()

    def add(self, what: str, count: int) -> None:
        """`count` more (or fewer) of `what` are open: outbox rows, provider calls, loop passes."""
        self.open[what] += count
        self._move()

    def stir(self) -> None:
        """Something moved that is not counted: a timer was folded and caused nothing to send."""
        self._move()

    def outstanding(self) -> list[str]:
        """What has not come to rest, in words; empty when all has."""
        waiting = [f"{count} {what}" for what, count in sorted(self.open.items()) if count > 0]
        for (topic, partition), end in self.acked.items():
            for group, topics in self._groups.items():
                done = self.folded.get((group, topic, partition), 0)
                if topic in topics and done < end:
                    waiting.append(f"{group} is at {done} of {end} in {topic}/{partition}")
        return waiting

    async def moved(self, seen: int, timeout: float) -> bool:
        """Wait until anything moved since `moves` was `seen`; False after `timeout` seconds without."""
        if self.moves != seen:
            return True
        self._moved.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True

    def _move(self) -> None:
        self.moves += 1
        self._moved.set()
