"""What comes next for an account, when, and what holds it."""

from datetime import UTC, date, datetime

from paycue.events.v1 import message_pb2
from services.scheduler.domain.commands import PauseAccount
from services.scheduler.domain.rows import Outcome
from services.scheduler.domain.why import explain
from tests.unit.scheduler.desk import WHO, balance, desk, dispute, issued


def test_it_names_the_next_step_of_every_open_item_and_when_it_opens() -> None:
    d = desk()
    d.at("2013-01-01T00:00").fold(issued("I1"), issued("I2", due_on="2013-01-20"), issued("I3"), balance("settled", 1, invoice="I3"))
    why = explain(d.state, d.moment)
    assert [(step.invoice_id, step.step, step.on, step.held_by) for step in why.next_steps] == [
        ("I2", "due-7d", date(2013, 1, 13), ""),
        ("I1", "due-7d", date(2013, 1, 25), ""),
    ]
    assert why.next_action_at == why.next_steps[0].opens_at == datetime(2013, 1, 13, 9, tzinfo=UTC)
    assert (why.policy, why.policy_version, why.holds, why.silent_because) == ("standard", 1, (), "")


def test_it_names_every_hold() -> None:
    d = desk(suspended="fees unpaid")
    d.at("2013-01-01T00:00").fold(issued(), dispute("registered"), PauseAccount("asked to wait"))
    why = explain(d.state, d.moment)
    assert why.holds[0].reasons == ("dispute D1", "account paused: asked to wait", "creditor suspended: fees unpaid")
    assert why.next_steps[0].held_by == "disputed"


def test_it_says_why_nothing_comes() -> None:
    d = desk()
    assert explain(d.state, d.moment).silent_because == "nothing_open"
    d.at("2013-01-01T00:00").fold(issued())
    d.at("2013-06-01T00:00")
    assert explain(d.state, d.moment).silent_because == "ladder_done"
    d.standing = type(d.standing)()
    assert explain(d.state, d.moment).silent_because == "no_policy"


def test_a_step_that_waits_for_the_gap_says_until_when() -> None:
    d = desk(steps=[("due", "friendly")], minimum_gap="5d")
    d.at("2013-01-01T00:00").fold(issued("I1", due_on="2013-01-10"), issued("I2", due_on="2013-01-12"))
    d.at("2013-01-12T10:00")
    why = explain(d.state, d.moment)
    assert (why.free_from, why.next_steps[0].opens_at) == (date(2013, 1, 15), datetime(2013, 1, 15, 9, tzinfo=UTC))


def test_what_became_of_a_reminder_is_written_down_and_changes_nothing() -> None:
    d = desk()
    before = d.state
    d.fold(
        message_pb2.ReminderFailed(**WHO, reminder_id="R", reason="bounced"),
        message_pb2.ReminderSkipped(**WHO, reminder_id="R", reason="no_contact"),
        message_pb2.ReminderExpired(**WHO, reminder_id="R", reason="stop_unresolved"),
        message_pb2.ReminderUnknown(**WHO, reminder_id="R"),
    )
    assert d.state is before
    assert [(row.outcome, row.reason) for row in d.rows if isinstance(row, Outcome)] == [
        ("failed", "bounced"),
        ("skipped", "no_contact"),
        ("expired", "stop_unresolved"),
        ("unknown", ""),
    ]
