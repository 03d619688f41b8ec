"""Rows into facts: what is said, when it takes effect, in which order and under which id."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from paycue.events.v1.common_pb2 import CONTACT_KIND_EMAIL, CONTACT_KIND_PHONE
from paycue.events.v1.dispute_pb2 import DISPUTE_REASON_OTHER
from paycue.ids import split_key
from paycue.ledger import Fact, InvoiceRow, load_ledger
from paycue.ledger.facts import facts

ROW = InvoiceRow(
    account="A-1",
    invoice="7",
    issued=date(2026, 1, 5),
    due=date(2026, 1, 20),
    amount_minor=1050,
    currency="USD",
    paid_on=date(2026, 7, 1),
    zone="America/New_York",
    disputed_on=date(2026, 1, 20),
    locale="en",
    email="a-1@debtors.example",
    phone="+12025550123",
    name="",
)


def with_(row: InvoiceRow, **changes: Any) -> InvoiceRow:
    return msgspec.structs.replace(row, **changes)


def of_kind(found: tuple[Fact, ...], kind: str) -> list[Fact]:
    return [fact for fact in found if fact.kind == kind]


def test_a_row_is_an_account_an_invoice_a_dispute_and_a_payment_at_local_midnight() -> None:
    found = facts([ROW], "acme")
    assert [(fact.kind, fact.on, fact.at) for fact in found] == [
        ("account", date(2026, 1, 5), datetime(2026, 1, 5, 5, tzinfo=UTC)),
        ("invoice", date(2026, 1, 5), datetime(2026, 1, 5, 5, tzinfo=UTC)),
        ("dispute", date(2026, 1, 20), datetime(2026, 1, 20, 5, tzinfo=UTC)),
        ("payment", date(2026, 7, 1), datetime(2026, 7, 1, 4, tzinfo=UTC)),
    ]


def test_the_account_says_how_it_is_reached() -> None:
    event: Any = facts([ROW], "acme")[0].event
    assert (event.tenant_id, event.account_id, event.zone, event.locale) == ("acme", "A-1", "America/New_York", "en")
    assert [(point.kind, point.address) for point in event.contact_points] == [
        (CONTACT_KIND_EMAIL, "a-1@debtors.example"),
        (CONTACT_KIND_PHONE, "+12025550123"),
    ]


def test_the_invoice_says_what_is_owed_and_when() -> None:
    event: Any = facts([ROW], "acme")[1].event
    assert (event.invoice_id, event.currency, event.amount_minor, event.issued_on, event.due_on) == (
        "7",
        "USD",
        1050,
        "2026-01-05",
        "2026-01-20",
    )


def test_the_payment_pays_its_invoice_in_full() -> None:
    event: Any = of_kind(facts([ROW], "acme"), "payment")[0].event
    assert (event.payment_id, event.currency, event.amount_minor) == ("pay:7", "USD", 1050)
    assert (event.received_on, list(event.invoice_ids)) == ("2026-07-01", ["7"])


def test_the_dispute_is_of_the_whole_invoice() -> None:
    event: Any = of_kind(facts([ROW], "acme"), "dispute")[0].event
    assert (event.dispute_id, event.invoice_id, event.reason, event.disputed_minor) == ("dsp:7", "7", DISPUTE_REASON_OTHER, 0)


def test_an_unpaid_undisputed_row_is_an_account_and_an_invoice() -> None:
    assert [fact.kind for fact in facts([with_(ROW, paid_on=None, disputed_on=None)], "acme")] == ["account", "invoice"]


def test_a_dispute_after_the_settlement_is_a_fact() -> None:
    assert len(of_kind(facts([with_(ROW, paid_on=date(2026, 1, 6))], "acme"), "dispute")) == 1


def test_an_account_is_registered_before_a_payment_that_comes_before_its_invoice() -> None:
    found = facts([with_(ROW, paid_on=date(2025, 12, 30))], "acme")
    assert [(fact.kind, fact.on) for fact in found[:3]] == [
        ("account", date(2025, 12, 30)),
        ("payment", date(2025, 12, 30)),
        ("invoice", date(2026, 1, 5)),
    ]


def test_facts_of_one_instant_come_as_account_invoice_payment_dispute_then_by_account_and_invoice() -> None:
    day = date(2026, 1, 5)
    rows = [
        with_(ROW, account=account, invoice=invoice, paid_on=day, disputed_on=day)
        for account, invoice in (("B", "2"), ("A", "9"), ("A", "1"))
    ]
    assert [(fact.kind, split_key(fact.key)[1], fact.event_id.rpartition(":")[2]) for fact in facts(rows, "acme")][2:] == [
        (kind, account, invoice) for kind in ("invoice", "payment", "dispute") for account, invoice in (("A", "1"), ("A", "9"), ("B", "2"))
    ]


def test_an_account_that_stays_the_same_is_registered_once() -> None:
    assert len(of_kind(facts([ROW, with_(ROW, invoice="8", issued=date(2026, 1, 9))], "acme"), "account")) == 1


def test_a_later_row_with_another_address_is_a_higher_version_at_its_issue_date() -> None:
    later = with_(ROW, invoice="8", issued=date(2026, 1, 9), email="", zone="Europe/Berlin")
    first, second = of_kind(facts([later, ROW], "acme"), "account")
    assert (second.on, second.at) == (date(2026, 1, 9), datetime(2026, 1, 8, 23, tzinfo=UTC))
    before, after = (fact.event for fact in (first, second))
    assert after.version > before.version  # type: ignore[union-attr]
    assert [point.kind for point in after.contact_points] == [CONTACT_KIND_PHONE]  # type: ignore[union-attr]


def test_a_later_file_outranks_an_earlier_one() -> None:
    versions = [facts([with_(ROW, issued=day, paid_on=None)], "acme")[0].event.version for day in (date(2026, 1, 5), date(2026, 2, 5))]  # type: ignore[union-attr]
    assert versions[0] < versions[1]


def test_two_faces_of_an_account_on_one_day_have_two_versions() -> None:
    found = of_kind(facts([ROW, with_(ROW, invoice="8", email="b@debtors.example")], "acme"), "account")
    assert len({fact.event_id for fact in found}) == 2


def test_no_two_pairs_of_account_and_invoice_share_an_id() -> None:
    rows = [with_(ROW, account=account, invoice=invoice) for account, invoice in (("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c"))]
    ids = [fact.event_id for tenant in ("acme", "other") for fact in facts(rows, tenant)]
    assert len(ids) == len(set(ids)) == 2 * 3 * 4


def test_every_topic_takes_its_kind_of_event() -> None:
    topics = yaml.safe_load((Path(__file__).parents[3] / "proto" / "topics.yaml").read_text())["topics"]
    for fact in facts([ROW], "acme"):
        assert fact.event.DESCRIPTOR.name in topics[fact.topic]["types"]


rows_strategy = st.lists(
    st.builds(
        with_,
        st.just(ROW),
        account=st.sampled_from(["A", "B:1", "C"]),
        invoice=st.text("12:", min_size=1, max_size=2),
        issued=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        paid_on=st.none() | st.dates(date(2025, 12, 1), date(2027, 1, 1)),
        disputed_on=st.none() | st.dates(date(2025, 12, 1), date(2027, 1, 1)),
        zone=st.sampled_from(["America/New_York", "Pacific/Kiritimati", "Etc/GMT+12", "Africa/Cairo"]),
        email=st.sampled_from(["", "a@debtors.example"]),
    ),
    unique_by=lambda row: (row.account, row.invoice),
    max_size=8,
)


@settings(deadline=None)
@given(rows_strategy)
def test_facts_are_in_order_unique_and_start_with_their_account(rows: list[InvoiceRow]) -> None:
    found = facts(rows, "acme")
    assert [fact.at for fact in found] == sorted(fact.at for fact in found)
    assert len({fact.event_id for fact in found}) == len(found)
    met = set[bytes]()
    for fact in found:
        assert fact.kind == "account" or fact.key in met
        met.add(fact.key)


@settings(deadline=None)
@given(rows_strategy)
def test_every_payment_and_dispute_of_the_rows_is_a_fact(rows: list[InvoiceRow]) -> None:
    found = facts(rows, "acme")
    assert len(of_kind(found, "invoice")) == len(rows)
    assert len(of_kind(found, "payment")) == sum(row.paid_on is not None for row in rows)
    assert len(of_kind(found, "dispute")) == sum(row.disputed_on is not None for row in rows)


@settings(deadline=None)
@given(rows_strategy)
def test_versions_of_an_account_grow_with_its_dates(rows: list[InvoiceRow]) -> None:
    for key in {fact.key for fact in facts(rows, "acme")}:
        versions = sorted(
            (int(fact.event_id.rpartition(":")[2]), fact.on) for fact in of_kind(facts(rows, "acme"), "account") if fact.key == key
        )
        assert [version for version, _ in versions] == sorted({version for version, _ in versions})


@settings(deadline=None)
@given(rows_strategy, st.randoms(use_true_random=False))
def test_the_order_of_rows_with_one_face_does_not_matter(rows: list[InvoiceRow], shuffle: Any) -> None:
    same = [with_(row, zone="Europe/Berlin", email="") for row in rows]
    shuffled = list(same)
    shuffle.shuffle(shuffled)
    assert facts(shuffled, "acme") == facts(same, "acme")


MAPPING = "columns: {account: a, invoice: i, issued: d, due: e, amount: m}\nconstants: {currency: EUR, zone: Europe/Berlin}\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A ledger of 250 rows, the last one bad, and its mapping."""
    good = "".join(f"A-{number % 7},{number},2026-01-05,2026-01-20,10.50\n" for number in range(249))
    (tmp_path / "ledger.csv").write_text(f"a,i,d,e,m\n{good}A-1,x,2026-01-05,2026-01-20,ten\n")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path / "ledger.csv", tmp_path / "mapping.yaml"


def test_a_file_is_loaded_the_same_way_twice(files: tuple[Path, Path]) -> None:
    assert load_ledger(*files, "acme") == load_ledger(*files, "acme")


def test_a_ledger_keeps_its_bad_rows_beside_the_good_ones(files: tuple[Path, Path]) -> None:
    ledger = load_ledger(*files, "acme")
    assert (len(ledger.invoices), len(ledger.facts)) == (249, 249 + 7)
    assert [error.line for error in ledger.errors] == [251]


def test_progress_counts_every_row_and_ends_with_all(files: tuple[Path, Path]) -> None:
    heard = list[int]()
    load_ledger(*files, "acme", heard.append)
    assert heard == [100, 200, 250]
