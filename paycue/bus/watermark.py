"""Where a look for due timers begins: not at the start of the index of due times, which is full of what was claimed before.

Nothing below the watermark is due, as far as this process knows; what it puts below lowers it. What another process puts there is
found when a look begins at the start again, five seconds later at most: no timer waits longer than that.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

RESCAN_SECONDS = 5.0
ANYWHERE = datetime.min.replace(tzinfo=UTC)
NOWHERE = datetime.max.replace(tzinfo=UTC)


class Look:
    """One look for the earliest timer, from `began` on. `lowest`: what was committed meanwhile, which it may be too early to see."""

    def __init__(self, lanes: Collection[int] | None, began: datetime) -> None:
        self.lanes, self.began, self.lowest = None if lanes is None else frozenset(lanes), began, NOWHERE


class Watermark:
    """One process's, for the lanes that are its own at the moment. Without lanes (None: all of them) a look begins at the start."""

    def __init__(self) -> None:
        self._lanes: frozenset[int] | None = None
        self._at, self._claimed_until, self._ends = ANYWHERE, ANYWHERE, 0.0
        self._looks = set[Look]()

    def begin(self, lanes: Collection[int] | None) -> datetime:
        """Where a look on these lanes begins."""
        known = lanes is not None and frozenset(lanes) == self._lanes and asyncio.get_running_loop().time() < self._ends
        return self._at if known else ANYWHERE

    def claiming(self, lanes: Collection[int] | None, now: datetime) -> datetime:
        """The same, for a claim of what is due until `now`."""
        self._claimed_until = now
        return self.begin(lanes)

    @contextmanager
    def looking(self, lanes: Collection[int] | None) -> Iterator[Look]:
        """A look for the earliest timer, claimed by somebody or not; what is put below meanwhile is not forgotten by `rise`."""
        look = Look(lanes, self.begin(lanes))
        self._looks.add(look)
        try:
            yield look
        finally:
            self._looks.remove(look)

    def rise(self, look: Look, earliest: datetime | None) -> None:
        """`look` found `earliest` (None: no timer). Never above the instant up to which timers were last claimed: others may be put
        before the next one.
        """
        if look.lanes is None or (look.began != ANYWHERE and look.lanes != self._lanes):
            return
        if look.began == ANYWHERE:
            self._lanes, self._ends = look.lanes, asyncio.get_running_loop().time() + RESCAN_SECONDS
        self._at = min(self._claimed_until, look.lowest, earliest or NOWHERE)

    def put(self, at: datetime) -> None:
        """A timer of this process is committed (ANYWHERE: some, wherever)."""
        self._at = min(self._at, at)
        for look in self._looks:
            look.lowest = min(look.lowest, at)
