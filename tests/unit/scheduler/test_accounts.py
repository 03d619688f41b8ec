"""Accounts of several invoices: consolidation, coverage, what carries, the gap between contacts, pauses and manual reminders."""

from datetime import date

import pytest
from msgspec.structs import replace

from paycue.decision import Refused, TimerFired
from paycue.events.v1 import account_pb2, payment_pb2
from services.scheduler.domain.commands import LeftOut, PauseAccount, PauseInvoice, RemindNow, ResumeAccount, ResumeInvoice
from services.scheduler.domain.contact import account_reminder_id, invoice_reminder_id, manual_reminder_id
from services.scheduler.domain.rows import PauseNoted
from tests.unit.scheduler.desk import WHO, Desk, balance, desk, dispute, issued, registered

TWO = [("due", "friendly", "email"), ("due + 10d", "firm", "sms")]


def test_one_contact_covers_every_open_item_that_is_due_or_has_a_step() -> None:
    d = desk(steps=[("due - 7d", "friendly"), ("due + 15d", "firm")], consolidate="account")
    d.at("2013-01-01T00:00").fold(
        issued("I1", due_on="2013-02-01"),  # +15d on the 16th
        issued("I2", due_on="2013-02-10"),  # due, no step that day
        issued("I3", due_on="2013-02-23"),  # -7d on the 16th
        issued("I4", due_on="2013-02-20"),  # neither due nor stepping
        issued("I5", due_on="2013-02-05"),  # disputed
        issued("I6", due_on="2013-02-06"),  # settled
        dispute("registered", invoice="I5"),
        balance("settled", 1, invoice="I6"),
    )
    d.at("2013-02-16T10:00")
    assert d.sent[-1] == ("2013-02-16", [("I1", "due+15d"), ("I2", ""), ("I3", "due-7d")])
    row = d.decided[-2]
    assert (row.invoice_id, row.step, row.on, row.outcome) == ("I2", "", date(2013, 2, 16), "due")


def test_a_day_without_a_step_that_sends_is_no_day_of_contact() -> None:
    d = desk(steps=[("due", "friendly")], consolidate="account")
    d.at("2013-01-01T00:00").fold(issued("I1"), issued("I2", due_on="2013-01-20"), dispute("registered", invoice="I1"))
    d.at("2013-03-01T00:00")
    assert [day for day, _ in d.sent] == ["2013-01-20"]


def test_the_highest_level_carries_the_accounts_reminder() -> None:
    d = desk(steps=TWO, consolidate="account")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"), issued("I2", due_on="2013-01-25"))
    d.at("2013-01-26T00:00")
    assert d.sent[-1] == ("2013-01-25", [("I1", ""), ("I2", "due")])
    assert (d.due[-1].stage, list(d.due[-1].channels)) == (2, [2])


def test_of_one_stage_what_stands_later_in_the_policy_carries() -> None:
    d = desk(steps=[("due + 10d", "firm", "sms"), ("due", "firm", "email")], consolidate="account")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"), issued("I2", due_on="2013-01-20"))
    d.at("2013-01-21T00:00")
    assert d.sent[-1] == ("2013-01-20", [("I1", "due+10d"), ("I2", "due")])
    assert list(d.due[-1].channels) == [1]


def test_the_accounts_reminder_is_the_same_for_the_same_day_whatever_it_covers() -> None:
    one, other = (desk(steps=[("due", "friendly")], consolidate="account") for _ in range(2))
    one.at("2013-01-01T00:00").fold(issued("I1"))
    other.at("2013-01-01T00:00").fold(issued("I1"), issued("I2"))
    assert one.at("2013-02-01T10:00").due[0].reminder_id == other.at("2013-02-01T10:00").due[0].reminder_id


def test_a_step_that_comes_up_after_the_account_was_reminded_waits_for_the_next_day() -> None:
    d = desk(steps=[("due", "friendly")], consolidate="account")
    d.at("2013-01-01T00:00").fold(issued("I1"))
    d.at("2013-02-01T11:00").fold(issued("I2"))
    d.at("2013-02-03T00:00")
    assert d.sent == [("2013-02-01", [("I1", "due")]), ("2013-02-02", [("I1", ""), ("I2", "due")])]
    assert [(row.outcome, row.reason) for row in d.decided if row.invoice_id == "I2"] == [("deferred", "contacted_today"), ("due", "")]


def test_amounts_of_several_currencies_stand_side_by_side() -> None:
    d = desk(steps=[("due", "friendly")], consolidate="account")
    d.at("2013-01-01T00:00").fold(issued("I1", minor=100), issued("I2", minor=200, currency="EUR"))
    d.at("2013-02-02T00:00")
    assert [(item.currency, item.open_minor) for item in d.due[0].items] == [("USD", 100), ("EUR", 200)]


def test_a_contact_inside_the_gap_waits_and_is_recorded_once() -> None:
    d = desk(steps=[("due", "friendly")], minimum_gap="5d")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"), issued("I2", due_on="2013-01-12"), issued("I3", due_on="2013-01-13"))
    d.at("2013-01-14T00:00")
    assert d.sent == [("2013-01-10", [("I1", "due")])]
    assert d.wakes() == "2013-01-15T09:00+00:00"
    assert [(r.invoice_id, r.outcome, r.reason, r.details) for r in d.decided[1:]] == [
        ("I2", "deferred", "minimum_gap", "until 2013-01-15"),
        ("I3", "deferred", "minimum_gap", "until 2013-01-15"),
    ]
    d.at("2013-02-01T00:00")
    assert d.sent[1:] == [("2013-01-15", [("I2", "due")]), ("2013-01-15", [("I3", "due")])]
    assert [row.on for row in d.decided[-2:]] == [date(2013, 1, 12), date(2013, 1, 13)]


def test_after_the_gap_the_latest_step_goes_and_the_one_that_waited_is_superseded() -> None:
    d = desk(steps=[("due", "friendly"), ("due + 2d", "friendly"), ("due + 4d", "firm")], minimum_gap="4d")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"))
    d.at("2013-02-01T00:00")
    assert d.sent == [("2013-01-10", [("I1", "due")]), ("2013-01-14", [("I1", "due+4d")])]
    assert d.last() == [("2013-01-10", "due", "due"), ("2013-01-12", "due+2d", "superseded"), ("2013-01-14", "due+4d", "due")]


def test_of_several_steps_that_come_due_in_an_outage_and_wait_for_the_gap_only_the_last_waits() -> None:
    d = desk(steps=[("due", "friendly"), ("due + 1d", "friendly"), ("due + 2d", "firm")], minimum_gap="15d")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-11"), issued("I2", due_on="2013-01-02"))
    d.at("2013-01-04T12:00").jump("2013-01-13T12:00").fold(TimerFired())
    d.at("2013-02-01T00:00")
    steps = [("2013-01-11", "due", "superseded"), ("2013-01-12", "due+1d", "superseded"), ("2013-01-13", "due+2d", "due")]
    assert d.last("I1") == steps
    assert [row.outcome for row in d.decided if row.invoice_id == "I1"] == ["not_sent", "not_sent", "deferred", "due"]


def test_a_held_step_is_recorded_on_its_own_day_though_the_gap_is_not_over() -> None:
    d = desk(steps=[("due", "friendly")], minimum_gap="9d")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"), issued("I2", due_on="2013-01-12"), dispute("registered", invoice="I2"))
    d.at("2013-01-13T00:00")
    assert d.last("I2") == [("2013-01-12", "due", "disputed")]
    assert d.decided[-1].at.date() == date(2013, 1, 12)


def test_what_waits_for_the_gap_and_is_disputed_meanwhile_is_not_sent() -> None:
    d = desk(steps=[("due", "friendly")], minimum_gap="5d")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"), issued("I2", due_on="2013-01-12"))
    d.at("2013-01-13T00:00").fold(dispute("registered", invoice="I2"))
    d.at("2013-02-01T00:00")
    assert d.last("I2") == [("2013-01-12", "due", "disputed")]


def paused_states(d: Desk) -> list[tuple[int, bool, list[str]]]:
    return [(e.version, e.paused, list(e.paused_invoice_ids)) for e in d.events if isinstance(e, account_pb2.AccountState)]


def test_steps_that_pass_under_a_pause_are_recorded_and_the_ladder_goes_on_after_it() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued())
    answer = d.fold(PauseAccount("promised by phone"))
    assert (answer.paused, answer.paused_invoice_ids) == (True, ())
    d.at("2013-02-02T00:00").fold(ResumeAccount())
    d.at("2013-02-09T00:00")
    assert [reason for _, _, reason in d.last()] == ["paused", "paused", "due"]
    assert paused_states(d) == [(1, True, []), (2, False, [])]


def test_a_pause_with_an_end_ends_by_itself_when_that_day_begins() -> None:
    d = desk(zone="Europe/Vienna")
    d.at("2013-01-01T00:00").fold(issued(), PauseInvoice("I1", "on holiday", until=date(2013, 2, 1)))
    assert d.wakes() == "2013-01-25T09:00+01:00"
    d.at("2013-01-26T00:00")
    assert d.wakes() == "2013-02-01T00:00+01:00"
    d.at("2013-02-01T12:00")
    assert [reason for _, _, reason in d.last()] == ["paused", "due"]
    assert paused_states(d) == [(1, False, ["I1"]), (2, False, [])]
    assert [(row.action, row.reason) for row in d.rows if isinstance(row, PauseNoted)] == [
        ("paused", "on holiday"),
        ("ended", "on holiday"),
    ]


def test_a_second_pause_of_the_same_thing_changes_nothing_and_is_told_for_whoever_waits_to_hear_of_it() -> None:
    d = desk()
    d.fold(issued(), PauseAccount("one"), PauseAccount("two"), PauseInvoice("I1", "three"), ResumeInvoice("I1"))
    assert paused_states(d) == [(1, True, []), (1, True, []), (2, True, ["I1"]), (3, True, [])]
    assert d.state.pauses[""].reason == "two"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (PauseInvoice("I9", "x"), 404),
        (ResumeInvoice("I1"), 409),
        (ResumeAccount(), 409),
        (PauseAccount("x", until=date(2012, 1, 1)), 422),
        (RemindNow(("I9",)), 404),
    ],
)
def test_what_cannot_be_obeyed_is_refused(command: object, status: int) -> None:
    d = desk()
    d.fold(issued())
    with pytest.raises(Refused) as refused:
        d.fold(command)
    assert refused.value.status == status


@pytest.mark.parametrize("command", [PauseAccount("x"), ResumeAccount(), RemindNow()])
def test_an_unknown_account_is_not_found(command: object) -> None:
    with pytest.raises(Refused) as refused:
        desk().fold(command)
    assert refused.value.status == 404


def test_a_manual_reminder_covers_what_is_open_at_the_level_reached_and_leaves_the_ladder_alone() -> None:
    d = desk(steps=TWO)
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"), issued("I2", due_on="2013-03-01"), issued("I3"))
    d.at("2013-01-22T12:00").fold(dispute("registered", invoice="I3"))
    answer = d.fold(RemindNow())
    assert (answer.invoice_ids, answer.left_out, answer.stage) == (("I1", "I2"), (LeftOut("I3", "disputed"),), "firm")
    due = d.due[-1]
    assert (due.manual, due.reminder_id, [item.step for item in due.items]) == (True, answer.reminder_id, ["", ""])
    d.at("2013-03-02T00:00")
    assert d.sent[-1] == ("2013-03-01", [("I2", "due")])


def test_a_manual_reminder_before_any_level_speaks_as_the_first_step() -> None:
    d = desk(steps=[("due + 10d", "firm"), ("due", "friendly")])
    d.at("2013-01-02T12:00").fold(issued(), RemindNow(("I1",)))
    assert d.due[-1].stage == 1


def test_a_manual_reminder_counts_for_the_gap() -> None:
    d = desk(steps=[("due", "friendly")], minimum_gap="3d")
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-01-31T12:00").fold(RemindNow())
    d.at("2013-02-28T00:00")
    assert [day for day, _ in d.sent] == ["2013-01-31", "2013-02-03"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ([balance("settled", 1)], "settled"),
        ([dispute("registered")], "disputed"),
        ([PauseAccount("x")], "paused"),
        ([PauseInvoice("I1", "x")], "paused"),
    ],
)
def test_a_manual_reminder_of_what_may_not_be_chased_is_refused_with_the_reason(facts: list[object], reason: str) -> None:
    d = desk()
    d.at("2013-01-02T12:00").fold(issued(), *facts)
    for invoices in ((), ("I1",)):
        with pytest.raises(Refused) as refused:
            d.fold(RemindNow(invoices))
        assert refused.value.status == 409
        assert refused.value.detail.startswith(reason)


def test_a_manual_reminder_for_a_suspended_creditor_is_refused() -> None:
    with pytest.raises(Refused, match="creditor_suspended"):
        desk(suspended="fees unpaid").at("2013-01-02T12:00").fold(issued(), RemindNow())


def test_a_manual_reminder_at_night_needs_a_person_to_say_so() -> None:
    d = desk()
    d.at("2013-01-02T22:00").fold(issued())
    with pytest.raises(Refused, match="outside_window"):
        d.fold(RemindNow())
    answer = d.fold(RemindNow(any_hour=True))
    assert answer.valid_until.isoformat() == "2013-01-03T00:00:00+00:00"
    # The notifier asks for hours again where a reminder carries them.
    assert (d.due[-1].window_from, d.due[-1].window_to) == ("", "")


@pytest.mark.parametrize("days", ["all", "working"])
def test_a_reminder_tells_the_hours_and_the_days_that_its_policy_allows(days: str) -> None:
    d = desk(steps=[("due", "friendly")], window=f'{{from: "09:30", to: "18:00", days: {days}}}')
    d.at("2013-01-02T12:00").fold(issued())
    (due,) = d.at("2013-02-02T00:00").due
    assert (due.window_from, due.window_to, due.working_days) == ("09:30", "18:00", days == "working")


def test_an_invoice_with_two_disputes_is_held_until_both_are_over() -> None:
    d = desk(steps=[("due", "friendly"), ("due + 10d", "firm"), ("due + 20d", "firm")])
    d.at("2013-01-02T12:00").fold(issued(), dispute("registered", dispute_id="D1"), dispute("registered", dispute_id="D2"))
    d.at("2013-02-05T12:00").fold(dispute("resolved", 2, dispute_id="D1"))
    d.at("2013-02-15T12:00").fold(dispute("resolved", 2, dispute_id="D2"))
    d.at("2013-03-01T00:00")
    assert d.last() == [("2013-02-01", "due", "disputed"), ("2013-02-11", "due+10d", "disputed"), ("2013-02-21", "due+20d", "due")]


def test_a_manual_reminder_of_what_is_not_issued_yet_is_refused() -> None:
    d = desk()
    d.at("2013-01-02T12:00").fold(issued(issued_on="2013-01-03"))
    with pytest.raises(Refused, match="before_issue"):
        d.fold(RemindNow())


def test_each_time_a_person_asks_on_one_day_is_a_reminder_of_its_own() -> None:
    d = desk()
    d.at("2013-01-02T12:00").fold(issued())
    assert d.fold(RemindNow()).reminder_id != d.fold(RemindNow()).reminder_id


def test_reminders_of_two_creditors_are_two_though_their_accounts_and_invoices_are_called_alike() -> None:
    d = desk()
    d.at("2013-01-02T12:00").fold(issued())
    item, step = d.state.items["I1"], d.standing.policy.ladder[0]  # type: ignore[union-attr]
    here = d.moment
    there = replace(here, tenant="beta")
    assert invoice_reminder_id(item, step, here) != invoice_reminder_id(item, step, there)
    assert account_reminder_id(here) != account_reminder_id(there)
    assert manual_reminder_id("cause", here) != manual_reminder_id("cause", there)


def test_a_new_policy_reminds_of_nothing_again_and_goes_on_with_its_own_steps() -> None:
    d = desk(steps=[("due", "friendly"), ("due + 10d", "firm")])
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-02-12T00:00")
    d.standing = desk(steps=[("due + 1d", "friendly"), ("due + 9d", "friendly"), ("due + 14d", "firm")], version="2").standing
    d.fold(TimerFired())
    assert d.wakes() == "2013-02-15T09:00+00:00"
    d.at("2013-03-01T00:00")
    assert [(day, items[0][1]) for day, items in d.sent] == [("2013-02-01", "due"), ("2013-02-11", "due+10d"), ("2013-02-15", "due+14d")]
    assert d.due[-1].policy_version == 2


def test_an_account_is_reminded_in_its_own_zone_and_a_late_older_fact_does_not_move_it() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued(), registered("Asia/Tokyo", 2))
    assert d.wakes() == "2013-01-25T00:00+00:00"
    before = d.state
    d.fold(registered("Europe/Paris", 1))
    assert d.state is before


def test_decisions_are_numbered_in_their_order() -> None:
    d = desk()
    d.at("2013-01-28T00:00").fold(issued(issued_on="2013-01-28"), issued("I2"))
    d.at("2013-06-01T00:00")
    assert [row.seq for row in d.decided] == list(range(1, len(d.decided) + 1))


def test_a_balance_in_no_currency_is_not_taken_over() -> None:
    told = payment_pb2.BalanceChanged(
        **WHO, balances=[payment_pb2.InvoiceBalance(invoice_id="I1", currency="???", open_minor=1, version=1)]
    )
    with pytest.raises(ValueError, match="not a currency"):
        desk().fold(told)
