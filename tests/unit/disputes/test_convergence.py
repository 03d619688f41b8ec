"""Every order and duplication of a history ends in the same disputes, and whoever listens knows which invoices are held."""

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from paycue.decision import Refused
from paycue.events.v1.dispute_pb2 import DisputeDecided, DisputeRaised, DisputeRefused, DisputeRegistered, DisputeReviewStarted
from services.disputes.domain.commands import AddNote, OpenDispute, ReopenDispute, ResolveDispute, StartReview
from tests.unit.disputes.story import (
    INVALID,
    PARTLY_VALID,
    VALID,
    WITHDRAWN,
    Story,
    balance,
    changed,
    decided,
    held,
    issued,
    raised,
    reopened,
    reviewed,
    settled,
)

dispute = st.sampled_from(["d1", "d2", "d3"])
an_invoice = st.sampled_from(["i1", "i2"])
currency = st.sampled_from(["EUR", "EUR", "EUR", "USD", ""])
minor = st.sampled_from([0, 0, 40, 100, 101])

a_raise = st.builds(lambda key, of, amount, money: raised(key, of, amount, currency=money), dispute, an_invoice, minor, currency)
a_review = st.builds(reviewed, dispute)
a_decision = st.builds(decided, dispute, st.sampled_from([VALID, PARTLY_VALID, INVALID, WITHDRAWN, 77]), st.sampled_from([0, 30, 90]))
an_issue = st.builds(issued, an_invoice, st.just(100))
a_balance = st.one_of(
    st.builds(settled, an_invoice, st.just(1)),
    st.builds(reopened, an_invoice, st.just(60), st.just(2)),
    st.builds(lambda key: changed(balance(key, 50, 3)), an_invoice),
)
facts = st.one_of(a_raise, a_raise, a_review, a_decision, a_decision, an_issue, a_balance)
a_command = st.one_of(
    st.builds(OpenDispute, an_invoice, st.just("wrong_amount"), dispute, currency, minor),
    st.builds(StartReview, dispute),
    st.builds(ResolveDispute, dispute, st.sampled_from(["valid", "partly_valid", "invalid"]), st.sampled_from([0, 30])),
    st.builds(ReopenDispute, dispute),
    st.builds(AddNote, dispute, st.just("seen")),
)


def natural_key(fact: Any) -> tuple[Any, ...]:
    """One content per key: an account's facts of one topic come in order, so that the first content is the same for all."""
    if isinstance(fact, DisputeRaised | DisputeDecided | DisputeReviewStarted):
        return type(fact), fact.dispute_id
    return type(fact), str(fact)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """A history, and the same one in another order with some facts told twice."""
    history = draw(st.lists(facts, min_size=1, max_size=14, unique_by=natural_key))
    again = draw(st.lists(st.sampled_from(history), max_size=4))
    return history, draw(st.permutations(history + again))


def obey(story: Story, steps: list[Any]) -> None:
    """Tell everything; a command may be refused, and then nothing has happened."""
    for number, step in enumerate(steps):
        with suppress(Refused):
            story.tell(step, f"step-{number}")


@settings(max_examples=200, deadline=None)
@given(histories())
def test_every_order_of_a_history_ends_in_the_same_disputes(pair: tuple[list[Any], list[Any]]) -> None:
    history, other = pair
    assert Story(*history).stands() == Story(*other).stands()


@settings(max_examples=200, deadline=None)
@given(histories())
def test_every_dispute_raised_has_exactly_one_answer_under_its_cause(pair: tuple[list[Any], list[Any]]) -> None:
    story = Story(*pair[1])
    answers = sorted(event.cause_id for event in story.said(DisputeRegistered) + story.said(DisputeRefused))
    assert answers == sorted(f"cause-{n}" for n, fact in enumerate(pair[1], 1) if isinstance(fact, DisputeRaised))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(facts, a_command), max_size=16), st.randoms(use_true_random=False))
def test_who_listens_in_any_order_knows_which_disputes_hold(steps: list[Any], chance: Any) -> None:
    story = Story()
    obey(story, steps)
    holding = {key: True for key, case in story.account.cases.items() if case.status in ("opened", "in_review")}
    shuffled = list(story.events)
    chance.shuffle(shuffled)
    assert held(story.events) == held(shuffled) == holding


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(facts, a_command), max_size=16))
def test_replaying_every_event_from_the_start_changes_nothing(steps: list[Any]) -> None:
    story = Story()
    obey(story, steps)
    before, known = story.account, len(story.events)
    for number, step in enumerate(steps):
        if hasattr(step, "DESCRIPTOR"):
            story.tell(step, f"step-{number}")
    assert story.account == before
    assert held(story.events) == held(story.events[:known])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(facts, a_command), max_size=16))
def test_the_list_shows_every_dispute_as_it_stands(steps: list[Any]) -> None:
    story = Story()
    obey(story, steps)
    for key, case in story.account.cases.items():
        row = story.case(key)
        assert (row.status, row.outcome, row.version, row.currency) == (
            case.status,
            case.outcome,
            case.version,
            story.account.currency_of(case.claim),
        )
