"""How much is taken at once: little after a rest, for the first of a storm are to leave soon, then twice as much each time."""

from collections.abc import Callable

_FIRST = 250


class Ramp:
    """`most()` is the limit of the moment."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most, self._next, self._asked = most, _FIRST, 0

    def ask(self) -> int:
        """How many to ask for now."""
        self._asked = min(self._next, self._most())
        return self._asked

    def came(self, count: int) -> int:
        """So many came of it; returned as they are. None: that was a rest."""
        self._next = 2 * self._asked if count else _FIRST
        return count
