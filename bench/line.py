"""A line of the table: what was measured, beside what, the ratio, and what it ought to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.figures import median, number


@dataclass(frozen=True)
class Line:
    """`at_least` or `at_most` says which way the bars count; without a ratio a line only tells."""

    row: str
    what: str
    ours: str
    theirs: str
    ratios: tuple[float, ...] = ()
    way: Literal["at_least", "at_most"] = "at_least"
    bar: float | None = None
    goal: float | None = None

    @property
    def ratio(self) -> float | None:
        return median(self.ratios) if self.ratios else None

    @property
    def verdict(self) -> str:
        """Whether the first bar and the goal are reached."""
        if self.ratio is None or self.bar is None:
            return ""
        if self._reaches(self.goal):
            return "goal"
        return "first bar" if self._reaches(self.bar) else "not yet"

    def _reaches(self, wanted: float | None) -> bool:
        if wanted is None or self.ratio is None:
            return False
        return self.ratio >= wanted if self.way == "at_least" else self.ratio <= wanted

    @property
    def cells(self) -> list[str]:
        """The line's cells, as text."""
        sign = ">=" if self.way == "at_least" else "<="
        bars = [f"{sign} {number(wanted)}" if wanted is not None else "" for wanted in (self.bar, self.goal)]
        return [self.row, self.what, self.ours, self.theirs, _ratio(self.ratios), *bars, self.verdict]


HEADS = ["", "what", "paycue", "beside", "ratio", "first bar", "goal", "reached"]


def _ratio(ratios: Sequence[float]) -> str:
    if not ratios:
        return ""
    middle = number(median(ratios))
    return middle if len(ratios) == 1 else f"{middle} [{number(min(ratios))}..{number(max(ratios))}]"
