"""What a memory store keeps for one service, whatever that is: tables as dictionaries, numbers that only grow, and locks by name.

The tables outlive every process that works on them. Only a commit changes them, and it is one instant.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Hashable
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from paycue.bus.watermark import ANYWHERE

LOCK_SECONDS = 1.0
"""How long a transaction waits for another's lock, as on PostgreSQL."""
GONE: Any = object()
"""Stands in a transaction's changes for what it deletes."""

Changes = dict[str, dict[Any, Any]]
"""Table -> key -> value, or GONE."""


class AccountRow(msgspec.Struct, frozen=True):
    """A row of the account table."""

    lane: int
    doc: bytes
    next_action_at: datetime | None = None
    parked_at: datetime | None = None
    version: int = 0


class Tables:
    """One service's tables: `account`, `inbox`, `outbox`, `lane`, `letter`, `parked`, `directory`, and those its rows name."""

    def __init__(self) -> None:
        self.tables: defaultdict[str, dict[Any, Any]] = defaultdict(dict)
        self.locks = Locks()
        self.relay: object | None = None
        """Who holds the relay's lock, and has said something at `relay_spoke`, of the loop's clock."""
        self.relay_spoke = 0.0
        self.watchers: list[Callable[[Changes], None]] = []
        """Told of every commit, at its instant."""
        self._numbers: Counter[str] = Counter()

    def next_number(self, sequence: str) -> int:
        """Given out for good, whether or not its transaction commits."""
        self._numbers[sequence] += 1
        return self._numbers[sequence]

    def earliest(self, lanes: Collection[int] | None = None, floor: datetime = ANYWHERE) -> datetime | None:
        """The earliest timer of an account that is not parked, on these lanes (None: on all), not before `floor`."""
        rows = [row for row in self.tables["account"].values() if row.parked_at is None and (lanes is None or row.lane in lanes)]
        return min((at for row in rows if (at := row.next_action_at) is not None and at >= floor), default=None)

    def apply(self, changes: Changes) -> None:
        """Commit."""
        for name, changed in changes.items():
            table = self.tables[name]
            for key, value in changed.items():
                if value is GONE:
                    table.pop(key, None)
                else:
                    table[key] = value
        for watcher in self.watchers:
            watcher(changes)


class Locks:
    """Exclusive locks, each given to whoever has waited longest; and shared ones, which nobody waits for."""

    def __init__(self) -> None:
        self._holders: dict[Hashable, object] = {}
        self._sharers: defaultdict[Hashable, dict[object, None]] = defaultdict(dict)
        self._held: defaultdict[object, dict[Hashable, None]] = defaultdict(dict)
        self._waiting: defaultdict[Hashable, deque[tuple[asyncio.Future[None], object]]] = defaultdict(deque)

    def free(self, name: Hashable, owner: object) -> bool:
        """Whether nobody but `owner` has a part in it."""
        return self._holders.get(name, owner) is owner and not any(sharer is not owner for sharer in self._sharers.get(name, ()))

    def take(self, name: Hashable, owner: object) -> None:
        """Take what is free."""
        self._holders[name] = owner
        self._held[owner][name] = None

    def share(self, name: Hashable, owner: object) -> bool:
        """Take a share unless somebody else holds it, or waits to; whether that was so."""
        if self._holders.get(name, owner) is not owner or self._waiting.get(name):
            return False
        self._sharers[name][owner] = None
        self._held[owner][name] = None
        return True

    async def acquire(self, name: Hashable, owner: object) -> None:
        """Raises LockNotAvailableError when it is not given in time."""
        if self.free(name, owner):
            return self.take(name, owner)
        given = asyncio.get_running_loop().create_future()
        self._waiting[name].append((given, owner))
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                await given
        except TimeoutError:
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout") from None
        finally:
            if not given.done() or given.cancelled():
                self._waiting[name] = deque(one for one in self._waiting[name] if one[0] is not given)

    def release(self, owner: object) -> None:
        """Everything that `owner` has a part in goes to the next in line."""
        for name in self._held.pop(owner, {}):
            self._sharers[name].pop(owner, None)
            if self._holders.get(name) is owner:
                del self._holders[name]
            self._hand_on(name)

    def _hand_on(self, name: Hashable) -> None:
        line = self._waiting[name]
        while line and (line[0][0].done() or self.free(name, line[0][1])):
            given, other = line.popleft()
            if not given.done():
                self.take(name, other)
                given.set_result(None)
        for table in (self._waiting, self._sharers):
            if not table.get(name):
                table.pop(name, None)
