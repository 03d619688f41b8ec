"""The edges of what the other tests show in the middle: the second invoice, the last instant, a year later, the same thing told late."""

from datetime import UTC, datetime, time, timedelta

import pytest

from paycue.decision import Refused
from paycue.events.v1 import payment_pb2
from paycue.events.v1.dispute_pb2 import DisputeReviewed
from services.notifier.domain import marks
from services.notifier.domain.commands import ReleaseStop, Resend
from services.notifier.domain.gate import Hours
from services.notifier.domain.hours import opens_at
from services.notifier.domain.pace import Pace
from services.notifier.domain.rows import MessageRow, OverdueStopRow
from tests.unit.notifier.story import (
    EMAIL,
    LEASE,
    MAIL,
    NOW,
    PHONE,
    SMS,
    WHO,
    Story,
    account,
    balance,
    due,
    item,
    money,
    paused,
    registered,
    resolved,
    sent,
)  # fmt: skip


def in_flight(story: Story) -> list[str]:
    """The calls that the last receipt names, five seconds after its stop."""
    return [*story.at(5).receipts()[-1].calls_in_flight]


def test_a_stop_of_the_second_invoice_of_a_message_waits_for_its_call_too() -> None:
    story = Story([account(MAIL), due(item("i1"), item("i2"))]).timers()
    story.tell(money("p1", "i2"))
    assert in_flight(story) == [story.sends()[0].call_id]


def test_a_stop_of_an_invoice_that_the_call_left_out_does_not_wait_for_it() -> None:
    story = Story([account(MAIL), balance("i1", 0, 1), due(item("i1"), item("i2"))]).timers()
    story.tell(money("p1", "i1"), "event-9")
    assert [receipt.stop_id for receipt in story.receipts()] == ["event-9"]


def test_the_pause_of_an_account_waits_for_every_call_though_one_invoice_is_paused_by_itself() -> None:
    story, state = sent(), paused(1, "i7", whole=True)
    state.stop_id = "stop-1"
    story.tell(state)
    assert in_flight(story) == [story.sends()[0].call_id]


def test_the_answer_to_a_payment_waits_for_calls_about_every_invoice_it_paid() -> None:
    parts = [payment_pb2.Allocation(invoice_id=key, amount_minor=5000) for key in ("i0", "i1")]
    story = sent()
    story.tell(payment_pb2.PaymentApplied(**WHO, payment_id="p1", cause_id="command-1", currency="EUR", allocations=parts))
    assert in_flight(story) == [story.sends()[0].call_id]


def test_what_is_open_and_what_is_contested_is_known_a_year_later() -> None:
    story = Story([account(MAIL), balance("i1", 3000, 2), registered("d2", "i2", "evt-2")])
    story.now = NOW + timedelta(days=365)
    for fact in (balance("i3", 100, 1), registered("d3", "i3", "evt-3"), resolved("d3", "i3", version=2)):
        story.tell(fact)
    story.tell(due(item("i1", minor=5000, version=1), item("i2"), until=timedelta(days=366)))
    assert [(line.invoice_id, line.open_minor) for line in story.timers().sends()[0].lines] == [("i1", 3000)]


def test_hours_are_over_at_the_instant_they_close() -> None:
    nine_to_five = Hours(time(9), time(17))
    closing = datetime(2013, 3, 1, 17, tzinfo=UTC)
    assert opens_at(nine_to_five, "UTC", closing - timedelta(seconds=1)) == closing - timedelta(seconds=1)
    assert opens_at(nine_to_five, "UTC", closing) == datetime(2013, 3, 2, 9, tzinfo=UTC)


def test_a_quiet_hour_saves_up_no_more_than_a_second() -> None:
    pace = Pace(20, now=0.0)
    assert pace.room(3600.0) == 20
    pace.begin(20)
    pace.end(20)
    assert pace.room(3600.0) == 0


def test_marks_of_thousands_of_things_and_of_two_kinds_are_never_taken_for_each_other() -> None:
    seen = marks.add((), "done", "r0", NOW)
    assert not any(marks.has(seen, "done", f"r{number}") for number in range(1, 5000))
    assert not marks.has(seen, "resolved", "r0")


def test_a_call_that_is_unknown_already_does_not_become_so_again_when_its_own_word_comes_late() -> None:
    story = sent().at(LEASE).ended("unknown")
    assert story.outcomes() == ["unknown"]
    assert story.message().unknown_since == NOW + timedelta(seconds=LEASE)


def test_a_late_word_that_an_unknown_call_failed_lets_the_message_go_on_to_the_next_channel() -> None:
    story = Story([account(PHONE, MAIL), due(channels=(SMS, EMAIL))]).timers().at(LEASE).ended("failed", "twilio_30003")
    assert (story.outcomes(), story.recipients()) == (["unknown"], [PHONE, MAIL])


def test_a_late_word_of_a_call_that_was_found_missing_does_not_put_off_the_next_one() -> None:
    story = sent().ended("unknown").at(LEASE + 300).looked("not_accepted")
    story.ended("retry", "smtp_421", call=0)
    assert (story.message().status, len(story.sends())) == ("claimed", 2)


def test_a_failure_that_is_reported_before_the_call_ends_sends_the_message_by_no_other_channel() -> None:
    story = Story([account(MAIL, PHONE), due(channels=(SMS,))]).timers().report("undelivered", "30003").ended("accepted")
    assert (story.outcomes(), len(story.sends())) == (["sent"], 1)
    other = Story([account(MAIL, PHONE), due(channels=(SMS, EMAIL))]).timers().report("failed").ended("accepted")
    assert (other.outcomes(), other.recipients()) == (["sent"], [PHONE])


def test_what_a_person_has_sent_again_after_its_time_leaves_all_the_same() -> None:
    story = sent().ended("unknown").at(10 * 3600)
    story.tell(Resend("r1", "the provider lost it"))
    assert len(story.timers().sends()) == 2


def test_the_same_version_of_an_account_with_other_content_changes_nothing() -> None:
    story = Story([account(MAIL)])
    story.tell(account(PHONE))
    assert [contact.address for contact in story.gate.contacts] == [MAIL]


def test_a_dispute_under_review_is_still_a_dispute() -> None:
    story = Story([account(MAIL), registered("d1", "i1", "evt-1"), DisputeReviewed(**WHO, dispute_id="d1", invoice_id="i1", version=2)])
    story.tell(due())
    assert story.timers().outcomes() == ["skipped disputed"]


def test_a_person_releases_the_stop_that_is_named_and_no_other() -> None:
    story = Story([account(MAIL)])
    story.tell(money("p1", "i1"), "evt-1")
    with pytest.raises(Refused) as refused:
        story.tell(ReleaseStop("payment:p2:evt-2", "a test"))
    assert (refused.value.status, [stop.cause for stop in story.gate.stops]) == (404, ["payment:p1:evt-1"])
    story.tell(ReleaseStop("payment:p1:evt-1", "the ledger is down"))
    assert story.gate.stops == ()
    assert [(row.cause, row.resolved_at, row.reason) for row in story.wrote(OverdueStopRow)] == [
        ("payment:p1:evt-1", NOW, "the ledger is down")
    ]


@pytest.mark.parametrize("again", ["not accepted", "resent"])
def test_a_message_that_is_found_after_all_does_not_go_again(again: str) -> None:
    story = sent().ended("unknown").at(LEASE + 300)
    story.tell(money("p1", "i1"), "event-9")  # So that it waits at the gate.
    if again == "resent":
        story.tell(Resend("r1", "the debtor says that nothing came"))
    else:
        story.looked("not_accepted")
    assert story.message().status == "pending"
    assert story.looked("accepted").outcomes() == ["unknown", "sent"]


def test_whoever_slept_through_looks_asks_once_and_goes_on_with_the_schedule() -> None:
    story = sent().ended("unknown")
    story.now = NOW + timedelta(days=2)
    assert len(story.timers().finds()) == 1
    assert story.message().at >= story.now + timedelta(seconds=story.standing.find_after[0])


def test_what_happened_to_a_message_is_on_record_although_others_were_moved_by_it() -> None:
    story = Story([account(MAIL), due(key="r1", channels=(EMAIL,)), due(key="r2", channels=(EMAIL,))]).timers()
    story.ended("retry", "smtp_451", call=1)
    story.rows.clear()
    story.ended("failed", "smtp_550_5.1.1", call=0)
    rows = [(row.reminder_id, row.what, row.status) for row in story.wrote(MessageRow)]
    assert rows == [("r1", "failed", ""), ("r2", "", "skipped"), ("r1", "", "failed")]


def test_a_message_covers_what_its_reminder_named_until_a_claim_leaves_some_of_it_out() -> None:
    story = sent(due(item("i1"), item("i2")), balance("i2", 0, 1))
    assert [row.invoice_ids for row in story.wrote(MessageRow)][:1] == ['["i1","i2"]']
