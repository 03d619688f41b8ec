"""The day that end-to-end tests and their creditors live in: real time, in a zone in which that day has only begun, or has half of
itself left at least. So no window closes while a run lasts, at whatever hour it begins.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_WEST_AT_MOST = 12


def zone_at(now: datetime) -> str:
    """The zone west of UTC in which it is the same date and the earliest hour: after midnight there, or at most noon."""
    west = min(now.astimezone(UTC).hour, _WEST_AT_MOST)
    return f"Etc/GMT+{west}" if west else "UTC"


ZONE = zone_at(datetime.now(UTC))
"""Of every creditor and account of this process."""


def today(days: int = 0) -> str:
    """The date in that zone, `days` from now."""
    return (datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=days)).isoformat()
