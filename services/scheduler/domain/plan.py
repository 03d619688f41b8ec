"""When the account's one timer fires next. It wakes for steps that are held too, since each has to be recorded.

A step wakes the account when its window opens; a deferred one on the first day that the gap allows. Costs what is open, once through.
"""

from datetime import date, datetime, timedelta

from paycue.clock import instant
from services.scheduler.domain.account import NEVER, Account
from services.scheduler.domain.ladder import next_day
from services.scheduler.domain.policy import MIDNIGHT, Policy
from services.scheduler.domain.standing import Moment
from services.scheduler.domain.window import wake_at


def free_from(account: Account, policy: Policy) -> date:
    """The first local date on which the policy may contact the account again."""
    free = account.reminded_on + timedelta(days=1) if policy.consolidate == "account" and account.reminded_on != NEVER else NEVER
    if policy.minimum_gap and account.last_contact_on != NEVER:
        free = max(free, account.last_contact_on + timedelta(days=policy.minimum_gap))
    return free


def next_action(account: Account, moment: Moment) -> datetime | None:
    """The instant (UTC) of the next step or of the end of a pause; None when nothing is ahead."""
    wakes = [_pause_end(until, moment) for pause in account.pauses.values() if (until := pause.until) is not None]
    policy = moment.standing.policy
    if policy is not None and account.items:
        free = free_from(account, policy)
        days = [day for item in account.items.values() if item.known and (day := next_day(policy, item, free)) is not None]
        if days:
            wakes.append(wake_at(policy, moment.zone, min(days), moment.now))
    return min(wakes, default=None)


def _pause_end(until: date, moment: Moment) -> datetime:
    return max(moment.now, instant(until, MIDNIGHT, moment.zone))
