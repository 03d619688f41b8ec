"""The debtor's calendar: on which day a step may go, when the window opens and closes there, and when to wake.

Local times come from `paycue.clock.instant`, which knows the days on which an hour is missing or comes twice. Holidays are not
known here yet; weekends shift a step when the policy says `working`.
"""

from datetime import date, datetime, timedelta

from paycue.clock import instant, local_date
from services.scheduler.domain.policy import MIDNIGHT, Policy

_DAY = timedelta(days=1)
_SATURDAY = 5


def contact_day(policy: Policy, day: date) -> date:
    """The day on which a step of `day` may go: a weekend shifts it to Monday and never burns it."""
    if policy.days == "all" or day.weekday() < _SATURDAY:
        return day
    return day + timedelta(days=7 - day.weekday())


def opening(policy: Policy, zone: str, day: date) -> datetime:
    """When the window of a step of `day` opens (UTC)."""
    return instant(contact_day(policy, day), policy.window_from, zone)


def closing(policy: Policy, zone: str, day: date) -> datetime:
    """When the window of the contact day `day` closes (UTC)."""
    return instant(day + _DAY, MIDNIGHT, zone) if policy.window_to == MIDNIGHT else instant(day, policy.window_to, zone)


def is_open(policy: Policy, zone: str, now: datetime) -> bool:
    """Whether a contact may be decided now."""
    day = local_date(now, zone)
    return contact_day(policy, day) == day and opening(policy, zone, day) <= now < closing(policy, zone, day)


def wake_at(policy: Policy, zone: str, day: date, now: datetime) -> datetime:
    """The first instant from now on at which a step of `day` may go: its own opening, now, or the next opening."""
    own = opening(policy, zone, day)
    if own > now or is_open(policy, zone, now):
        return max(own, now)
    today = local_date(now, zone)
    first = opening(policy, zone, today)
    return first if first > now else opening(policy, zone, today + _DAY)


def opened_through(policy: Policy, zone: str, now: datetime) -> date:
    """The last day whose steps have had their window open by now."""
    day = local_date(now, zone)
    while opening(policy, zone, day) > now:
        day -= _DAY
    return day
