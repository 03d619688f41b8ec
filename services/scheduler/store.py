"""The scheduler's tables and all of its SQL: decisions, outcomes, pauses, and the policies of each creditor.

Policies are versions that are only ever added; the one in force is the last one published.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from paycue.bus.directory import creditors
from paycue.db.accounts import AccountStore, References
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
    {Decided: RowTable("decision"), Outcome: RowTable("outcome"), PauseNoted: RowTable("pause")},
)


def references(settings: SchedulerSettings) -> References:
    """A creditor's standing: its zone, its go-live, whether it is suspended, and the policy in force."""

    async def of(tx: Connection, tenants: Sequence[str]) -> dict[str, Any]:
        known = await creditors(tx, SCHEMA, tenants)
        policies = await policies_in_force(tx, tenants)
        return {tenant: _standing(known.get(tenant), policies.get(tenant)) for tenant in tenants}

    return of


def _standing(creditor: Any, policy: Policy | None) -> Standing:
    if creditor is None:
        return Standing(policy)
    return Standing(policy, creditor.zone, creditor.live_from, creditor.suspended)


@lru_cache(maxsize=4096)
def _policy(doc: bytes) -> Policy:
    """Decoded once per version: what follows from a policy alone is worked out once."""
    return msgspec.msgpack.decode(doc, type=Policy)


async def policies_in_force(tx: Connection, tenants: Sequence[str]) -> dict[str, Policy]:
    """The last published policy of each tenant that has one."""
    rows = await tx.fetch(
        f"""select t.tenant_id, p.doc from unnest($1::text[]) as t(tenant_id) cross join lateral (
            select doc from {SCHEMA}.policy p where p.tenant_id = t.tenant_id order by p.published desc limit 1) p""",
        list(tenants),
    )
    return {row[0]: _policy(row[1]) for row in rows}


async def publish_policy(tx: Connection, tenant: str, policy: Policy, now: datetime) -> bool:
    """Put a policy in force; False when exactly this one is. Raises ValueError when its version exists with other content."""
    doc = msgspec.msgpack.encode(policy)
    known = await tx.fetchval(
        f"select doc from {SCHEMA}.policy where tenant_id = $1 and name = $2 and version = $3", tenant, policy.name, policy.version
    )
    if known is not None and known != doc:
        raise ValueError(f"version {policy.version} of policy {policy.name!r} exists with other content; give the changed policy a new version")
    in_force = (await policies_in_force(tx, [tenant])).get(tenant)
    if in_force == policy:
        return False
    await tx.execute(
        f"""insert into {SCHEMA}.policy (tenant_id, name, version, doc, published_at) values ($1, $2, $3, $4, $5)
            on conflict (tenant_id, name, version) do update set published = default, published_at = excluded.published_at""",
        *(tenant, policy.name, policy.version, doc, now),
    )
    await STORE.wake_tenant(tx, tenant, now)
    return True


async def policies(tx: Connection, tenant: str, after: tuple[int] | None, limit: int) -> list[Any]:
    """Published policies of a creditor, the one in force first."""
    return await tx.fetch(  # type: ignore[no-any-return]
        f"""select * from {SCHEMA}.policy where tenant_id = $1 and ($2::bigint is null or published < $2) order by published desc limit $3""",
        *(tenant, after[0] if after else None, limit),
    )


async def decisions(tx: Connection, tenant: str, account: str | None, after: tuple[str, int] | None, limit: int) -> list[Any]:
    """Decisions of a creditor, or of one account, in the order they were taken, by (account_id, seq)."""
    return await tx.fetch(  # type: ignore[no-any-return]
        f"""select * from {SCHEMA}.decision where tenant_id = $1 and ($2::text is null or account_id = $2)
              and ($3::text is null or (account_id, seq) > ($3, $4))
            order by account_id, seq limit $5""",
        *(tenant, account, *(after or (None, None)), limit),
    )


async def accounts(tx: Connection, tenant: str, after: tuple[str] | None, limit: int) -> list[Any]:
    """Accounts of a creditor by id, with their next timer."""
    return await tx.fetch(  # type: ignore[no-any-return]
        f"""select account_id, next_action_at, parked_at, doc from {SCHEMA}.account
            where tenant_id = $1 and ($2::text is null or account_id > $2) order by account_id limit $3""",
        *(tenant, after[0] if after else None, limit),
    )


async def outcomes(tx: Connection, tenant: str, account: str) -> list[Any]:
    """What the scheduler heard of an account's reminders, oldest first."""
    return await tx.fetch(f"select * from {SCHEMA}.outcome where tenant_id = $1 and account_id = $2 order by at, id", tenant, account)  # type: ignore[no-any-return]


async def pauses(tx: Connection, tenant: str, account: str) -> list[Any]:
    """Every pause and its end, oldest first."""
    return await tx.fetch(f"select * from {SCHEMA}.pause where tenant_id = $1 and account_id = $2 order by at, id", tenant, account)  # type: ignore[no-any-return]
