"""Whatever happens to an account: no step goes twice, nothing held goes, no timer fires for ever, every step has a last word."""

from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from paycue.decision import Refused, TimerFired
from services.scheduler.domain.commands import PauseAccount, RemindNow, ResumeAccount
from tests.unit.scheduler.desk import Desk, balance, desk, dispute, issued

START = date(2013, 1, 1)
INVOICES = ("I1", "I2", "I3")
HAPPENINGS = st.one_of(
    st.builds(
        lambda invoice, issue, due: issued(invoice, str(START + timedelta(issue)), str(START + timedelta(issue + due))),
        st.sampled_from(INVOICES),
        st.integers(0, 40),
        st.integers(0, 30),
    ),
    st.builds(
        lambda invoice, version, left: balance("changed", version, left, invoice),
        st.sampled_from(INVOICES),
        st.integers(1, 9),
        st.sampled_from([0, 50]),
    ),
    st.builds(
        lambda invoice, version, kind: dispute(kind, version, invoice),
        st.sampled_from(INVOICES),
        st.integers(1, 9),
        st.sampled_from(["registered", "resolved"]),
    ),
    st.sampled_from([PauseAccount("x"), ResumeAccount(), RemindNow(any_hour=True)]),
)
POLICIES = st.fixed_dictionaries(
    {
        "consolidate": st.sampled_from(["invoice", "account"]),
        "minimum_gap": st.sampled_from(["0d", "1d", "6d"]),
        "window": st.sampled_from(["{}", '{from: "09:00", to: "18:00"}', '{from: "02:10", to: "02:50", days: working}']),
    }
)


class Watched(Desk):
    """Looks at every decision as it is taken."""

    def fold(self, *events: Any) -> Any:
        for event in events:
            known = len(self.due)
            answer = super().fold(event)
            if isinstance(event, TimerFired):
                assert self.state.next_action_at is None or self.state.next_action_at > self.now
            for reminder in self.due[known:]:
                self._sound(reminder)
        return answer

    def _sound(self, reminder: Any) -> None:
        assert reminder.items
        assert "" not in self.state.pauses
        for item in reminder.items:
            kept = self.state.items[item.invoice_id]
            assert item.open_minor == kept.open_minor > 0
            assert not kept.disputed


@settings(max_examples=300, deadline=None)
@given(POLICIES, st.lists(st.tuples(st.integers(0, 60 * 60), HAPPENINGS, st.booleans()), max_size=15))
def test_whatever_happens_an_account_is_reminded_soundly(policy: dict[str, Any], story: list[tuple[int, Any, bool]]) -> None:
    d = Watched(desk(**policy).standing.policy, "America/New_York")
    minutes = 0
    for wait, happening, outage in story:
        minutes += wait
        local = f"{START + timedelta(minutes=minutes):%Y-%m-%d}T{minutes // 60 % 24:02}:{minutes % 60:02}"
        (d.jump if outage else d.at)(local)
        try:
            d.fold(happening)
        except Refused:
            continue
    d.at("2014-01-01T00:00")
    _once(d)
    _accounted(d)


def _once(d: Desk) -> None:
    sent = [(item.invoice_id, item.step) for reminder in d.due for item in reminder.items if item.step]
    assert len(sent) == len(set(sent))
    assert len({reminder.reminder_id for reminder in d.due}) == len(d.due)


def _accounted(d: Desk) -> None:
    """A year on, each step of each invoice has a last word that is not a deferral."""
    policy = d.standing.policy
    assert policy is not None
    for item in [*d.state.items.values(), *d.state.settled.values()]:
        if item.known:
            last = {row.step: row.outcome for row in d.decided if row.invoice_id == item.invoice_id and row.step}
            assert last.keys() == set(policy.by_name)
            assert "deferred" not in last.values()
