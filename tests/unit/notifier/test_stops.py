"""What closes the gate, for how long, and what opens it again."""

from datetime import date

from services.notifier.domain.commands import ReleaseStop
from services.notifier.domain.gate import Line
from services.notifier.domain.rows import OverdueStopRow
from tests.unit.notifier.story import (
    MAIL,
    Story,
    account,
    applied,
    balance,
    contested,
    due,
    item,
    money,
    paused,
    refused,
    registered,
    rejected,
    resolved,
    sent,
)


def lines(story: Story) -> dict[str, int]:
    """What the last claim covers."""
    return {line.invoice_id: line.open_minor for line in story.sends()[-1].lines}


def pending(*facts: object) -> Story:
    """An account that was told these facts and then of a reminder for the invoices i1 and i2."""
    return Story([account(MAIL), *facts, due(item("i1"), item("i2"))])


def test_a_payment_that_names_an_invoice_stops_that_invoice_alone() -> None:
    assert lines(pending(money("p1", "i1")).timers()) == {"i2": 5000}


def test_a_payment_that_names_no_invoice_stops_the_whole_account_until_it_is_applied() -> None:
    story = pending()
    story.tell(money("p1"), "evt-1")
    story.timers()
    assert story.sends() == []
    assert story.message().waiting
    story.tell(applied("p1", "evt-1"))
    assert lines(story.timers()) == {"i1": 5000, "i2": 5000}


def test_a_payment_that_covers_part_leaves_the_smaller_amount_in_the_message() -> None:
    story = pending()
    story.tell(money("p1", "i1", "i2"), "evt-1")
    story.timers()
    for fact in (balance("i1", 0, 1), balance("i2", 1250, 1), applied("p1", "evt-1")):
        story.tell(fact)
    assert lines(story.timers()) == {"i2": 1250}


def test_money_kept_for_an_invoice_stops_it_until_the_ledger_has_met_the_invoice() -> None:
    story = Story([account(MAIL)])
    story.tell(money("p1", "i1"), "evt-1")
    story.tell(applied("p1", "evt-1", "i1"))
    story.tell(due(item("i1"), item("i2")))
    assert lines(story.timers()) == {"i2": 5000}
    story = Story([account(MAIL)])
    story.tell(money("p1", "i1"), "evt-1")
    story.tell(applied("p1", "evt-1", "i1"))
    story.tell(due(item("i1")))
    assert story.timers().sends() == []
    story.tell(balance("i1", 1250, 1, cause=""))
    assert lines(story.timers()) == {"i1": 1250}


def test_a_payment_that_covers_all_withdraws_what_waited_at_once() -> None:
    story = pending(money("p1", "i1", "i2")).timers()
    for fact in (balance("i1", 0, 1), balance("i2", 0, 1)):
        story.tell(fact)
    assert story.outcomes() == ["skipped settled"]
    assert story.gate.messages == ()


def test_a_message_that_waits_for_another_try_is_withdrawn_as_soon_as_nothing_is_open() -> None:
    story = sent().ended("retry", "smtp_451")
    assert story.message().status == "pending"
    story.tell(balance("i1", 0, 1))
    assert story.outcomes() == ["skipped settled"]


def test_a_resolved_stop_does_not_hurry_a_message_that_waits_for_another_try() -> None:
    story = sent(money("p1", "other")).ended("retry", "smtp_451")
    at = story.message().at
    story.tell(applied("p1", "cause-2"))
    assert story.timers().message().at == at


def test_a_rejected_payment_opens_the_gate() -> None:
    story = pending()
    story.tell(money("p1"), "evt-1")
    story.timers().tell(rejected("p1", "evt-1"))
    assert len(story.timers().sends()) == 1


def test_a_payment_answered_under_another_cause_does_not_open_the_gate() -> None:
    story = pending()
    story.tell(money("p1"), "evt-1")
    story.timers()
    for fact in (applied("p1", "evt-2"), applied("p2", "evt-1"), refused("p1", "i1", "evt-1")):
        story.tell(fact)
    assert story.timers().sends() == []


def test_a_resolution_before_its_raw_fact_leaves_the_gate_open_and_so_does_the_fact_again() -> None:
    story = pending(applied("p1", "evt-1"))
    story.tell(money("p1"), "evt-1")
    story.tell(money("p1"), "evt-1")
    assert story.gate.stops == ()
    assert len(story.timers().sends()) == 1


def test_a_stop_that_nobody_resolves_lets_the_message_expire_and_alerts_after_an_hour() -> None:
    story = pending(money("p1")).at(9 * 3600)
    assert story.outcomes() == ["expired stop_unresolved"]
    assert story.sends() == []
    assert [(row.cause, row.resolved_at) for row in story.wrote(OverdueStopRow)] == [("payment:p1:cause-2", None)]
    story.tell(applied("p1", "cause-2"))
    assert story.wrote(OverdueStopRow)[-1].resolved_at == story.now


def test_a_person_ends_a_stop_that_nobody_resolves() -> None:
    story = pending(money("p1")).timers()
    story.tell(ReleaseStop("payment:p1:cause-2", "the bank confirms that it was a test"))
    assert len(story.timers().sends()) == 1
    story.tell(money("p1"), "cause-2")
    assert story.gate.stops == ()


def test_a_dispute_stops_its_invoice_from_sight_to_its_end() -> None:
    story = pending()
    story.tell(contested("d1", "i1"), "evt-1")
    assert lines(story.timers()) == {"i2": 5000}
    story.tell(registered("d1", "i1", "evt-1"))
    story.tell(due(item("i1"), key="r2"))
    assert story.timers().outcomes() == ["skipped disputed"]
    story.tell(resolved("d1", "i1"))
    story.tell(due(item("i1"), key="r3"))
    assert lines(story.timers()) == {"i1": 5000}


def test_a_dispute_found_valid_keeps_the_gate_closed_until_the_ledger_has_the_credit() -> None:
    story = pending(registered("d1", "i1", "evt-1"), resolved("d1", "i1", credit=2000))
    story.tell(due(item("i1"), key="r2"))
    assert story.timers().message("r2").waiting
    story.tell(balance("i1", 3000, 1, cause="d1"))
    assert lines(story.timers()) == {"i1": 3000}


def test_a_credit_that_comes_before_the_dispute_is_heard_of_does_not_hold_the_invoice_for_ever() -> None:
    facts = (balance("i1", 3000, 1, cause="d1"), resolved("d1", "i1", credit=2000), registered("d1", "i1", "evt-1"))
    assert lines(pending(*facts).timers()) == {"i1": 3000, "i2": 5000}


def test_a_credit_on_an_invoice_that_was_settled_meanwhile_does_not_hold_it_once_it_is_reopened() -> None:
    facts = (balance("i1", 0, 1), resolved("d1", "i1", credit=2000), balance("i1", 5000, 2, cause="return"))
    assert lines(pending(*facts).timers()) == {"i1": 5000, "i2": 5000}


def test_an_invoice_that_meets_the_ledger_with_its_credit_does_not_wait_for_it_any_longer() -> None:
    facts = (resolved("d1", "i1", credit=2000), balance("i1", 3000, 1, cause=""))
    assert lines(pending(*facts).timers()) == {"i1": 3000, "i2": 5000}


def test_a_pause_skips_what_is_paused() -> None:
    assert lines(pending(paused(1, "i1")).timers()) == {"i2": 5000}
    assert pending(paused(1, whole=True)).timers().outcomes() == ["skipped paused"]
    assert len(pending(paused(2), paused(1, whole=True)).timers().sends()) == 1


def test_the_newer_of_the_schedulers_and_the_ledgers_amounts_counts() -> None:
    old, new = balance("i1", 4000, 3), due(item("i1", 1500, version=4))
    assert Story([account(MAIL), old, new]).timers().sends()[-1].lines == (Line("i1", "EUR", 1500, 4, date(2013, 2, 20)),)
