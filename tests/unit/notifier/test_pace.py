"""Claims are made as fast as a channel takes them, and no faster."""

from services.notifier.domain.pace import Pace


def begun(pace: Pace, count: int) -> Pace:
    for _ in range(count):
        pace.begin()
    return pace


def test_a_second_of_the_rate_may_be_claimed_at_once_after_a_quiet_second() -> None:
    assert Pace(20, now=0.0).room(100.0) == 20


def test_what_was_claimed_comes_back_with_the_seconds() -> None:
    pace = begun(Pace(20, now=0.0), 20)
    for _ in range(20):
        pace.end()
    assert [pace.room(0.0), pace.room(0.5), pace.room(9.0)] == [0, 10, 20]


def test_what_is_in_flight_takes_room_however_long_it_takes() -> None:
    pace = begun(Pace(20, now=0.0), 15)
    assert pace.room(60.0) == 5


def test_a_claim_too_many_is_made_up_for() -> None:
    pace = begun(Pace(10, now=0.0), 15)
    for _ in range(15):
        pace.end()
    assert [pace.room(0.0), pace.room(0.5), pace.room(1.0)] == [0, 0, 5]
