"""Local times become instants in every zone, across gaps and folds; a stepped clock goes forward only."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycue.clock import SteppedClock, SystemClock, instant, local_date

ZONES = ("America/New_York", "Europe/Vienna", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata", "America/Sao_Paulo")
HALF_PAST_TWO = time(2, 30)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("zone", "day", "hour", "expected"),
    [
        ("America/New_York", date(2013, 1, 9), time(9), utc(2013, 1, 9, 14)),
        # Gaps: the first instant after.
        ("America/New_York", date(2013, 3, 10), HALF_PAST_TWO, utc(2013, 3, 10, 7)),
        ("America/New_York", date(2013, 3, 10), time(2), utc(2013, 3, 10, 7)),
        ("America/New_York", date(2013, 3, 10), time(3), utc(2013, 3, 10, 7)),
        ("Europe/Vienna", date(2024, 3, 31), time(2, 59, 59), utc(2024, 3, 31, 1)),
        ("Australia/Lord_Howe", date(2024, 10, 6), time(2, 15), utc(2024, 10, 5, 15, 30)),
        ("America/Sao_Paulo", date(2018, 11, 4), time(0), utc(2018, 11, 4, 3)),
        # A whole day that never was: Samoa crossed the date line.
        ("Pacific/Apia", date(2011, 12, 30), time(9), utc(2011, 12, 30, 10)),
        # Folds: the first of the two.
        ("America/New_York", date(2013, 11, 3), time(1, 30), utc(2013, 11, 3, 5, 30)),
        ("Europe/Vienna", date(2024, 10, 27), HALF_PAST_TWO, utc(2024, 10, 27, 0, 30)),
        ("Australia/Lord_Howe", date(2024, 4, 7), time(1, 45), utc(2024, 4, 6, 14, 45)),
        ("Asia/Kolkata", date(2024, 3, 31), HALF_PAST_TWO, utc(2024, 3, 30, 21)),
    ],
)
def test_a_local_time_is_one_instant(zone: str, day: date, hour: time, expected: datetime) -> None:
    assert instant(day, hour, zone) == expected


moments = st.tuples(st.dates(date(1970, 1, 2), date(2037, 12, 30)), st.times(), st.sampled_from(ZONES))


@given(moments)
def test_an_instant_shows_the_local_time_asked_for_or_the_first_after_a_gap(moment: tuple[date, time, str]) -> None:
    day, hour, zone = moment
    at = instant(day, hour, zone)
    wanted, shown = datetime.combine(day, hour), at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if shown != wanted:
        just_before = (at - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert just_before < wanted < shown


@given(moments)
def test_an_instant_is_the_first_with_its_local_time(moment: tuple[date, time, str]) -> None:
    day, hour, zone = moment
    at = instant(day, hour, zone)
    wanted = datetime.combine(day, hour)
    earlier = [at - timedelta(minutes=minutes) for minutes in (20, 30, 60, 120)]
    assert all(other.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wanted for other in earlier)


@given(moments, st.times())
def test_later_local_times_are_never_earlier_instants_by_more_than_a_fold(moment: tuple[date, time, str], other: time) -> None:
    day, hour, zone = moment
    first, second = sorted((hour, other))
    assert instant(day, first, zone) <= instant(day, second, zone) + timedelta(hours=1)


def test_the_local_date_depends_on_the_zone() -> None:
    at = utc(2013, 1, 1, 2)
    assert (local_date(at, "America/New_York"), local_date(at, "Asia/Kolkata")) == (date(2012, 12, 31), date(2013, 1, 1))


def test_a_stepped_clock_stands_still_wakes_who_asked_and_never_goes_back() -> None:
    clock, woken = SteppedClock(utc(2013, 1, 1)), list[datetime]()
    clock.on_step(lambda: woken.append(clock.now()))
    clock.set(utc(2013, 1, 2))
    assert (clock.now(), woken, clock.flows) == (utc(2013, 1, 2), [utc(2013, 1, 2)], False)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.set(utc(2013, 1, 1))


def test_the_systems_clock_tells_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
