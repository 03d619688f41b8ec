"""The one aggregate of a service: a row per account with its packed document, loaded and saved by the batch.

Loading locks the rows in the order of their keys, the one lock order of the house; saving touches only what changed.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from paycue.db.bulk import Owned, RowTable, write_rows
from paycue.db.engine import Connection
from paycue.receipt import Receipt

Key = tuple[str, str]
"""(tenant, account)."""
_SEPARATOR = "\x1f"
_KEYS = "unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31))) as k(tenant_id, account_id)"

Pins = Callable[[Collection[str]], Sequence[str]]


class Loaded(msgspec.Struct):
    """An account under lock: its lane, whether it is parked, and its state before the batch."""

    lane: int
    parked: bool
    state: Any


def _pins_nothing(tenants: Collection[str]) -> Sequence[str]:
    return ()


class AccountStore:
    """Loads, saves and claims the accounts of one service's schema.

    `state` is the document's struct, whose defaults are the empty account; `rows` says where Decision.rows go. `knows`: event types, by
    their full names, of which the document itself knows those it has folded; the inbox keeps no ids of theirs. `pins`: the entries of
    the directory that every batch of these tenants asks for, so that they come with its accounts.
    """

    def __init__(
        self, schema: str, state: type, rows: dict[type, RowTable], knows: Collection[str] = (), pins: Pins = _pins_nothing
    ) -> None:
        self.knows, self.pins = frozenset(knows), pins
        self.schema, self.rows = schema, {Receipt: RowTable("stop_receipt", key=("stop_id", "kind"), on_conflict="nothing"), **rows}
        self.empty = state()
        self.encode = msgspec.msgpack.Encoder().encode
        self.decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(state).decode

    async def load(
        self, tx: Connection, wanted: Iterable[Key], lane_of: Callable[[Key], int], locked: dict[Key, Loaded] | None = None
    ) -> dict[Key, Loaded]:
        """Lock the accounts wanted, in key order, creating what is missing on the lane that `lane_of` gives it.

        `locked`: those of them that are there, when this transaction has locked them already.
        """
        keys = sorted(wanted)
        found = await self._lock(tx, keys) if locked is None else {key: locked[key] for key in keys if key in locked}
        if missing := [key for key in keys if key not in found]:
            lanes = {key: lane_of(key) for key in missing}
            created = await self._insert(tx, missing, lanes)
            found |= {key: Loaded(lanes[key], False, self.empty) for key in created}
            found |= await self._lock(tx, [key for key in missing if key not in created])
        return found

    async def _lock(self, tx: Connection, keys: Sequence[Key]) -> dict[Key, Loaded]:
        if not keys:
            return {}
        return self.locked(keys, await tx.fetch(f"select n, lane, parked, doc from {self.schema}.locked($1, $2)", *joined(keys)))

    def locked(self, keys: Sequence[Key], rows: Iterable[Any]) -> dict[Key, Loaded]:
        """The accounts of rows of the function `locked`, which counts `keys` from 1."""
        decode = self.decode
        return {keys[n - 1]: Loaded(lane, parked, decode(doc)) for n, lane, parked, doc in rows}

    async def _insert(self, tx: Connection, keys: Sequence[Key], lanes: dict[Key, int]) -> set[Key]:
        rows = await tx.fetch(
            f"""insert into {self.schema}.account (tenant_id, account_id, lane, doc)
                select *, $4::bytea from unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), $3::integer[])
                on conflict do nothing returning tenant_id, account_id""",
            *joined(keys),
            [lanes[key] for key in keys],
            self.encode(self.empty),
        )
        return {(r[0], r[1]) for r in rows}

    def documents(self, states: dict[Key, Any]) -> tuple[str, str, list[datetime | None], list[bytes]]:
        """Changed documents with their timers, as the function `saved` takes them."""
        nexts = [state.next_action_at for state in states.values()]
        return *joined(states), nexts, [self.encode(state) for state in states.values()]

    async def write(self, tx: Connection, rows: Iterable[Owned]) -> None:
        """Write the rows that decisions made. Every row belongs to an account of the batch."""
        await write_rows(tx, self.schema, self.rows, rows)

    async def claim_due(
        self, tx: Connection, now: datetime, most: int, lanes: Collection[int] | None = None, floor: datetime | None = None
    ) -> list[Key]:
        """Lock up to `most` accounts whose timer is due, skipping those another transaction holds, and timers before `floor`."""
        sql = f"select tenant_id, account_id from {self.schema}.claim_due($1, $2, $3, coalesce($4::timestamptz, '-infinity'))"
        return [(row[0], row[1]) for row in await tx.fetch(sql, now, most, _numbers(lanes), floor)]

    async def next_due(self, tx: Connection, lanes: Collection[int] | None = None, floor: datetime | None = None) -> datetime | None:
        """The earliest timer of all tenants, on these lanes (None: on all) and not before `floor`; None when there is none."""
        sql = f"select {self.schema}.next_due($1, coalesce($2::timestamptz, '-infinity'))"
        at: datetime | None = await tx.fetchval(sql, _numbers(lanes), floor)
        return at

    async def read(self, tx: Connection, tenant: str, account: str) -> Any | None:
        """An account's state without a lock; None when it is not known."""
        doc = await tx.fetchval(f"select doc from {self.schema}.account where tenant_id = $1 and account_id = $2", tenant, account)
        return None if doc is None else self.decode(doc)

    async def park(self, tx: Connection, keys: Sequence[Key], now: datetime | None) -> None:
        """Park accounts (`now`), or let them go on (None)."""
        await tx.execute(
            f"""update {self.schema}.account a set parked_at = $3 from {_KEYS}
                where a.tenant_id = k.tenant_id and a.account_id = k.account_id""",
            *joined(keys),
            now,
        )

    async def wake_tenant(self, tx: Connection, tenant: str, now: datetime) -> None:
        """Ask every account of a tenant again: its policy or its creditor changed."""
        await tx.execute(
            f"update {self.schema}.account set next_action_at = least(coalesce(next_action_at, $2), $2) where tenant_id = $1", tenant, now
        )


def joined(keys: Iterable[Key]) -> tuple[str, str]:
    """Tenants and accounts as one text each: neither holds a control character, and asyncpg asks about each element of an array."""
    pairs = list(keys)
    return _SEPARATOR.join([tenant for tenant, _ in pairs]), _SEPARATOR.join([account for _, account in pairs])


def _numbers(lanes: Collection[int] | None) -> list[int] | None:
    return None if lanes is None else list(lanes)
