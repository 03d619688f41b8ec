"""One receipt tells of all the accounts that a request stopped: as late as the last of them, and not before every one has spoken."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from paycue.receipt import Receipt
from paycue.stops import in_force

AT = datetime(2013, 1, 2, 5, tzinfo=UTC)
ONE = Receipt("s", "opt_out", "opt_out:person", '["i1"]', AT, AT, '["c1"]', AT)
LATER = replace(
    ONE,
    invoice_ids='["i0"]',
    accepted_at=AT + timedelta(seconds=1),
    effective_at=AT + timedelta(seconds=2),
    calls_in_flight='["c0"]',
    none_started_after=AT + timedelta(seconds=3),
)


def test_a_stop_is_in_force_when_the_last_of_its_accounts_has_acknowledged_it() -> None:
    assert in_force([], 1) is None
    assert in_force([ONE], 2) is None
    assert in_force([ONE], 1) is not None
    assert in_force([ONE, LATER], 2) is not None


def test_the_receipt_of_several_accounts_says_of_each_instant_the_one_that_holds_for_all() -> None:
    for receipts in ([ONE, LATER], [LATER, ONE]):
        told = in_force(receipts, 2)
        assert told is not None
        assert (told.accepted_at, told.effective_at, told.none_started_after) == (AT, LATER.effective_at, LATER.none_started_after)
        assert (told.invoice_ids, told.calls_in_flight) == (["i0", "i1"], ["c0", "c1"])
