"""What stands before the decisions of a lane's batch, in one round trip: its lanes, its ids, what it pins and its accounts.

Everything is locked in the order in which it would be asked for one by one. What was not foreseen is asked for when it is wanted.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from paycue.bus.envelope import Envelope
from paycue.bus.flow import TopicPartition
from paycue.bus.inbox import Run
from paycue.db.accounts import AccountStore, Key, Loaded, joined
from paycue.db.engine import Connection


class Opening(msgspec.Struct):
    """What was foreseen, and what was found; accounts that are not there yet are not among them."""

    run: Run
    written: bytes
    pins: frozenset[str]
    entries: dict[str, bytes | None]
    keys: frozenset[Key]
    accounts: dict[Key, Loaded]


async def open_batch(
    tx: Connection,
    store: AccountStore,
    consumer: str,
    ends: dict[TopicPartition, int],
    envelopes: Iterable[Envelope],
    keys: Collection[Key],
) -> Opening:
    """Lock the lanes of a batch and all that it will ask for next."""
    lanes, wanted = sorted(ends), sorted(keys)
    run, pins = Run([one for one in envelopes if one.type not in store.knows]), store.pins({tenant for tenant, _ in keys})
    rows = await tx.fetch(
        f"select what, n, lane, parked, doc from {store.schema}.opened($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(consumer, [topic for topic, _ in lanes], [partition for _, partition in lanes], [ends[tp] for tp in lanes]),
        *(*run.columns(), pins, *joined(wanted)),
    )
    entries = {pins[n - 1]: doc for what, n, _, _, doc in rows if what == "entry"}
    accounts = store.locked(wanted, [row[1:] for row in rows if row[0] == "account"])
    return Opening(run, _written(rows), frozenset(pins), entries, frozenset(keys), accounts)


def _written(rows: Sequence[Any]) -> bytes:
    (claimed,) = [row[4] for row in rows if row[0] == "claimed"]
    return bytes(claimed)
