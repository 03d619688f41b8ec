"""Every order and duplication of the stop feeds leaves the same gate, and no order opens it too early."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.domain.stops import held, stopped
from tests.unit.notifier.story import Story, applied, balance, contested, money, paused, refused, registered, rejected, resolved

INVOICES = ("i1", "i2", "i3")
invoice = st.sampled_from(INVOICES)
number = st.integers(1, 3)
Told = tuple[str, Any]
"""A fact and the cause it is told under: its own event id, the same whenever it comes."""


def cause(kind: str, n: int) -> str:
    return f"{kind}-{n}"


facts = st.one_of(
    st.builds(lambda n, named: (cause("p", n), money(f"p{n}", *named)), number, st.lists(invoice, max_size=2, unique=True)),
    st.builds(lambda n, yes: (f"a{n}", (applied if yes else rejected)(f"p{n}", cause("p", n))), number, st.booleans()),
    st.builds(lambda n, i: (cause("d", n), contested(f"d{n}", i)), number, invoice),
    st.builds(lambda n, i: (f"reg{n}", registered(f"d{n}", i, cause("d", n))), number, invoice),
    st.builds(lambda n, i: (f"ref{n}", refused(f"d{n}", i, cause("d", n))), number, invoice),
    st.builds(
        lambda n, i, c, v: (f"res{n}-{v}", resolved(f"d{n}", i, c, v)), number, invoice, st.sampled_from([0, 900]), st.integers(2, 4)
    ),
    st.builds(
        lambda i, minor, v, c: (f"bal{i}-{v}", balance(i, minor, v, c)),
        *(invoice, st.sampled_from([0, 700]), st.integers(1, 4), st.sampled_from(["p1", "d1", "d2", ""])),
    ),
    st.builds(lambda v, whole, i: (f"state{v}", paused(v, i, whole=whole)), number, st.booleans(), invoice),
)
histories = st.lists(facts, min_size=1, max_size=14, unique_by=lambda told: told[0])


@st.composite
def two_orders(draw: st.DrawFn) -> tuple[list[Told], list[Told]]:
    """A history, and the same one in another order with some facts told twice."""
    history = draw(histories)
    again = draw(st.lists(st.sampled_from(history), max_size=4))
    return history, draw(st.permutations(history + again))


def told(history: list[Told]) -> Story:
    story = Story()
    for event_id, fact in history:
        story.tell(fact, event_id)
    return story


@settings(max_examples=300, deadline=None)
@given(two_orders())
def test_every_order_of_the_stop_feeds_leaves_the_same_gate(pair: tuple[list[Told], list[Told]]) -> None:
    one, other = told(pair[0]).gate, told(pair[1]).gate
    assert {mark.key for mark in one.marks} == {mark.key for mark in other.marks}
    assert (one.stops, one.holds, one.balances) == (other.stops, other.holds, other.balances)
    assert (one.paused, one.paused_invoices, one.state_version) == (other.paused, other.paused_invoices, other.state_version)
    assert [(held(one, i), stopped(one, i)) for i in INVOICES] == [(held(other, i), stopped(other, i)) for i in INVOICES]


@settings(max_examples=300, deadline=None)
@given(two_orders())
def test_a_raw_fact_holds_the_gate_in_every_order_until_its_own_resolution_is_there(pair: tuple[list[Told], list[Told]]) -> None:
    story, seen = Story(), set[str]()
    for event_id, fact in pair[1]:
        story.tell(fact, event_id)
        seen.add(event_id)
        for n in (1, 2, 3):
            open_payment = cause("p", n) in seen and f"a{n}" not in seen
            assert any(stop.cause == f"payment:p{n}:{cause('p', n)}" for stop in story.gate.stops) == open_payment
            open_dispute = cause("d", n) in seen and not {f"reg{n}", f"ref{n}"} & seen
            assert any(stop.cause == f"dispute:d{n}:{cause('d', n)}" for stop in story.gate.stops) == open_dispute
