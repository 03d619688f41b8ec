"""A line of the table: what was measured, beside what, the ratio, and what it ought to be."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import median, number


@dataclass(frozen=True)
class Bar:
    """What a ratio must reach at first, and where it is to go; `most` says that lower is better."""

    first: float
    goal: float
    most: bool = False

    def verdict(self, ratio: float) -> str:
        if self._reached(ratio, self.goal):
            return "goal"
        return "first bar" if self._reached(ratio, self.first) else "not yet"

    def _reached(self, ratio: float, wanted: float) -> bool:
        return ratio <= wanted if self.most else ratio >= wanted

    @property
    def cells(self) -> list[str]:
        return [f"{'<=' if self.most else '>='} {wanted:g}" for wanted in (self.first, self.goal)]


def at_least(first: float, goal: float) -> Bar:
    return Bar(first, goal)


def at_most(first: float, goal: float) -> Bar:
    return Bar(first, goal, most=True)


@dataclass(frozen=True)
class Line:
    """`said`: the figures of ours and of what stands beside it, as text. Without a bar a line only tells."""

    row: str
    what: str
    said: Sequence[str]
    ratios: Sequence[float] = ()
    bar: Bar | None = None

    @property
    def cells(self) -> list[str]:
        """The line's cells, as text."""
        ours, theirs = self.said
        if not self.ratios:
            return [self.row, self.what, ours, theirs, "", "", "", ""]
        bars = [*self.bar.cells, self.bar.verdict(median(self.ratios))] if self.bar else ["", "", ""]
        return [self.row, self.what, ours, theirs, _ratio(self.ratios), *bars]


HEADS = ["", "what", "paycue", "beside", "ratio", "first bar", "goal", "reached"]


def _ratio(ratios: Sequence[float]) -> str:
    middle = number(median(ratios))
    return middle if len(ratios) == 1 else f"{middle} [{number(min(ratios))}..{number(max(ratios))}]"
