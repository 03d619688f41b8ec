"""`paycue import` of a ledger into a running installation: good rows take effect once, bad rows are listed, trouble is one sentence."""

from pathlib import Path

import pytest

from tests.e2e.day import ZONE, today
from tests.e2e.estate import Estate
from tests.e2e.processes import paycue
from tests.e2e.world import World

POLICY = """
policy: plain
version: 1
steps:
  - {when: due, stage: friendly, channels: [email]}
"""
MAPPING = """
columns: {account: account, invoice: invoice, issued: issued, due: due, amount: amount, paid_on: paid}
formats: {date: "%Y-%m-%d", decimal: ".", delimiter: ","}
constants: {currency: EUR, zone: ZONE, locale: en, email: "{account}@TENANT.example"}
"""
HEADER = "account,invoice,issued,due,amount,paid"


def _ledger(folder: Path, tenant: str, *more: str) -> tuple[str, str, str, str]:
    """Options that name a ledger of three debtors who owe, one who paid, and the rows given."""
    good = [f"a{number},R-{number},{today(-10)},{today()},{number}0.50," for number in (1, 2, 3)]
    paid = f"a4,R-4,{today(-10)},{today(1)},40.00,{today()}"
    folder.joinpath("ledger.csv").write_text("\r\n".join(("\ufeff" + HEADER, *good, paid, *more)) + "\r\n", encoding="utf-8")
    folder.joinpath("mapping.yaml").write_text(MAPPING.replace("TENANT", tenant).replace("ZONE", ZONE))
    return "--csv", str(folder / "ledger.csv"), "--mapping", str(folder / "mapping.yaml")


def _mails(world: World) -> list[int]:
    return [len(world.mails(f"a{number}")) for number in (1, 2, 3, 4)]


async def test_a_ledger_takes_effect_once_however_often_it_is_imported(estate: Estate, world: World, tmp_path: Path) -> None:
    await world.policy(POLICY)
    ledger = _ledger(tmp_path, world.tenant)

    ended = await paycue("import", *ledger, "--creditor", world.tenant, variables=estate.environment)
    await world.settle()
    first, mails = await _state(world), _mails(world)
    again = await paycue("import", *ledger, "--creditor", world.tenant, variables=estate.environment)
    await world.settle()

    assert (ended.status, again.status) == (0, 0), ended.err + again.err
    assert "of 4 invoices are published" in ended.out
    assert "Publishing: 100 %" in ended.err
    assert mails == [1, 1, 1, 0]
    assert [invoice["status"] for invoice in first["invoices"]] == ["open", "open", "open", "settled"]
    assert (await _state(world), _mails(world)) == (first, mails)


async def test_bad_rows_are_listed_with_their_line_and_the_rest_goes_on(estate: Estate, world: World, tmp_path: Path) -> None:
    bad = {
        f"a5,R-5,31.12.2012,{today()},10.00,": ("line 6, issued", "'31.12.2012'"),
        f"a6,R-6,{today(-10)},{today()},10.001,": ("line 7, amount", "'10.001'"),
        f"a7,R-7,{today()},{today(-1)},10.00,": ("line 8, due", "expected a date not before the issue date"),
        f"a1,R-1,{today(-10)},{today()},99.99,": ("line 9, invoice", "again, with other content"),
        "a9,R-9": ("line 10", "found 2 columns, expected 6"),
    }

    ended = await paycue("import", *_ledger(tmp_path, world.tenant, *bad), "--creditor", world.tenant, variables=estate.environment)
    await world.settle()

    assert ended.status == 3
    assert "5 rows were skipped" in ended.err
    for place, found in bad.values():
        assert any(place in line and found in line for line in ended.err.splitlines()), (place, found, ended.err)
    assert [invoice["invoice_id"] for invoice in (await _state(world))["invoices"]] == ["R-1", "R-2", "R-3", "R-4"]


@pytest.mark.parametrize("kafka", ["127.0.0.1:1", "nowhere.invalid:9092"])
async def test_kafka_that_does_not_answer_is_told_in_a_sentence_within_seconds(tmp_path: Path, kafka: str) -> None:
    ended = await paycue("import", *_ledger(tmp_path, "acme"), "--creditor", "acme", "--kafka", kafka, within=15)

    assert ended.status == 1
    assert ended.err.splitlines()[-1].startswith(f"paycue: no Kafka answers at {kafka}")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("--csv", "nowhere.csv"), "nowhere.csv"),
        (("--creditor", "Not A Slug"), "[a-z0-9-]"),
        (("--mapping", "ledger.csv"), "ledger.csv"),
    ],
)
async def test_what_is_asked_wrongly_is_told_before_anything_is_published(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    ledger = _ledger(tmp_path, "acme")

    ended = await paycue("import", *ledger, "--creditor", "acme", "--kafka", "127.0.0.1:1", *change, cwd=tmp_path)

    assert ended.status in (1, 2)
    assert told in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


async def _state(world: World) -> dict[str, list[dict[str, object]]]:
    lists = {"invoices": ("payments", "/invoices"), "payments": ("payments", "/payments"), "decisions": ("scheduler", "/decisions")}
    return {name: sorted(await world.every(*place), key=_natural) for name, place in lists.items()}


def _natural(item: dict[str, object]) -> str:
    return f"{item['account_id']} {item.get('invoice_id')} {item.get('seq')}"
