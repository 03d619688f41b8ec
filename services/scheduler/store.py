"""The scheduler's tables and all of its SQL: decisions, outcomes, pauses, and the policies of each creditor.

Policies are versions whose content never changes; the one in force is the last one published. Lists are read in the order of their
keys: `after` is the last key of the page before.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from paycue.bus.batch import Input
from paycue.bus.directory import Creditor, creditor_of
from paycue.bus.store import References, Unit
from paycue.db.accounts import AccountStore
from paycue.db.bulk import RowTable
from paycue.db.engine import Connection
from services.scheduler.domain.account import Account
from services.scheduler.domain.policy import Policy
from services.scheduler.domain.rows import Decided, Outcome, PauseNoted
from services.scheduler.domain.standing import Standing
from services.scheduler.settings import SchedulerSettings

SCHEMA = "scheduler"

STORE = AccountStore(
    SCHEMA,
    Account,
    {Decided: RowTable("decision", copied=True), Outcome: RowTable("outcome"), PauseNoted: RowTable("pause")},
)


def references(settings: SchedulerSettings) -> References:
    """A creditor's standing: its zone, its go-live, whether it is suspended, and the policy in force."""

    async def of(unit: Unit, tenants: Sequence[str], inputs: Sequence[Input]) -> dict[str, Any]:
        return await standings(unit.tx, tenants)

    return of


class PolicyRow(msgspec.Struct, frozen=True):
    """A published version. `published` counts publications over all creditors: the highest of a creditor is in force."""

    policy: Policy
    published: int
    published_at: datetime
    in_force: bool


class AccountRow(msgspec.Struct, frozen=True):
    """An account as it is kept. Its timer stands beside the document too, and may be earlier there: a new policy asks all again."""

    account_id: str
    next_action_at: datetime | None
    parked_at: datetime | None
    state: Account


_account = msgspec.msgpack.Decoder(Account).decode


@lru_cache(maxsize=4096)
def _policy(doc: bytes) -> Policy:
    """Decoded once per version: what follows from a policy alone is worked out once."""
    return msgspec.msgpack.decode(doc, type=Policy)


async def standings(tx: Connection, tenants: Sequence[str]) -> dict[str, Standing]:
    """Each tenant's standing: its creditor, if it is registered, and the policy that was published last, if any was."""
    rows = await tx.fetch(
        f"""select t.tenant_id, d.doc, p.doc from unnest($1::text[]) as t(tenant_id)
            left join {SCHEMA}.directory d on d.id = 'creditor:' || t.tenant_id left join lateral (
                select doc from {SCHEMA}.policy p where p.tenant_id = t.tenant_id order by p.published desc limit 1) p on true""",
        list(tenants),
    )
    return {row[0]: _standing(row[1], row[2]) for row in rows}


def _standing(creditor: bytes | None, policy: bytes | None) -> Standing:
    return standing_of(creditor_of(creditor) if creditor else None, _policy(policy) if policy else None)


def standing_of(creditor: Creditor | None, policy: Policy | None) -> Standing:
    """What accounts of a creditor go by; of one that is not registered, the policy alone."""
    if creditor is None:
        return Standing(policy)
    return Standing(policy, creditor.zone, creditor.live_from, creditor.live_until, creditor.suspended)


async def lock_policies(tx: Connection, tenant: str) -> None:
    """One publication of a creditor at a time: two that carry the same version must not both find it missing."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"{SCHEMA}.policy:{tenant}")


async def publish_policy(unit: Unit, tenant: str, policy: Policy, now: datetime) -> bool:
    """Put a policy in force and ask every account again; False when exactly this one is in force already.

    Raises ValueError when its version is known with other content.
    """
    tx = unit.tx
    await lock_policies(tx, tenant)
    known = await policy_version(tx, tenant, policy.name, policy.version)
    if known is not None and known.policy != policy:
        raise ValueError(f"version {policy.version} of policy {policy.name!r} has other content; give the changed policy a new version")
    if known is not None and known.in_force:
        return False
    await tx.execute(
        f"""insert into {SCHEMA}.policy (tenant_id, name, version, doc, published_at) values ($1, $2, $3, $4, $5)
            on conflict (tenant_id, name, version) do update set published = default, published_at = excluded.published_at""",
        *(tenant, policy.name, policy.version, msgspec.msgpack.encode(policy), now),
    )
    await unit.wake_tenant(tenant, now)
    return True


async def policy_version(tx: Connection, tenant: str, name: str, version: int | None = None) -> PolicyRow | None:
    """A policy's version, or the one of that name that was published last; None when there is none."""
    row = await tx.fetchrow(
        f"""select doc, published, published_at, published = (select max(published) from {SCHEMA}.policy where tenant_id = $1) as in_force
            from {SCHEMA}.policy where tenant_id = $1 and name = $2 and ($3::bigint is null or version = $3)
            order by published desc limit 1""",
        *(tenant, name, version),
    )
    return None if row is None else _policy_row(row)


async def policies(tx: Connection, tenant: str, after: tuple[int] | None, limit: int) -> list[PolicyRow]:
    """Published policies of a creditor, the one in force first."""
    rows = await tx.fetch(
        f"""select doc, published, published_at, published = (select max(published) from {SCHEMA}.policy where tenant_id = $1) as in_force
            from {SCHEMA}.policy where tenant_id = $1 and ($2::bigint is null or published < $2) order by published desc limit $3""",
        *(tenant, after[0] if after else None, limit),
    )
    return [_policy_row(row) for row in rows]


def _policy_row(row: Any) -> PolicyRow:
    return PolicyRow(_policy(row["doc"]), row["published"], row["published_at"], row["in_force"])


async def accounts(connection: Connection, tenant: str, after: tuple[str] | None, limit: int) -> list[AccountRow]:
    """Accounts of a creditor by id; a connection outside a transaction will do, for the function names its creditor itself."""
    sql = f"select account_id, next_action_at, parked_at, doc from {SCHEMA}.accounts_after($1, $2, $3)"
    return [_account_row(row) for row in await connection.fetch(sql, tenant, after[0] if after else "", limit)]


async def account(tx: Connection, tenant: str, account_id: str) -> AccountRow | None:
    """One account; None when nothing of it has come."""
    row = await tx.fetchrow(
        f"select account_id, next_action_at, parked_at, doc from {SCHEMA}.account where tenant_id = $1 and account_id = $2",
        *(tenant, account_id),
    )
    return None if row is None else _account_row(row)


async def account_in_standing(connection: Connection, tenant: str, account_id: str) -> tuple[AccountRow, Standing] | None:
    """One account and its creditor's standing, seen at one moment; None when nothing of the account has come. As with `accounts`, a
    connection outside a transaction will do.
    """
    sql = f"select account_id, next_action_at, parked_at, doc, creditor, policy from {SCHEMA}.account_in_standing($1, $2)"
    row = await connection.fetchrow(sql, tenant, account_id)
    return None if row is None else (_account_row(row), _standing(row["creditor"], row["policy"]))


def _account_row(row: Any) -> AccountRow:
    return AccountRow(row["account_id"], row["next_action_at"], row["parked_at"], _account(row["doc"]))


async def decisions(tx: Connection, tenant: str, after: tuple[str, int] | None, limit: int) -> list[Any]:
    """Decisions of a creditor, account by account in the order they were taken: by (account_id, seq)."""
    return await tx.fetch(
        f"""select * from {SCHEMA}.decision where tenant_id = $1 and ($2::text is null or (account_id, seq) > ($2, $3::bigint))
            order by account_id, seq limit $4""",
        *(tenant, *(after or (None, None)), limit),
    )


async def last_decisions(tx: Connection, tenant: str, account_id: str, invoice_id: str | None, limit: int) -> list[Any]:
    """The decision that stands for each step of an account's invoices, the latest first.

    Where an invoice was covered without a step of its own, each day of contact stands for itself.
    """
    own_day = """case when step = '' then "on" end"""
    return await tx.fetch(
        f"""select * from (
                select distinct on (invoice_id, step, {own_day}) * from {SCHEMA}.decision
                where tenant_id = $1 and account_id = $2 and ($3::text is null or invoice_id = $3)
                order by invoice_id, step, {own_day}, seq desc) d
            order by seq desc limit $4""",
        *(tenant, account_id, invoice_id, limit),
    )


async def last_outcomes(tx: Connection, tenant: str, account_id: str, reminder_ids: Sequence[str]) -> dict[str, Any]:
    """What was heard last of reminders of an account, by reminder; one that was simply sent is not among them."""
    rows = await tx.fetch(
        f"""select distinct on (reminder_id) * from {SCHEMA}.outcome
            where tenant_id = $1 and account_id = $2 and reminder_id = any($3::text[]) order by reminder_id, id desc""",
        *(tenant, account_id, list(reminder_ids)),
    )
    return {row["reminder_id"]: row for row in rows}


_TIMELINE = (("pause", "id"), ("decision", "seq"), ("outcome", "id"))
"""What makes up a timeline, in the order that counts at one instant, and what numbers its rows."""


async def timeline(tx: Connection, tenant: str, account_id: str, after: tuple[datetime, int, int] | None, limit: int) -> list[Any]:
    """Pauses, decisions and outcomes of an account in one order, (at, place, number); `place` tells which it is: 0, 1 or 2."""
    found: list[Any] = []
    for place, (table, number) in enumerate(_TIMELINE):
        found += await tx.fetch(
            f"""select *, {place}::bigint as place, {number} as number from {SCHEMA}.{table} where tenant_id = $1 and account_id = $2
                  and ($3::timestamptz is null or (at, {place}::bigint, {number}) > ($3, $4::bigint, $5::bigint))
                order by at, {number} limit $6""",
            *(tenant, account_id, *(after or (None, None, None)), limit),
        )
    found.sort(key=lambda row: (row["at"], row["place"], row["number"]))
    return found[:limit]
