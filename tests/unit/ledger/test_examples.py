"""The files under examples/: they load, and the demo's ledger is what its maker makes."""

import io
import runpy
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from paycue.ledger import Ledger, load_ledger, read_mapping

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def demo() -> Ledger:
    return load_ledger(EXAMPLES / "demo" / "ledger.csv", EXAMPLES / "demo" / "mapping.yaml", "demo")


def test_the_demo_ledger_is_what_its_maker_makes() -> None:
    text = io.StringIO()
    runpy.run_path(str(EXAMPLES / "demo" / "make_ledger.py"))["write"](text)
    assert (EXAMPLES / "demo" / "ledger.csv").read_text() == text.getvalue()


def test_the_demo_ledger_has_no_bad_row(demo: Ledger) -> None:
    assert demo.errors == ()
    assert len({row.account for row in demo.invoices}) == 60


def test_the_demo_shows_zones_currencies_payments_and_disputes(demo: Ledger) -> None:
    assert len({row.zone for row in demo.invoices}) >= 3
    assert len({row.currency for row in demo.invoices}) >= 2
    assert {None, True, False} == {row.paid_on and row.paid_on > row.due for row in demo.invoices}
    assert any(row.disputed_on for row in demo.invoices)
    assert max(row.due for row in demo.invoices) - demo.facts[0].on < timedelta(weeks=10)


def test_every_demo_account_is_reached_by_mail_or_by_sms_alone(demo: Ledger) -> None:
    assert {bool(row.email) != bool(row.phone) for row in demo.invoices} == {True}
    assert {row.phone[:5] for row in demo.invoices if row.phone} <= {"+1212", "+1213", "+4477"}
    assert all(row.email.endswith(".example") for row in demo.invoices if row.email)


@pytest.mark.parametrize("name", ["receivables.mapping.yaml", "receivables-disputes.mapping.yaml", "demo/mapping.yaml"])
def test_every_mapping_is_a_mapping(name: str) -> None:
    assert read_mapping(EXAMPLES / name).columns["account"]


@pytest.mark.parametrize("name", ["standard.policy.yaml", "demo/policy.yaml"])
def test_every_policy_has_five_steps(name: str) -> None:
    steps = yaml.safe_load((EXAMPLES / name).read_text())["steps"]
    assert [step["when"] for step in steps] == ["due - 7d", "due", "due + 7d", "due + 15d", "due + 30d"]
