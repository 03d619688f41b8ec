"""The table that a run ends with: a line for each scenario, a line for each path of stops, and the total last."""

from collections.abc import Iterable

from tests.e2e.chaos.judge import RESOLUTIONS, Judgement, Row

_HEAD = ("", "times", "debts", "sent", "refused", "lost", "duplicate", "late", "inversions", "no receipt", "unknown")
_RACES = ("", "races", "sent", "withdrawn", "in flight", "lost", "duplicate", "late", "inversions", "no receipt")


def table(judged: Judgement, drawn: dict[str, int]) -> str:
    """Text for a terminal."""
    scenarios = [_scenario(row, drawn.get(name, "")) for name, row in sorted(judged.scenarios.items())]
    paths = [_path(row) for _, row in sorted(judged.paths.items())]
    total = judged.total
    unknown = ", ".join(f"{total.unknown[how]} {how}" for how in RESOLUTIONS)
    return "\n".join((
        "stops against sends", *_aligned([_RACES, *paths]), "",
        "unknown: " + unknown, "",
        *_aligned([_HEAD, *scenarios, _scenario(total, sum(drawn.values()))]),
    ))  # fmt: skip


def _scenario(row: Row, times: object) -> tuple[object, ...]:
    return (
        *(row.name, times, row.debts, row.sent, row.refused, row.lost, row.duplicate, row.late),
        *(row.inversions, row.unacknowledged, row.unknown.total()),
    )


def _path(row: Row) -> tuple[object, ...]:
    about = (row.name, row.debts, row.sent, row.withdrawn, row.in_flight)
    return (*about, row.lost, row.duplicate, row.late, row.inversions, row.unacknowledged)


def _aligned(rows: list[tuple[object, ...]]) -> Iterable[str]:
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [str(cell).rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join((str(first).ljust(widths[0]), *cells)).rstrip()
