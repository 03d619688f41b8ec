"""End-to-end tests may begin at any hour: the day they live in goes on for as long as any of them takes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from paycue.clock import instant
from services.scheduler.domain.policy import MIDNIGHT
from tests.e2e.day import zone_at


@pytest.mark.parametrize("minutes", range(0, 24 * 60, 7))
def test_whenever_a_run_begins_its_date_is_that_of_utc_and_ends_in_half_a_day_at_the_earliest(minutes: int) -> None:
    now = datetime(2013, 3, 31, tzinfo=UTC) + timedelta(minutes=minutes)
    there = now.astimezone(ZoneInfo(zone_at(now))).date()
    assert there == now.date()
    assert instant(there + timedelta(days=1), MIDNIGHT, zone_at(now)) - now >= timedelta(hours=12)
