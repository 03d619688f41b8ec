"""What is known beside the account when a decision is taken: its creditor's policy and standing, the instant, the debtor's day.

`Standing` is what handlers get as `ctx.reference`. It must never hold anything of one account.
"""

from datetime import date, datetime

import msgspec

from paycue.clock import local_date
from services.scheduler.domain.policy import Policy


class Standing(msgspec.Struct, frozen=True):
    """A creditor, as the scheduler sees it. Without a policy nothing is planned."""

    policy: Policy | None = None
    zone: str = "UTC"
    """For accounts that name none."""
    live_from: date | None = None
    """Steps dated before this day are recorded and never sent."""
    live_until: date | None = None
    """Steps dated after this day are recorded and never sent."""
    suspended: str = ""
    """Not empty: nothing leaves for this creditor, and why."""


NO_STANDING = Standing()
"""Of a creditor nobody has told of yet."""


class Moment(msgspec.Struct, frozen=True):
    """Whose account, in which zone, at which instant (UTC) of the debtor's local date `today`."""

    now: datetime
    tenant: str
    account_id: str
    zone: str
    standing: Standing
    today: date


def moment_of(now: datetime, tenant: str, account_id: str, zone: str, standing: Standing | None) -> Moment:
    """The moment of an account whose facts name `zone`; empty: the creditor's counts."""
    known = standing or NO_STANDING
    where = zone or known.zone
    return Moment(now, tenant, account_id, where, known, local_date(now, where))
