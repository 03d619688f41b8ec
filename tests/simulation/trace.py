"""What happened, in order: hashed always, written down when somebody wants to read it. Violations are part of it."""

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """An invariant of reliability.md that does not hold, and what shows it."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


class Trace:
    """`tell` hears each line as it happens."""

    def __init__(self, now: Callable[[], datetime], tell: Callable[[str], None] | None = None) -> None:
        self._now, self._tell, self._hash = now, tell, hashlib.blake2b(digest_size=16)
        self.place = 0
        """Counts what happened: of two things the later one has the higher place."""
        self.counts = Counter[str]()
        self.violations: list[Violation] = []

    def add(self, what: str, details: str) -> int:
        """Something happened now; its place."""
        self.place += 1
        self.counts[what] += 1
        line = f"{self._now().isoformat(' ', 'milliseconds')[:-6]} {what:<10} {details}"
        self._hash.update(line.encode() + b"\n")
        if self._tell is not None:
            self._tell(line)
        return self.place

    def violated(self, invariant: str, what: str) -> None:
        """Once for each; the simulation goes on to its end."""
        violation = Violation(invariant, what)
        if violation not in self.violations:
            self.violations.append(violation)
            self.add("VIOLATION", str(violation))

    @property
    def digest(self) -> str:
        """The same for the same seed, wherever it ran."""
        return self._hash.hexdigest()
