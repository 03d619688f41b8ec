"""The outbox in PostgreSQL: the events of one transaction for one topic and lane in one row, packed in their order.

A row for each event cost more than deciding it. The SQL stands here; who sends what waits is the relay.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import astuple

from paycue.bus.envelope import Pending
from paycue.bus.topics import topics
from paycue.db.engine import Connection

Packed = tuple[bytes, str, str, datetime, str | None, bytes]
"""An event without its topic and lane, which are the row's."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Packed]).decode


def columns(events: Sequence[Pending]) -> tuple[list[str], list[int], list[bool], list[int], list[bytes]]:
    """The rows of a transaction's events, column by column, as the function `saved` takes them."""
    rows: dict[tuple[str, int], list[Packed]] = {}
    for event in events:
        topic, lane, *packed = astuple(event)
        rows.setdefault((topic, lane), []).append(tuple(packed))
    return (
        [topic for topic, _ in rows],
        [lane for _, lane in rows],
        [topics()[topic].beats for topic, _ in rows],
        [len(packed) for packed in rows.values()],
        [_encode(packed) for packed in rows.values()],
    )


async def first(connection: Connection, schema: str, which: str, most: int) -> list[tuple[int, Pending]]:
    """The first events of the rows that are `urgent` or `not urgent`, with their row's number: `most`, and the rest of the last row."""
    rows = await connection.fetch(
        f"""select id, topic, lane, events from (
                select id, topic, lane, events, sum(count) over (order by id) - count as before
                from (select * from {schema}.outbox where {which} order by id limit $1) o) w
            where before < $1 order by id""",
        most,
    )
    return [(row[0], Pending(row[1], row[2], *event)) for row in rows for event in _decode(row[3])]


async def delete(connection: Connection, schema: str, numbers: Sequence[int]) -> None:
    """Forget rows whose events the bus has acknowledged."""
    await connection.execute(f"delete from {schema}.outbox where id = any($1::bigint[])", list(dict.fromkeys(numbers)))
