"""Each call stands for itself: what is heard of another one, late, early or under another clock, decides nothing about it."""

from datetime import UTC, timedelta

import pytest
from msgspec.structs import replace

from paycue.decision import Refused, TimerFired
from paycue.events.v1 import stop_pb2
from paycue.receipt import Receipt
from services.notifier.domain.commands import CallFound, DeliveryReported, OptIn, OptOut, Resend, SetContactPoint
from services.notifier.domain.rows import ConsentRow
from services.notifier.domain.said import Said
from services.notifier.domain.stops import OVERDUE
from services.notifier.settings import NotifierSettings
from services.notifier.store import lease_seconds
from tests.unit.notifier.story import (
    LEASE,
    MAIL,
    NOW,
    OTHER_MAIL,
    PHONE,
    STANDING,
    Story,
    account,
    applied,
    balance,
    due,
    item,
    money,
    paused,
    rejected,
    sent,
)


def two_under_way() -> Story:
    """A second message is claimed two seconds after the first."""
    story = sent()
    story.now = NOW + timedelta(seconds=2)
    story.tell(due(item("i2"), key="r2"))
    return story.timers()


def test_a_stop_of_the_account_names_every_call_and_the_last_instant_at_which_one_may_start() -> None:
    story = two_under_way()
    story.tell(money("p1"), "event-9")
    (receipt,) = story.at(7).receipts()
    assert [*receipt.calls_in_flight] == [send.call_id for send in story.sends()]
    assert receipt.none_started_after.ToDatetime(UTC) == NOW + timedelta(seconds=2 + STANDING.start_by_seconds)


def test_a_call_in_flight_is_bound_by_the_clock_that_claimed_it() -> None:
    story = sent()
    story.tell(money("p1", "i1"), "event-9")
    ahead = story.at(5).receipts()[0]
    behind = sent()
    behind.now = NOW - timedelta(minutes=5)
    behind.tell(money("p1", "i1"), "event-9")
    behind.now += timedelta(seconds=5)
    assert behind.timers().receipts()[0].none_started_after == ahead.none_started_after


def test_only_the_stops_that_the_notifier_took_are_answered_by_it() -> None:
    story = Story([account(MAIL)])
    story.tell(money("p1", "i1"), "event-9")
    assert story.receipts()
    assert not story.wrote(Receipt)
    story.tell(OptOut(MAIL, "email", "person", "phone call"), "request-1")
    assert [row.stop_id for row in story.wrote(Receipt)] == ["request-1"]


def test_a_stop_wakes_its_account_when_it_is_overdue_though_no_message_waits() -> None:
    assert Story([money("p1", "i1")]).gate.next_action_at == NOW + OVERDUE


def test_a_cause_that_was_resolved_never_stops_again_though_it_is_told_as_late_as_topics_are_kept() -> None:
    story = Story([account(MAIL)])
    story.tell(money("p1", "i1"), "event-9")
    story.tell(applied("p1", "event-9"))
    story.now += timedelta(days=95)
    story.tell(balance("i7", 1, 1, cause="p7"))
    story.tell(money("p1", "i1"), "event-9")
    assert story.gate.stops == ()


def test_a_claim_covers_the_newest_amount_under_its_version() -> None:
    story = Story([account(MAIL), balance("i1", 123, 4), due()]).timers()
    assert [(line.open_minor, line.balance_version) for line in story.sends()[0].lines] == [(123, 4)]


def test_every_try_is_a_call_of_its_own() -> None:
    story = sent().ended("not_started")
    assert len({send.call_id for send in story.sends()}) == len(story.sends()) == 2


def test_nobody_can_tell_is_no_reason_to_send_again_however_late_it_is_said() -> None:
    story = sent().ended("unknown").at(LEASE + 3600).looked("cannot_tell")
    assert len(story.sends()) == 1


@pytest.mark.parametrize("found", ["accepted", "not_accepted"])
def test_what_is_found_of_an_older_call_says_nothing_of_the_present_one(found: str) -> None:
    story = sent().ended("unknown").at(900)
    old = story.finds()[-1]
    story.tell(Resend("r1", "the debtor says that nothing came"))
    story.timers().ended("unknown")
    story.tell(CallFound("r1", old.send.call_id, found, story.now))  # type: ignore[arg-type]
    assert story.timers().message().status == "unknown"
    assert len(story.sends()) == 2


@pytest.mark.parametrize("status", ["delivered", "undelivered"])
def test_a_report_on_an_older_call_says_nothing_of_the_present_one(status: str) -> None:
    story = Story([account(PHONE), due()]).timers().ended("retry", "twilio_429").at(30)
    first, second = story.sends()
    story.tell(DeliveryReported("r1", first.call_id, PHONE, "SM1", status, "30003"))  # type: ignore[arg-type]
    assert (story.message().status, story.message().call_id) == ("claimed", second.call_id)
    story.ended("unknown").tell(DeliveryReported("r1", first.call_id, PHONE, "SM1", status, "30003"))  # type: ignore[arg-type]
    assert story.message().status == "unknown"


def test_a_provider_that_asks_for_more_time_than_there_is_lets_the_message_expire_in_time() -> None:
    story = Story([account(PHONE), due(until=timedelta(hours=1))]).timers().ended("retry", "twilio_429", retry_after=90_000)
    assert story.at(3600).outcomes() == ["expired too_late"]


def test_a_message_that_a_person_has_sent_again_leaves_within_the_hour_or_not_at_all() -> None:
    story = Story([account(MAIL), due(until=timedelta(minutes=10))]).timers().ended("unknown").at(900)
    story.tell(money("p1", "i1"), "event-9")
    story.tell(Resend("r1", "the debtor says that nothing came"))
    assert story.timers().at(900 + 3601).outcomes() == ["unknown", "expired stop_unresolved"]


def test_a_bounce_does_not_turn_an_opt_out_into_something_less() -> None:
    story = Story([account(PHONE), due()]).timers()
    story.tell(OptOut(PHONE, "sms", "reply", "SM1"))
    story.report("undelivered", "30006")
    assert [one.why for one in story.gate.suppressed] == ["opted_out"]


def test_an_opt_in_of_one_address_leaves_every_other_opted_out() -> None:
    story = Story([account(MAIL, PHONE), OptOut(MAIL, "email", "person", "a"), OptOut(PHONE, "sms", "person", "b")])
    story.tell(OptIn(MAIL, "email", "person", "phone call"))
    assert [one.address for one in story.gate.suppressed] == [PHONE]
    assert [(row.address, row.granted) for row in story.wrote(ConsentRow)] == [(MAIL, False), (PHONE, False), (MAIL, True)]


def test_an_address_that_a_person_adds_comes_first_and_replaces_itself_alone() -> None:
    story = Story([account(MAIL, PHONE)])
    for address in (OTHER_MAIL, MAIL):
        story.tell(SetContactPoint("email", address, "consent", "form"))
    assert [one.address for one in story.gate.contacts] == [MAIL, OTHER_MAIL, PHONE]
    assert story.gate.contacts[0].basis == "consent"


def test_an_account_has_so_many_contact_points_and_no_more() -> None:
    story = Story([SetContactPoint("email", f"a{n}@debtors.example", "consent", "form") for n in range(50)])
    with pytest.raises(Refused) as refused:
        story.tell(SetContactPoint("email", OTHER_MAIL, "consent", "form"))
    assert (refused.value.status, len(story.gate.contacts)) == (409, 50)
    story.tell(SetContactPoint("email", "a3@debtors.example", "contract", "form"))
    assert len(story.gate.contacts) == 50


def test_an_older_version_of_an_account_changes_nothing() -> None:
    story = Story([account(OTHER_MAIL, version=2), account(MAIL, version=1), due()]).timers()
    assert story.recipients() == [OTHER_MAIL]


def test_an_older_state_of_an_account_pauses_and_resumes_nothing() -> None:
    story = Story([account(MAIL), paused(2, whole=True), paused(1), due()]).timers()
    assert story.outcomes() == ["skipped paused"]


def test_a_lease_outlasts_all_that_a_call_may_take_and_the_difference_of_two_clocks() -> None:
    told = {"database_url": "postgresql://nobody@nowhere/none", "kafka": "nowhere:9092", "secret": "0123456789abcdefghijklmnopqrstuv"}
    settings = NotifierSettings(**told, public_url="https://pay.example.com", clock_skew_seconds=300)  # type: ignore[arg-type]
    assert lease_seconds(settings) == 3 + 600 + 300
    assert lease_seconds(settings.model_copy(update={"smtp_final_reply_seconds": 5.0})) == 3 + 2 * 30 + 300


def test_an_answer_counts_for_nothing_before_the_lease_is_over_by_the_clock_of_whoever_asks() -> None:
    patient = replace(STANDING, lease_seconds=900.0)
    story = Story([account(MAIL), due()], standing=patient).timers().ended("unknown").at(899)
    story.tell(CallFound("r1", story.sends()[0].call_id, "not_accepted", story.now))
    assert story.message().status == "unknown"


def test_a_number_that_asked_us_to_stop_before_anybody_had_it_is_not_written_to_and_a_later_consent_stands() -> None:
    story = Story([due(), account(PHONE)], standing=replace(STANDING, refused={PHONE: Said("twilio:SM1", "reply", "SM1: STOP")}))
    assert story.timers().outcomes() == ["skipped opted_out"]
    assert [(row.address, row.granted, row.evidence) for row in story.wrote(ConsentRow)] == [(PHONE, False, "SM1: STOP")]
    story.tell(OptIn(PHONE, "sms", "person", "phone call"))
    story.tell(account(MAIL, version=2))
    story.tell(account(PHONE, version=3))
    assert story.gate.suppressed == ()
    story.tell(SetContactPoint("sms", PHONE, "consent", "form 7"))
    assert story.gate.suppressed == ()


def test_a_consent_that_is_recorded_does_not_undo_what_the_number_said_before() -> None:
    story = Story(standing=replace(STANDING, refused={PHONE: Said("twilio:SM1", "reply", "SM1: STOP")}))
    answer = story.tell(SetContactPoint("sms", PHONE, "consent", "form 7")).answer
    assert answer["suppressed"] == "opted_out"


def test_a_suspension_is_acknowledged_once_by_an_account_that_had_a_message_on_its_way() -> None:
    story = sent()
    story.standing = replace(STANDING, suspended="contract ended", suspension_id="told-1")
    story.tell(TimerFired())
    assert story.receipts() == []
    story.ended("accepted")
    (receipt,) = story.receipts()
    assert (receipt.stop_id, receipt.kind, receipt.cause) == ("told-1", stop_pb2.STOP_KIND_SUSPENSION, "suspension")
    assert [*receipt.calls_in_flight] == []
    story.tell(TimerFired())
    assert len(story.receipts()) == 1


def test_a_suspension_does_not_wait_for_a_call_that_takes_long_but_names_it() -> None:
    story = sent()
    story.standing = replace(STANDING, suspended="contract ended", suspension_id="told-1")
    story.tell(TimerFired())
    (receipt,) = story.at(5).receipts()
    assert [*receipt.calls_in_flight] == [send.call_id for send in story.sends()]


def test_an_account_with_nothing_on_its_way_says_nothing_of_a_suspension() -> None:
    story = Story([account(MAIL)], standing=replace(STANDING, suspended="contract ended", suspension_id="told-1"))
    story.tell(TimerFired())
    assert story.receipts() == []


def test_what_waited_for_a_stop_waits_for_its_next_try_too_whatever_the_gate_hears_meanwhile() -> None:
    story = Story([account(PHONE)])
    story.tell(money("p1", "i1"), "e1")
    story.tell(due())
    assert story.timers().sends() == []
    story.tell(rejected("p1", "e1"))
    story.timers().ended("retry", "twilio_429", retry_after=600)
    story.tell(balance("i1", 4000, 1))
    assert len(story.timers().sends()) == 1
    assert len(story.at(601).sends()) == 2


def test_a_call_that_certainly_did_not_leave_is_not_in_flight() -> None:
    story = Story([account(PHONE), due()]).timers().ended("retry", "twilio_429", retry_after=600)
    story.tell(money("p1"))
    assert [list(receipt.calls_in_flight) for receipt in story.receipts()] == [[]]


def test_a_call_says_in_whose_hours_and_for_whom_it_is_made_as_far_as_anybody_knows() -> None:
    told, unnamed = account(PHONE), replace(STANDING, creditor_name="", zone="Europe/Vienna")
    (send,) = Story([told, due()], standing=unnamed).timers().sends()
    assert (send.zone, send.creditor_name) == ("UTC", "acme")
    told.zone = ""
    (send,) = Story([told, due()], standing=replace(unnamed, creditor_name="Acme Ltd")).timers().sends()
    assert (send.zone, send.creditor_name) == ("Europe/Vienna", "Acme Ltd")
