"""Hand-worked ladders of one invoice: what goes on which day, what does not, and the reason written down."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from paycue.decision import TimerFired
from tests.unit.scheduler.desk import balance, desk, dispute, issued

DUE = "due"


def test_every_step_of_an_unpaid_invoice_goes_on_its_own_day_at_the_opening() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued())
    assert d.wakes() == "2013-01-25T09:00+00:00"
    d.at("2013-04-01T00:00")
    assert d.sent == [
        ("2013-01-25", [("I1", "due-7d")]),
        ("2013-02-01", [("I1", "due")]),
        ("2013-02-08", [("I1", "due+7d")]),
        ("2013-02-16", [("I1", "due+15d")]),
        ("2013-03-03", [("I1", "due+30d")]),
    ]
    assert d.wakes() == ""


def test_a_reminder_carries_stage_channels_amounts_policy_and_the_end_of_the_window() -> None:
    d = desk(zone="America/New_York")
    d.at("2013-01-01T00:00").fold(issued(minor=12_345))
    d.at("2013-02-08T09:00")
    due = d.due[-1]
    assert (due.stage, list(due.channels), due.policy, due.policy_version, due.manual) == (2, [1, 2], "standard", 1, False)
    assert due.valid_until.ToDatetime(UTC) == datetime(2013, 2, 8, 23, 0, tzinfo=UTC)
    item = due.items[0]
    assert (item.open_minor, item.currency, item.balance_version, item.issued_on, item.due_on) == (
        12_345,
        "USD",
        0,
        "2013-01-01",
        "2013-02-01",
    )


def test_steps_written_out_of_order_go_by_date() -> None:
    d = desk(steps=[("due + 7d", "firm"), ("due - 3d", "friendly"), ("due", "friendly")])
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-04-01T00:00")
    assert [items[0][1] for _, items in d.sent] == ["due-3d", "due", "due+7d"]


def test_steps_dated_before_the_invoice_was_issued_are_recorded_at_once() -> None:
    d = desk()
    d.at("2013-01-28T00:00").fold(issued(issued_on="2013-01-28"))
    assert d.last() == [("2013-01-25", "due-7d", "before_issue")]
    assert d.wakes() == "2013-02-01T09:00+00:00"


def test_a_step_on_the_day_of_issue_goes() -> None:
    d = desk()
    d.at("2013-01-25T00:00").fold(issued(issued_on="2013-01-25"))
    d.at("2013-01-25T23:00")
    assert d.sent == [("2013-01-25", [("I1", "due-7d")])]


def test_what_is_left_of_the_ladder_is_recorded_when_an_invoice_settles() -> None:
    d = desk()
    d.at("2013-01-28T00:00").fold(issued(issued_on="2013-01-28"))
    d.at("2013-02-02T00:00").fold(balance("settled", 1))
    d.at("2013-06-01T00:00")
    assert d.last() == [
        ("2013-01-25", "due-7d", "before_issue"),
        ("2013-02-01", "due", DUE),
        ("2013-02-08", "due+7d", "settled"),
        ("2013-02-16", "due+15d", "settled"),
        ("2013-03-03", "due+30d", "settled"),
    ]
    assert d.wakes() == ""


def test_settling_comes_before_a_dispute_and_issue_before_both() -> None:
    d = desk()
    d.at("2013-01-28T00:00").fold(issued(issued_on="2013-01-28"), dispute("registered"))
    d.at("2013-02-02T00:00").fold(balance("settled", 1))
    d.at("2013-06-01T00:00")
    assert [reason for _, _, reason in d.last()] == ["before_issue", "disputed", "settled", "settled", "settled"]
    assert d.sent == []


def test_a_step_that_passed_under_a_dispute_is_not_sent_later_and_the_ladder_resumes_with_the_next() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-02-01T00:00").fold(dispute("registered"))
    d.at("2013-02-10T00:00").fold(dispute("resolved", 2))
    d.at("2013-02-10T23:00")
    assert [reason for _, _, reason in d.last()] == [DUE, "disputed", "disputed"]
    d.at("2013-02-16T10:00")
    assert d.sent[-1] == ("2013-02-16", [("I1", "due+15d")])


def test_two_steps_of_a_disputed_invoice_that_wake_late_are_both_disputed() -> None:
    d = desk()
    d.at("2013-01-30T00:00").fold(issued(), dispute("registered"))
    d.jump("2013-02-09T10:00").at("2013-02-09T11:00")
    assert [reason for _, _, reason in d.last()] == ["disputed", "disputed", "disputed"]


def test_a_dispute_holds_its_own_invoice_alone() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued("I1"), issued("I2"), dispute("registered", invoice="I1"))
    d.at("2013-01-25T10:00")
    assert d.sent == [("2013-01-25", [("I2", "due-7d")])]


def test_an_invoice_that_arrives_40_days_late_enters_at_the_latest_step() -> None:
    d = desk()
    d.jump("2013-03-13T12:00").fold(issued())
    d.at("2013-03-13T13:00")
    assert d.sent == [("2013-03-13", [("I1", "due+30d")])]
    assert [reason for _, _, reason in d.last()] == ["superseded", "superseded", "superseded", "superseded", DUE]


def test_what_arrives_after_the_window_closed_waits_for_the_next_one() -> None:
    d = desk()
    d.jump("2013-03-13T18:00").fold(issued())
    assert d.wakes() == "2013-03-14T09:00+00:00"


def test_a_missed_run_sends_one_step_and_loses_none() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued())
    d.jump("2013-02-10T12:00").at("2013-02-10T12:00")
    assert d.sent == [("2013-02-10", [("I1", "due+7d")])]
    assert d.last() == [("2013-01-25", "due-7d", "superseded"), ("2013-02-01", "due", "superseded"), ("2013-02-08", "due+7d", DUE)]


def test_steps_before_the_day_of_going_live_are_recorded_and_never_sent() -> None:
    d = desk(live_from=date(2013, 2, 8))
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-02-10T00:00")
    assert [reason for _, _, reason in d.last()] == ["before_live", "before_live", DUE]


def test_nothing_leaves_for_a_suspended_creditor() -> None:
    d = desk(suspended="fees unpaid")
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-01-26T00:00")
    assert (d.sent, d.last()) == ([], [("2013-01-25", "due-7d", "creditor_suspended")])


def test_without_a_policy_nothing_is_planned() -> None:
    d = desk()
    d.standing = type(d.standing)()
    d.at("2013-01-01T00:00").fold(issued())
    assert d.wakes() == ""


def test_the_same_invoice_again_changes_nothing() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-02-01T10:00")
    before, rows = d.state, len(d.rows)
    d.fold(issued(), issued(due_on="2013-05-05"))
    assert d.state is before
    assert len(d.rows) == rows


def test_a_partial_payment_lowers_what_the_next_reminder_asks() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-01-20T00:00").fold(balance("changed", 1, 4_000))
    d.at("2013-01-25T10:00")
    assert (d.due[0].items[0].open_minor, d.due[0].items[0].balance_version) == (4_000, 1)


def test_an_invoice_reopened_goes_on_with_the_next_step_under_a_new_identity() -> None:
    ids = []
    for reopening in (0, 1):
        d = desk()
        d.at("2013-01-01T00:00").fold(issued())
        if reopening:
            d.at("2013-01-26T00:00").fold(balance("settled", 1))
            d.at("2013-02-03T00:00").fold(balance("reopened", 2, 10_000, reopening=1))
            assert d.sent == [("2013-01-25", [("I1", "due-7d")])]
        d.at("2013-02-08T10:00")
        ids.append(d.due[-1].reminder_id)
    assert d.last()[:3] == [("2013-01-25", "due-7d", DUE), ("2013-02-01", "due", "settled"), ("2013-02-08", "due+7d", DUE)]
    assert ids[0] != ids[1]


def test_a_reminder_keeps_its_identity_when_the_policy_the_window_and_the_hour_change() -> None:
    first, other = desk(), desk(window='{from: "11:00", to: "12:00"}', version="9")
    for d in (first, other):
        d.at("2013-01-01T00:00").fold(issued())
    first.at("2013-01-25T10:00")
    other.jump("2013-01-26T11:30").at("2013-01-26T11:30")
    assert first.due[0].reminder_id == other.due[0].reminder_id


@pytest.mark.parametrize("wait", ["2013-01-25T08:59", "2013-01-25T18:00"])
def test_a_timer_outside_the_window_only_plans_again(wait: str) -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued())
    d.jump(wait).fold(TimerFired())
    assert d.sent == []
    assert d.wakes() in ("2013-01-25T09:00+00:00", "2013-01-26T09:00+00:00")
    assert d.state.next_action_at is not None
    assert d.state.next_action_at > d.now


def test_steps_dated_after_the_creditor_took_its_accounts_back_are_recorded_and_never_sent() -> None:
    d = desk()
    d.standing = replace(d.standing, live_until=date(2013, 2, 8))
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-04-01T00:00")
    assert [items[0][1] for _, items in d.sent] == ["due-7d", "due", "due+7d"]
    assert d.last()[-2:] == [("2013-02-16", "due+15d", "after_recall"), ("2013-03-03", "due+30d", "after_recall")]


def test_steps_dated_before_the_invoice_are_not_sent_either_when_the_policy_comes_after_it() -> None:
    d = desk()
    whole, d.standing = d.standing, replace(d.standing, policy=None)
    d.at("2013-01-28T00:00").fold(issued(issued_on="2013-01-28"))
    d.standing = whole
    d.at("2013-01-28T09:00").fold(TimerFired())
    assert (d.sent, d.last()) == ([], [("2013-01-25", "due-7d", "before_issue")])


def test_what_is_still_open_is_no_part_of_a_reminders_identity() -> None:
    whole, part = (desk().at("2013-01-01T00:00") for _ in range(2))
    whole.fold(issued())
    part.fold(issued(), balance("changed", 1, 500))
    for d in (whole, part):
        d.at("2013-01-26T00:00")
    assert whole.due[0].items[0].open_minor != part.due[0].items[0].open_minor
    assert whole.due[0].reminder_id == part.due[0].reminder_id
