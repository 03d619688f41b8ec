"""When a stop feed counts as fresh: only up to the moment before which everything is certainly folded."""

from paycue.bus.feeds import Feeds, Progress

ERP, OURS = ("erp.payments.v1", 3), ("payments.events.v1", 3)
NEVER = float("inf")


def feeds() -> Feeds:
    return Feeds(("erp.payments.v1", "payments.events.v1"), limit=30)


def test_nothing_is_known_before_two_looks() -> None:
    made = feeds()
    made.look(100, {ERP: Progress(5, 5)}, ())
    assert made.age(ERP, 100) == NEVER
    made.look(101, {ERP: Progress(5, 5)}, ())
    assert made.age(ERP, 101) == 1


def test_a_topic_is_as_fresh_as_the_look_before_the_fetch_that_found_its_end() -> None:
    made = feeds()
    for now in (100, 101, 102):
        made.look(now, {ERP: Progress(5, 5)}, ())
    made.look(140, {ERP: Progress(5, None)}, ())
    assert made.age(ERP, 140) == 39
    assert made.stale(3, 140) == ["erp.payments.v1", "payments.events.v1"]


def test_a_backlog_is_fresh_once_the_end_of_an_earlier_look_is_reached_although_the_log_has_grown() -> None:
    made = feeds()
    made.look(100, {ERP: Progress(5, 5)}, ())
    made.look(101, {ERP: Progress(5, 900)}, ())
    made.look(110, {ERP: Progress(600, 2000)}, ())
    assert made.age(ERP, 110) == NEVER
    made.look(111, {ERP: Progress(900, 2100)}, ())
    assert made.age(ERP, 111) == 11


def test_the_end_that_was_told_when_a_backlog_was_read_is_the_next_to_be_reached() -> None:
    made = feeds()
    made.look(100, {ERP: Progress(5, 5)}, ())
    made.look(101, {ERP: Progress(5, 900)}, ())
    made.look(110, {ERP: Progress(600, 2000)}, ())
    made.look(111, {ERP: Progress(900, 2100)}, ())
    made.look(120, {ERP: Progress(2100, None)}, ())
    assert made.age(ERP, 120) == 10


def test_the_end_of_a_backlog_that_was_reached_is_not_reached_again() -> None:
    made = feeds()
    made.look(100, {ERP: Progress(5, 5)}, ())
    made.look(101, {ERP: Progress(5, 900)}, ())
    for now, end in ((111, 900), (112, 900), (113, None)):
        made.look(now, {ERP: Progress(900, end)}, ())
    assert made.age(ERP, 113) == 2


def test_a_batch_that_was_put_back_is_not_read() -> None:
    made = feeds()
    made.look(100, {ERP: Progress(5, 5)}, ())
    made.look(101, {ERP: Progress(5, 9)}, ())
    made.look(120, {ERP: Progress(5, None)}, ())
    assert made.age(ERP, 120) == NEVER


def test_our_own_topic_needs_a_beat_however_well_it_is_read() -> None:
    made = feeds()
    for now in (100, 101, 102):
        made.look(now, {OURS: Progress(5, 5)}, ())
    assert made.age(OURS, 102) == NEVER


def test_a_beat_is_as_old_as_the_last_moment_before_which_all_had_been_read() -> None:
    made = feeds()
    made.look(100, {OURS: Progress(5, 5)}, ())
    made.look(101, {OURS: Progress(5, 5)}, ())
    made.look(102, {OURS: Progress(6, 6)}, {OURS})
    assert made.age(OURS, 102) == 2


def test_beats_of_a_backlog_prove_nothing_of_when_their_owner_was_alive() -> None:
    made = feeds()
    made.look(100, {OURS: Progress(0, None)}, ())
    made.look(101, {OURS: Progress(500, 500)}, {OURS})
    assert made.age(OURS, 101) == NEVER


def test_a_partition_that_was_lost_is_as_unknown_as_before() -> None:
    made = feeds()
    for now in (100, 101, 102):
        made.look(now, {ERP: Progress(5, 5), OURS: Progress(now, now)}, {OURS})
    assert (made.age(ERP, 102), made.age(OURS, 102)) == (1, 2)
    made.look(103, {}, ())
    assert (made.age(ERP, 103), made.age(OURS, 103)) == (NEVER, NEVER)
