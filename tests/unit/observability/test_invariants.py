"""An invariant that returns rows is reported with its sentence and the first rows."""

from collections.abc import Sequence

from paycue.observability.invariants import Invariant, Violation, violated

POSITIVE = Invariant("No invoice has less than nothing open.", "select 1 where open < 0")
UNIQUE = Invariant("No reminder was sent twice.", "select 2")


class Rows:
    """A connection that knows the answers."""

    def __init__(self, answers: dict[str, Sequence[object]]) -> None:
        self.answers = answers

    async def fetch(self, query: str, *, timeout: float | None = None) -> Sequence[object]:
        return self.answers.get(query, ())


async def test_an_invariant_that_holds_is_not_reported() -> None:
    assert await violated(Rows({POSITIVE.sql: [], UNIQUE.sql: []}), [POSITIVE, UNIQUE]) == []


async def test_a_violation_counts_all_rows_and_shows_twenty() -> None:
    found = await violated(Rows({POSITIVE.sql: [], UNIQUE.sql: list(range(30))}), [POSITIVE, UNIQUE])
    assert found == [Violation(UNIQUE, 30, tuple(str(n) for n in range(20)))]
