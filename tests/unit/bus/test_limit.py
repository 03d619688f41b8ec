"""Too much poison stops a consumer: twenty in a row, or five per cent of a minute and at least twenty."""

import asyncio

import pytest

from paycue.bus.poison import Limit, TooMuchPoison

GOOD, BAD = True, False


async def test_nineteen_in_a_row_go_on_and_the_twentieth_stops() -> None:
    limit = Limit()
    limit.count([BAD] * 19)
    with pytest.raises(TooMuchPoison, match="20 in a row"):
        limit.count([BAD])


async def test_a_good_record_begins_the_row_anew() -> None:
    limit = Limit()
    limit.count([GOOD] * 1000)
    for _ in range(5):
        limit.count([BAD] * 9 + [GOOD])


async def test_a_row_goes_across_batches_and_may_stand_in_the_middle_of_one() -> None:
    limit = Limit()
    limit.count([GOOD] * 1000 + [BAD] * 10)
    with pytest.raises(TooMuchPoison):
        limit.count([BAD] * 10 + [GOOD] * 1000)


async def test_five_per_cent_of_a_minute_stop_and_less_go_on() -> None:
    few, many = Limit(), Limit()
    few.count(([BAD] + [GOOD] * 24) * 40)
    with pytest.raises(TooMuchPoison, match="40 of 800"):
        many.count(([BAD] + [GOOD] * 19) * 40)


async def test_fewer_than_twenty_of_a_minute_never_stop_by_their_share() -> None:
    Limit().count([BAD, GOOD] * 19)


async def test_good_records_alone_never_stop_whatever_came_before() -> None:
    limit = Limit()
    with pytest.raises(TooMuchPoison):
        limit.count([BAD] * 30)
    limit.count([GOOD])
    limit.count([])


async def test_what_is_older_than_a_minute_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    limit, loop = Limit(), asyncio.get_running_loop()
    began = loop.time()
    limit.count(([BAD] + [GOOD] * 9) * 19)
    monkeypatch.setattr(loop, "time", lambda: began + Limit.SECONDS + 1)
    limit.count(([BAD] + [GOOD] * 9) * 19)
    with pytest.raises(TooMuchPoison, match="20 of 191"):
        limit.count([BAD])
