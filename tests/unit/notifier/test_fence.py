"""When a stop is acknowledged, what its receipt says, and that there is one for each stop whatever comes again."""

from datetime import UTC, timedelta

from paycue.events.v1 import account_pb2, payment_pb2, stop_pb2
from paycue.receipt import Receipt
from services.notifier.domain.commands import OptOut
from tests.unit.notifier.story import MAIL, NOW, WHO, Story, account, applied, contested, due, item, money, registered, sent


def ids(story: Story) -> list[str]:
    return [receipt.stop_id for receipt in story.receipts()]


def seconds(story: Story) -> float:
    """How long after the closure the last receipt was given."""
    receipt = story.receipts()[-1]
    return (receipt.effective_at.ToDatetime(UTC) - receipt.accepted_at.ToDatetime(UTC)).total_seconds()


def test_a_stop_with_nothing_under_way_is_acknowledged_in_the_same_decision() -> None:
    story = Story([account(MAIL)])
    story.tell(money("p1", "i1"), "event-9")
    (receipt,) = story.receipts()
    assert (receipt.stop_id, receipt.kind, receipt.cause, receipt.taken_by) == ("event-9", stop_pb2.STOP_KIND_PAYMENT, "payment:p1", "")
    assert [*receipt.invoice_ids] == ["i1"]
    assert not receipt.calls_in_flight
    assert seconds(story) == 0


def test_a_stop_waits_for_the_call_that_was_claimed_before_it() -> None:
    story = sent()
    story.tell(money("p1", "i1"), "event-9")
    assert ids(story) == []
    story.at(2).ended("accepted")
    assert ids(story) == ["event-9"]
    assert not story.receipts()[0].calls_in_flight
    assert seconds(story) == 2


def test_after_five_seconds_a_stop_is_acknowledged_with_the_calls_that_have_not_ended() -> None:
    story = sent()
    story.tell(money("p1", "i1"), "event-9")
    story.at(4.9)
    assert ids(story) == []
    story.at(5)
    (receipt,) = story.receipts()
    assert [*receipt.calls_in_flight] == [story.sends()[0].call_id]
    assert receipt.none_started_after.ToDatetime(UTC) == NOW + timedelta(seconds=story.standing.start_by_seconds)
    story.ended("accepted")
    assert ids(story) == ["event-9"]


def test_a_call_whose_outcome_is_unknown_is_under_way_until_its_message_can_not_arrive_any_more() -> None:
    story = sent().ended("unknown")
    story.tell(money("p1", "i1"), "event-9")
    assert ids(story) == []
    assert [*story.at(5).receipts()[0].calls_in_flight] == [story.sends()[0].call_id]
    later = sent().ended("unknown").at(story.standing.lease_seconds + 1)
    later.tell(money("p1", "i1"), "event-9")
    assert not later.receipts()[0].calls_in_flight


def test_a_stop_of_another_invoice_does_not_wait() -> None:
    story = sent()
    story.tell(money("p1", "i7"), "event-9")
    assert ids(story) == ["event-9"]


def test_a_fact_its_answer_and_both_again_are_one_stop() -> None:
    for order in ([0, 1], [1, 0], [0, 1, 0, 1], [1, 1, 0]):
        story = Story([account(MAIL)])
        told = [(money("p1", "i1"), "event-9"), (applied("p1", "event-9"), "event-10")]
        for which in order:
            story.tell(*told[which])
        assert ids(story) == ["event-9"]


def test_a_payment_and_a_dispute_of_one_event_id_are_two_stops() -> None:
    story = Story([account(MAIL)])
    story.tell(money("p1", "i1"), "event-9")
    story.tell(contested("d1", "i1"), "event-9")
    assert [receipt.kind for receipt in story.receipts()] == [stop_pb2.STOP_KIND_PAYMENT, stop_pb2.STOP_KIND_DISPUTE]


def test_what_a_service_was_asked_is_acknowledged_for_that_service() -> None:
    story = Story([account(MAIL)])
    story.tell(applied("p1", "command-1"))
    story.tell(registered("d1", "i1", "command-2"))
    story.tell(account_pb2.AccountState(**WHO, version=1, paused=True, stop_id="command-3"))
    story.tell(payment_pb2.CreditNoteApplied(**WHO, credit_note_id="c1", invoice_id="i1", cause_id="command-4"))
    assert [receipt.taken_by for receipt in story.receipts()] == ["payments", "disputes", "scheduler", "payments"]
    assert ids(story) == ["command-1", "command-2", "command-3", "command-4"]


def test_a_pause_that_ends_is_no_stop() -> None:
    story = Story([account(MAIL)])
    story.tell(account_pb2.AccountState(**WHO, version=2))
    assert ids(story) == []


def test_an_opt_out_waits_for_a_mail_to_its_own_address_alone_and_is_kept_for_its_answer() -> None:
    story = sent()
    story.tell(OptOut("other@debtors.example", "email", "person", "letter"), "command-1")
    story.tell(OptOut(MAIL, "email", "person", "letter"), "command-2")
    assert ids(story) == ["command-1"]
    story.ended("accepted")
    assert [row.stop_id for row in story.wrote(Receipt)] == ["command-1", "command-2"]


def test_opting_out_again_is_acknowledged_again() -> None:
    story = Story([account(MAIL)])
    for cause in ("command-1", "command-2"):
        story.tell(OptOut(MAIL, "email", "person", "letter"), cause)
    assert ids(story) == ["command-1", "command-2"]


def test_a_claim_after_the_stop_is_none_of_its_business() -> None:
    story = Story([account(MAIL), due(item("i1"), item("i2"))])
    story.tell(money("p1", "i1"), "event-9")
    assert ids(story.timers()) == ["event-9"]
    assert {line.invoice_id for line in story.sends()[0].lines} == {"i2"}
