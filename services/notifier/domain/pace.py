"""How fast claims may be made: a second's worth of each channel's capacity, less what is still in flight.

A kill turns every claim in flight into an unknown call, so there must never be more of them than the channel soon takes. It
reads no clock: seconds of any steady one are told to it.
"""


class Pace:
    """One channel's allowance: `rate` claims a second, as many at once after a quiet second."""

    def __init__(self, rate: int, now: float) -> None:
        self._rate, self._left, self._at = rate, float(rate), now
        self.open = 0
        """Claims whose outcome is not recorded yet."""

    def room(self, now: float) -> int:
        """Claims that may be made now; none while earlier ones are to be made up for."""
        self._left = min(float(self._rate), self._left + (now - self._at) * self._rate)
        self._at = now
        return max(0, min(int(self._left), self._rate - self.open))

    def begin(self, count: int = 1) -> None:
        """Claims were made. There may be one too many, for an account may have several messages: the next ones wait longer."""
        self._left -= count
        self.open += count

    def end(self, count: int = 1) -> None:
        """The outcomes of claims are recorded."""
        self.open -= count
