"""The debtor's hours: asked again at the claim, in the zone that is known then.

The scheduler decided inside them, but maybe before it was told where the debtor lives, or by another clock.
"""

from datetime import datetime, time, timedelta

from paycue.clock import instant, local_date
from services.notifier.domain.gate import Hours

_DAY = timedelta(days=1)
_MIDNIGHT = time()
_SATURDAY = 5


def opens_at(hours: Hours, zone: str, now: datetime) -> datetime:
    """The first instant (UTC) from `now` on that lies in these hours in an IANA zone: `now` itself, or the next opening."""
    day = local_date(now, zone)
    while True:
        if not hours.working_days or day.weekday() < _SATURDAY:
            closes = instant(day + _DAY, _MIDNIGHT, zone) if hours.closes == _MIDNIGHT else instant(day, hours.closes, zone)
            if now < closes:
                return max(now, instant(day, hours.opens, zone))
        day += _DAY
