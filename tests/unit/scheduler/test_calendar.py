"""Days and hours: working days, leap days, the days on which clocks change, open and closed windows."""

import pytest

from tests.unit.scheduler.desk import desk, issued

DUE = [("due", "friendly")]


@pytest.mark.parametrize(("due", "sent"), [("2013-02-01", "2013-02-01"), ("2013-02-02", "2013-02-04"), ("2013-02-03", "2013-02-04")])
def test_a_weekend_shifts_a_step_to_monday_and_never_burns_it(due: str, sent: str) -> None:
    d = desk(steps=DUE, window='{from: "09:00", to: "18:00", days: working}')
    d.at("2013-01-01T00:00").fold(issued(due_on=due))
    d.at("2013-02-10T00:00")
    assert [day for day, _ in d.sent] == [sent]
    assert d.decided[-1].on.isoformat() == due


def test_of_two_steps_that_meet_on_monday_the_later_goes() -> None:
    d = desk(steps=[("due", "friendly"), ("due + 2d", "firm")], window="{days: working}")
    d.at("2013-01-01T00:00").fold(issued(due_on="2013-02-02"))
    d.at("2013-02-10T00:00")
    assert d.sent == [("2013-02-04", [("I1", "due+2d")])]
    assert d.last() == [("2013-02-02", "due", "superseded"), ("2013-02-04", "due+2d", "due")]


def test_what_arrives_on_a_weekend_waits_for_monday() -> None:
    d = desk(steps=DUE, window='{from: "09:00", days: working}')
    d.jump("2013-02-09T12:00").fold(issued())
    assert d.wakes() == "2013-02-11T09:00+00:00"


def test_a_step_on_a_leap_day_goes_on_it() -> None:
    d = desk(steps=[("due - 1d", "friendly"), ("due + 365d", "firm")])
    d.at("2012-01-01T00:00").fold(issued(issued_on="2012-01-01", due_on="2012-03-01"))
    d.at("2014-01-01T00:00")
    assert [day for day, _ in d.sent] == ["2012-02-29", "2013-03-01"]


@pytest.mark.parametrize(
    ("due", "opens"),
    [
        ("2013-03-09", "2013-03-09T02:30-05:00"),
        ("2013-03-10", "2013-03-10T03:00-04:00"),
        ("2013-11-03", "2013-11-03T02:30-05:00"),
        ("2013-11-04", "2013-11-04T02:30-05:00"),
    ],
)
def test_an_hour_that_is_missing_opens_right_after_the_gap(due: str, opens: str) -> None:
    d = desk(steps=DUE, zone="America/New_York", window='{from: "02:30", to: "18:00"}')
    d.at("2013-01-01T00:00").fold(issued(due_on=due))
    assert d.wakes() == opens


def test_an_hour_that_comes_twice_opens_at_the_first() -> None:
    d = desk(steps=DUE, zone="America/New_York", window='{from: "01:30", to: "18:00"}')
    d.at("2013-01-01T00:00").fold(issued(due_on="2013-11-03"))
    assert d.wakes() == "2013-11-03T01:30-04:00"


def test_a_window_that_a_clock_change_swallows_moves_the_step_to_the_next_day() -> None:
    d = desk(steps=DUE, zone="America/New_York", window='{from: "02:10", to: "02:50"}')
    d.at("2013-01-01T00:00").fold(issued(due_on="2013-03-10"))
    d.at("2013-03-12T00:00")
    assert [day for day, _ in d.sent] == ["2013-03-11"]


def test_without_a_window_a_step_goes_as_its_day_begins_and_until_it_ends() -> None:
    policy = desk(steps=DUE)
    policy.standing = desk(steps=DUE, window="{}").standing
    policy.at("2013-01-01T00:00").fold(issued())
    assert policy.wakes() == "2013-02-01T00:00+00:00"
    policy.at("2013-02-01T00:00")
    assert policy.due[0].valid_until.ToJsonString() == "2013-02-02T00:00:00Z"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"])
def test_the_day_is_the_debtors(zone: str) -> None:
    d = desk(steps=DUE, zone=zone)
    d.at("2013-01-01T00:00").fold(issued())
    assert d.wakes().startswith("2013-02-01T09:00")
    d.at("2013-02-01T09:00")
    assert [day for day, _ in d.sent] == ["2013-02-01"]
