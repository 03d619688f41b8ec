"""A measured run and what is said about several of them: medians, and the spread they came from."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.cpu import Used


@dataclass(frozen=True)
class Run:
    """`count` things done in `seconds` of wall time, with the CPU seconds they cost."""

    count: int
    seconds: float
    used: Used

    @property
    def rate(self) -> float:
        """Things a second."""
        return self.count / self.seconds

    @property
    def each(self) -> Used:
        """CPU microseconds for each thing."""
        return self.used.each(self.count)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """`[lowest..highest]`, in the precision that the values deserve."""
    return f"[{number(min(values))}..{number(max(values))}]"


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def said(what: str, runs: Sequence[Run]) -> str:
    """One line: the rate, and CPU microseconds for each by kind."""
    rates = [run.rate for run in runs]
    python, postgres, broker = (median([getattr(run.each, kind) for run in runs]) for kind in ("python", "postgres", "broker"))
    total = median([run.each.total for run in runs])
    return (
        f"{what}: {number(median(rates))}/s {spread(rates)}, "
        f"CPU us each: Python {python:.0f} + PostgreSQL {postgres:.0f} + broker {broker:.0f} = {total:.0f}"
    )
