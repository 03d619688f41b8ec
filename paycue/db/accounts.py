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
_KEYS = "unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31))) with ordinality as k(tenant_id, account_id{})"


class Loaded(msgspec.Struct):
    """An account under lock: its lane, whether it is parked, and its state before the batch."""

    lane: int
    parked: bool
    state: Any


class AccountStore:
    """Loads, saves and claims the accounts of one service's schema.

    `state` is the document's struct, whose defaults are the empty account; `rows` says where Decision.rows go. `knows`: event types, by
    their full names, of which the document itself knows those it has folded; the inbox keeps no ids of theirs.
    """

    def __init__(self, schema: str, state: type, rows: dict[type, RowTable], knows: Collection[str] = ()) -> None:
        self.knows = frozenset(knows)
        self.schema, self.rows = schema, {Receipt: RowTable("stop_receipt", key=("stop_id", "kind"), on_conflict="nothing"), **rows}
        self.empty = state()
        self.encode = msgspec.msgpack.Encoder().encode
        self.decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(state).decode

    async def load(self, tx: Connection, wanted: Iterable[Key], lane_of: Callable[[Key], int]) -> dict[Key, Loaded]:
        """Lock the accounts wanted, in key order, creating what is missing on the lane that `lane_of` gives it."""
        keys = sorted(wanted)
        found = await self._lock(tx, keys)
        if missing := [key for key in keys if key not in found]:
            lanes = {key: lane_of(key) for key in missing}
            created = await self._insert(tx, missing, lanes)
            found |= {key: Loaded(lanes[key], False, self.empty) for key in created}
            found |= await self._lock(tx, [key for key in missing if key not in created])
        return found

    async def _lock(self, tx: Connection, keys: Sequence[Key]) -> dict[Key, Loaded]:
        if not keys:
            return {}
        rows = await tx.fetch(
            f"""select k.n, a.lane, a.parked_at is not null as parked, a.doc
                from {_KEYS.format(", n")}
                join {self.schema}.account a on a.tenant_id = k.tenant_id and a.account_id = k.account_id
                order by k.n for update of a""",
            *_joined(keys),
        )
        decode = self.decode
        return {keys[n - 1]: Loaded(lane, parked, decode(doc)) for n, lane, parked, doc in rows}

    async def _insert(self, tx: Connection, keys: Sequence[Key], lanes: dict[Key, int]) -> set[Key]:
        rows = await tx.fetch(
            f"""insert into {self.schema}.account (tenant_id, account_id, lane, doc)
                select *, $4::bytea from unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), $3::integer[])
                on conflict do nothing returning tenant_id, account_id""",
            *_joined(keys),
            [lanes[key] for key in keys],
            self.encode(self.empty),
        )
        return {(r[0], r[1]) for r in rows}

    async def save(self, tx: Connection, states: dict[Key, Any], rows: Iterable[Owned]) -> None:
        """Write changed documents and the rows their decisions made. Every row belongs to an account of the batch."""
        if states:
            await tx.execute(
                f"""update {self.schema}.account a set next_action_at = u.next, doc = u.doc, version = a.version + 1
                    from unnest(string_to_array($1, chr(31)), string_to_array($2, chr(31)), $3::timestamptz[], $4::bytea[])
                        as u(tenant_id, account_id, next, doc)
                    where a.tenant_id = u.tenant_id and a.account_id = u.account_id""",
                *_joined(states),
                [state.next_action_at for state in states.values()],
                [self.encode(state) for state in states.values()],
            )
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
            f"""update {self.schema}.account a set parked_at = $3 from {_KEYS.format("")}
                where a.tenant_id = k.tenant_id and a.account_id = k.account_id""",
            *_joined(keys),
            now,
        )

    async def wake_tenant(self, tx: Connection, tenant: str, now: datetime) -> None:
        """Ask every account of a tenant again: its policy or its creditor changed."""
        await tx.execute(
            f"update {self.schema}.account set next_action_at = least(coalesce(next_action_at, $2), $2) where tenant_id = $1", tenant, now
        )


def _joined(keys: Iterable[Key]) -> tuple[str, str]:
    """Tenants and accounts as one text each: neither holds a control character, and asyncpg asks about each element of an array."""
    tenants, accounts = zip(*keys, strict=True)
    return _SEPARATOR.join(tenants), _SEPARATOR.join(accounts)


def _numbers(lanes: Collection[int] | None) -> list[int] | None:
    return None if lanes is None else list(lanes)
