"""What must always be true, as SQL that returns no row: asked in production on a schedule and at the end of every end-to-end test.

An invariant only reads. Its sentence is what the person who is woken reads first.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

_SHOWN = 20
_PATIENCE_SECONDS = 600.0
_WHOLE_TABLES = "select " + ", ".join(f"set_config('enable_{plan}', 'on', true)" for plan in ("hashjoin", "mergejoin", "seqscan"))
"""Connections plan for batches, by index alone; of whole tables that would compare each row with each, until nobody waits any more."""


class Invariant(msgspec.Struct, frozen=True):
    """A sentence that is always true, and the query (no semicolon) whose rows prove the contrary."""

    sentence: str
    sql: str


class Violation(msgspec.Struct, frozen=True):
    """An invariant that does not hold: how many rows say so, and the first twenty of them as text."""

    invariant: Invariant
    count: int
    rows: tuple[str, ...]


class Reader(Protocol):
    """As much of an asyncpg connection as is needed here."""

    async def fetch(self, query: str, *, timeout: float | None = None) -> Sequence[object]: ...


async def violated(connection: Reader, invariants: Iterable[Invariant]) -> list[Violation]:
    """The invariants that do not hold for what the connection's transaction may see, in the order given."""
    await connection.fetch(_WHOLE_TABLES)
    found = []
    for invariant in invariants:
        rows = await connection.fetch(invariant.sql, timeout=_PATIENCE_SECONDS)
        if rows:
            found.append(Violation(invariant, len(rows), tuple(str(row) for row in rows[:_SHOWN])))
    return found
