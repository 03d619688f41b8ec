"""A message's way out: once, to somebody who may be written to, and to an end that is told."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from paycue.decision import Refused, TimerFired
from paycue.events.v1 import account_pb2, reminder_pb2
from services.notifier.domain.commands import CallFound, OptIn, OptOut, Resend, SetContactPoint
from services.notifier.domain.gate import EVERYTHING
from services.notifier.domain.rows import ConsentRow, MessageRow, ReportRow
from tests.unit.notifier.story import (
    EMAIL,
    LEASE,
    MAIL,
    NOW,
    OTHER_MAIL,
    PHONE,
    SMS,
    STANDING,
    Story,
    account,
    balance,
    due,
    item,
    money,
    sent,
)


def test_a_reminder_that_comes_again_is_one_message_before_and_after_its_end() -> None:
    story = sent()
    story.tell(due())
    story.ended("accepted").tell(due())
    assert len(story.timers().sends()) == 1
    assert story.outcomes() == ["sent"]
    assert [row.status for row in story.wrote(MessageRow)] == ["pending", "claimed", "sent"]


def test_the_row_that_opens_a_message_is_its_first_and_no_other() -> None:
    waited, ended = sent().ended("accepted"), Story([account(), due()]).timers()
    assert [row.opens for row in waited.wrote(MessageRow)] == [True, False, False]
    assert [(row.opens, row.status) for row in ended.wrote(MessageRow)] == [(True, "pending"), (False, "skipped")]


def test_what_leaves_a_message_standing_as_before_is_a_row_without_a_status() -> None:
    story = sent().ended("unknown", "timeout")
    while not story.finds():
        story.at(61).timers()
    story.looked("cannot_tell")
    assert [(row.what, row.status) for row in story.wrote(MessageRow)][-1] == ("found_cannot_tell", "")


def with_room(*facts: object) -> Story:
    """An account of which a reminder may be claimed as soon as it is folded."""
    story = Story([account(MAIL), *facts])
    story.room = 1
    return story


def test_a_reminder_that_may_leave_is_claimed_in_the_decision_that_takes_it_in() -> None:
    story = with_room()
    story.tell(due())
    assert [row.status for row in story.wrote(MessageRow)] == ["claimed"]
    assert len(story.sends()) == 1
    story.tell(due())
    assert len(story.timers().sends()) == 1


def test_a_reminder_that_finds_a_stop_waits_although_there_is_room() -> None:
    story = with_room(money("p1", "i1"))
    story.tell(due())
    assert story.message().waiting
    assert story.sends() == []


def test_while_a_stop_feed_is_stale_nothing_is_claimed_and_the_message_says_why() -> None:
    story = with_room()
    story.fresh = False
    story.tell(due())
    assert story.at(5).sends() == []
    assert story.wrote(MessageRow)[-1].reason == "stop_feed_stale"
    story.fresh = True
    assert len(story.at(20).sends()) == 1


def test_a_message_that_was_never_safe_to_send_expires_for_that_reason() -> None:
    story = Story([account(MAIL)])
    story.fresh = False
    story.tell(due(until=timedelta(seconds=30)))
    assert story.at(60).outcomes() == ["expired stop_feed_stale"]


def test_a_reminder_too_old_for_its_mark_is_taken_for_a_replay() -> None:
    story = sent().ended("accepted").at(200 * 86400)
    story.tell(balance("i1", 4000, 1))
    story.tell(due())
    assert story.gate.messages == ()
    assert story.outcomes() == ["sent"]


def test_what_may_leave_is_claimed_before_it_is_called_with_what_is_open_now() -> None:
    story = sent(balance("i1", 1200, 1))
    (send,) = story.sends()
    assert (send.channel, send.recipient, send.lines[0].open_minor) == ("email", MAIL, 1200)
    assert story.message().status == "claimed"
    assert [(row.what, row.status) for row in story.wrote(MessageRow)] == [("", "pending"), ("claimed", "claimed")]


def test_what_certainly_did_not_leave_is_tried_again_ever_later() -> None:
    story, tries = sent(), []
    for seconds in (30, 150, 750, 2550, 6150):
        story.ended("retry", "smtp_451").at(seconds - 1)
        tries.append(len(story.sends()))
        story.at(seconds)
    assert tries == [1, 2, 3, 4, 5]
    assert len(story.sends()) == 6


def test_after_its_last_retry_a_message_takes_the_next_channel() -> None:
    story = sent()
    for seconds in (30, 150, 750, 2550, 6150):
        story.ended("retry", "smtp_451").at(seconds)
    assert story.ended("retry", "smtp_451").recipients()[-1] == PHONE


def test_a_message_without_another_channel_is_tried_until_it_expires() -> None:
    story = Story([account(MAIL), due()]).timers()
    while story.gate.messages:
        story.ended("retry", "smtp_451")
        assert story.gate.next_action_at is not None
        story.at((story.gate.next_action_at - NOW).total_seconds())
    assert story.outcomes() == ["expired too_late"]
    assert story.gate.next_action_at is None


def test_a_provider_that_asks_for_time_gets_it() -> None:
    story = sent().ended("retry", "twilio_429", retry_after=77).at(76)
    assert len(story.sends()) == 1
    assert len(story.at(77).sends()) == 2


def test_a_call_that_was_too_late_to_start_goes_back_to_the_gate_at_once() -> None:
    assert len(sent().ended("not_started", "start_by_passed").sends()) == 2


def test_a_definite_failure_takes_the_next_address_and_then_the_next_channel() -> None:
    story = Story([account(MAIL, OTHER_MAIL, PHONE), due()]).timers()
    story.ended("failed", "smtp_550_5.7.1").ended("failed", "smtp_550_5.7.1").ended("failed", "twilio_30003")
    assert story.recipients() == [MAIL, OTHER_MAIL, PHONE]
    assert story.outcomes() == ["failed twilio_30003"]


def test_the_order_of_channels_is_the_reminders() -> None:
    assert Story([account(MAIL, PHONE), due(channels=(SMS, EMAIL))]).timers().recipients() == [PHONE]


@pytest.mark.parametrize("reason", ["smtp_550_5.1.1", "invalid_number", "twilio_30006", "opted_out"])
def test_a_dead_address_is_never_written_to_again(reason: str) -> None:
    story = sent().ended("failed", reason).ended("accepted")
    story.tell(due(key="r2"))
    assert story.timers().recipients() == [MAIL, PHONE, PHONE]


def test_a_refused_mail_does_not_condemn_its_address() -> None:
    story = sent().ended("failed", "smtp_554_5.7.1").ended("accepted")
    story.tell(due(key="r2"))
    assert story.timers().recipients() == [MAIL, PHONE, MAIL]


def test_an_account_that_nothing_is_known_of_is_waited_for() -> None:
    story = Story([due()]).timers()
    assert story.message().waiting
    assert story.outcomes() == []
    story.tell(account(MAIL))
    assert story.timers().recipients() == [MAIL]
    assert Story([due()]).at(9 * 3600).outcomes() == ["expired no_contact"]


def test_an_account_without_an_address_is_skipped() -> None:
    assert Story([account(), due()]).timers().outcomes() == ["skipped no_contact"]
    # It is told already, whatever its ERP counts from: nothing is waited for.
    assert Story([account(version=0), due()]).timers().outcomes() == ["skipped no_contact"]
    assert Story([account(PHONE), due(channels=(EMAIL,))]).timers().outcomes() == ["skipped no_contact"]


def test_a_channel_that_is_not_installed_is_passed_over() -> None:
    only_mail = replace(STANDING, channels=frozenset(["email"]))
    assert Story([account(PHONE), due()], standing=only_mail).timers().outcomes() == ["skipped channel_unavailable"]
    assert Story([account(PHONE, MAIL), due(channels=(SMS, EMAIL))], standing=only_mail).timers().recipients() == [MAIL]


def test_nothing_leaves_for_a_creditor_who_is_suspended_or_not_known_yet() -> None:
    story = Story([account(MAIL), due()], standing=replace(STANDING, suspended="left")).timers()
    assert story.outcomes() == ["skipped creditor_suspended"]
    story = Story([account(MAIL), due()], standing=replace(STANDING, registered=False)).timers()
    assert story.message().waiting
    story.standing = STANDING
    story.now += timedelta(seconds=1)
    assert story.gate.next_action_at is not None
    assert story.gate.next_action_at > story.now
    story.tell(TimerFired())
    assert story.timers().recipients() == [MAIL]


def test_whoever_opted_out_is_not_written_to_and_the_other_channel_is() -> None:
    story = Story([account(MAIL, PHONE), OptOut(MAIL.upper(), "email", "one_click", "token"), due()]).timers()
    assert story.recipients() == [PHONE]
    assert [(row.address, row.granted) for row in story.wrote(ConsentRow)] == [(MAIL, False)]


def test_an_opt_out_withdraws_what_waits_for_another_try() -> None:
    story = Story([account(MAIL), due()]).timers().ended("retry", "smtp_451")
    story.tell(OptOut(MAIL, "email", "person", "phone call"))
    assert story.outcomes() == ["skipped opted_out"]


def test_an_opt_out_of_the_account_holds_for_addresses_to_come() -> None:
    story = Story([OptOut(EVERYTHING, "", "person", "letter"), account(MAIL, PHONE), due()]).timers()
    assert story.outcomes() == ["skipped opted_out"]
    story.tell(OptIn(EVERYTHING, "", "person", "phone call"))
    story.tell(due(key="r2"))
    assert story.timers().recipients() == [MAIL]


def test_the_same_reply_again_does_not_undo_a_later_consent() -> None:
    story = Story([account(PHONE)])
    story.tell(OptOut(PHONE, "sms", "reply", "SM1"), "reply-1")
    story.tell(OptIn(PHONE, "sms", "person", "phone call"))
    story.tell(OptOut(PHONE, "sms", "reply", "SM1"), "reply-1")
    assert story.gate.suppressed == ()
    assert len(story.wrote(ConsentRow)) == 2


def test_only_what_was_opted_out_can_be_opted_in() -> None:
    with pytest.raises(Refused, match="not opted out"):
        Story([account(MAIL), OptIn(MAIL, "email", "person", "phone call")])


def test_a_recorded_consent_outlives_the_facts_of_the_erp() -> None:
    story = Story([account(MAIL), SetContactPoint("sms", PHONE, "consent", "form 7"), account(OTHER_MAIL, PHONE, version=2)])
    assert [(contact.address, contact.basis) for contact in story.gate.contacts] == [(PHONE, "consent"), (OTHER_MAIL, "account_fact")]


def test_an_unknown_call_is_looked_for_on_schedule_and_sent_when_found() -> None:
    story = sent().ended("unknown", "smtp_after_dot").at(59)
    assert story.finds() == []
    assert story.outcomes() == ["unknown"]
    assert len(story.at(60).finds()) == 1
    story.looked("cannot_tell").at(299)
    assert len(story.finds()) == 1
    story.at(300).looked("accepted")
    assert story.outcomes() == ["unknown", "sent"]
    assert len(story.sends()) == 1


def test_not_accepted_counts_only_once_the_message_cannot_be_under_way() -> None:
    story = sent().ended("unknown").at(60).looked("not_accepted").at(300).looked("not_accepted")
    assert len(story.sends()) == 1, f"it may arrive until {LEASE} s after its claim"
    assert len(story.at(900).looked("not_accepted").sends()) == 2


def test_not_accepted_after_the_reminder_has_expired_is_not_sent_again() -> None:
    story = Story([account(MAIL), due(until=timedelta(minutes=10))]).timers().ended("unknown").at(900).looked("not_accepted")
    assert story.outcomes() == ["unknown", "expired too_late"]
    assert len(story.sends()) == 1


def test_what_nobody_can_tell_of_stays_unknown_for_good_and_is_never_sent_again() -> None:
    story = sent().ended("unknown").at(3 * 86400)
    assert len(story.finds()) == len(STANDING.find_after)
    assert len(story.sends()) == 1
    assert story.outcomes() == ["unknown"]
    assert story.wrote(MessageRow)[-1].status == "unknown"
    assert story.gate.next_action_at is None


def test_a_claim_whose_owner_died_becomes_unknown_and_is_not_sent_again() -> None:
    story = sent().at(LEASE - 1)
    assert story.message().status == "claimed"
    assert story.at(LEASE).message().status == "unknown"
    assert len(story.sends()) == 1
    assert len(story.at(LEASE + 60).looked("not_accepted").sends()) == 2


def test_a_late_acceptance_counts_even_after_it_was_given_up() -> None:
    assert sent().at(LEASE).ended("accepted").outcomes() == ["unknown", "sent"]


def test_an_acceptance_that_comes_before_the_second_try_withdraws_it() -> None:
    story = sent().at(LEASE + 60)
    find = story.finds()[-1]
    story.tell(CallFound("r1", find.send.call_id, "not_accepted", find.asked_at))
    assert story.message().status == "pending"
    assert story.ended("accepted").outcomes() == ["unknown", "sent"]
    assert len(story.sends()) == 1


def test_an_outcome_of_an_older_call_is_history_only() -> None:
    story = sent().ended("retry", "smtp_451").at(30).ended("accepted", call=0)
    assert story.message().status == "claimed"
    assert story.wrote(MessageRow)[-1].what == "late_accepted"


def test_a_report_on_an_unknown_call_resolves_it() -> None:
    assert sent().ended("unknown").report("delivered").outcomes() == ["unknown", "sent"]


def test_a_report_that_an_unknown_call_was_not_delivered_takes_the_next_channel() -> None:
    story = Story([account(PHONE, MAIL), due(channels=(SMS, EMAIL))]).timers().ended("unknown").report("undelivered", "30003")
    assert story.recipients() == [PHONE, MAIL]


def test_a_report_that_overtakes_the_calls_own_outcome_ends_the_message_once() -> None:
    story = sent().report("queued").ended("accepted")
    assert story.outcomes() == ["sent"]
    assert story.wrote(MessageRow)[-1].what == "late_accepted"


def test_a_report_of_a_dead_number_after_the_message_was_sent_suppresses_it() -> None:
    story = Story([account(PHONE), due()]).timers().ended("accepted").report("undelivered", "30006").report("undelivered", "30006")
    story.tell(due(key="r2"))
    assert story.timers().outcomes() == ["sent", "skipped undeliverable"]
    assert [row.status for row in story.wrote(ReportRow)] == ["undelivered", "undelivered"]


def test_a_person_may_resend_what_is_unknown_and_nothing_else() -> None:
    story = sent().ended("unknown")
    story.tell(Resend("r1", "the debtor says that nothing came"))
    assert len(story.timers().sends()) == 2
    with pytest.raises(Refused, match="unknown"):
        story.tell(Resend("r1", "again"))


def test_a_lookup_of_a_call_that_was_resent_changes_nothing() -> None:
    story = sent().ended("unknown").at(900)
    story.tell(Resend("r1", "the debtor says that nothing came"))
    assert len(story.timers().looked("not_accepted").sends()) == 2


def test_a_lookup_uses_the_sender_of_the_claim() -> None:
    story = sent().ended("unknown")
    story.standing = replace(STANDING, sender_email="new@acme.example")
    assert story.at(60).finds()[-1].send.sender == "us@acme.example"


def test_a_reminder_of_a_stage_or_channel_from_the_future_is_poison() -> None:
    with pytest.raises(ValueError, match="channel is 7"):
        Story([due(item("i1"), channels=(7,))])


def test_the_gate_stays_small() -> None:
    story = Story([account(MAIL, PHONE)])
    for n in range(500):
        story.now += timedelta(days=7)
        story.tell(balance(f"i{n}", 0, 2, cause=f"p{n}"))
        story.tell(balance(f"i{n}", 500, 1, cause=f"q{n}"))
    assert len(msgspec.msgpack.encode(story.gate)) < 2_000


def due_within(opens: str, closes: str, *, working_days: bool = False, key: str = "r1") -> reminder_pb2.ReminderDue:
    told = due(key=key, until=timedelta(days=4))
    told.window_from, told.window_to, told.working_days = opens, closes, working_days
    return told


def in_zone(name: str, version: int = 1) -> account_pb2.AccountRegistered:
    told = account(MAIL, version=version)
    told.zone = name
    return told


def test_a_zone_that_is_known_only_after_the_decision_moves_the_message_into_the_debtors_hours() -> None:
    story = Story([due_within("08:00", "18:00"), in_zone("America/New_York")]).timers()
    assert (story.message().waiting, story.gate.next_action_at) == (True, NOW.replace(hour=13))
    assert story.at(4 * 3600 - 1).sends() == []
    assert story.at(4 * 3600).recipients() == [MAIL]


def test_a_message_whose_debtor_turns_out_to_live_elsewhere_waits_for_the_hours_there() -> None:
    story = Story([in_zone("America/New_York"), due_within("08:00", "18:00")]).timers()
    story.tell(in_zone("America/Chicago", version=2))
    assert story.timers().gate.next_action_at == NOW.replace(hour=14)
    story.tell(in_zone("Europe/Vienna", version=3))
    assert story.timers().recipients() == [MAIL]


def test_a_message_whose_hours_do_not_come_before_it_expires_is_not_sent() -> None:
    told = due(until=timedelta(hours=2))
    told.window_from, told.window_to = "08:00", "18:00"
    assert Story([in_zone("America/New_York"), told]).at(3 * 3600).outcomes() == ["expired too_late"]


def test_on_a_weekend_where_the_debtor_lives_a_working_days_message_waits_for_monday() -> None:
    story = Story([in_zone("Pacific/Auckland"), due_within("00:00", "00:00", working_days=True)])
    story.now = datetime(2013, 3, 1, 12, tzinfo=UTC)  # A Saturday there already.
    assert story.timers().gate.next_action_at == datetime(2013, 3, 3, 11, tzinfo=UTC)


def test_whoever_has_an_unknown_message_sent_again_has_it_sent_at_any_hour() -> None:
    story = Story([in_zone("UTC"), due_within("08:00", "09:05")]).timers().ended("unknown").at(900)
    story.tell(Resend("r1", "the debtor says that nothing came"))
    assert len(story.timers().sends()) == 2
