"""`paycue replay` of a small ledger against the independent oracle: both buses, both consolidations, with disputes and without; the
same bytes from run to run; and what is wrong with its inputs in a sentence each.
"""

import shutil
import signal
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from paycue.local.stack import LocalStack
from tests.e2e.processes import Ended, Process, alive, paycue
from tests.oracle.check_replay import check

FIXTURES = Path(__file__).parents[1] / "oracle" / "fixtures"
LEDGER, MAPPING = FIXTURES / "ledger.csv", FIXTURES / "mapping.yaml"


def _servers(stack: LocalStack) -> dict[str, str]:
    """The variables that name servers that run already: starting others would cost each replay seconds."""
    return {"PAYCUE_KAFKA": stack.kafka, "PAYCUE_DATABASE_URL": stack.database_url}


async def _replay(
    folder: Path, policy: str, bus: str, stack: LocalStack | None, *more: str, mapping: Path = MAPPING, csv: Path = LEDGER
) -> Ended:
    """Replay into `folder`: report.json and inbox."""
    folder.mkdir(exist_ok=True)
    options = ("--csv", csv, "--mapping", mapping, "--policy", FIXTURES / f"{policy}.yaml", "--bus", bus)
    results = ("--report", folder / "report.json", "--inbox", folder / "inbox")
    return await paycue("replay", *options, *results, *more, variables=_servers(stack) if stack else {}, within=90)


@pytest.mark.parametrize("policy", ["by-invoice", "by-account"])
async def test_both_buses_agree_with_the_oracle_and_leave_the_same_bytes(kafka: LocalStack, tmp_path: Path, policy: str) -> None:
    """On Kafka and PostgreSQL of ours, and on the memory bus with a PostgreSQL that it starts itself."""
    reports = {}
    for bus, stack in (("kafka", kafka), ("memory", None)):
        ended = await _replay(tmp_path / bus, policy, bus, stack)
        assert ended.status == 0, ended.out + ended.err
        assert check(LEDGER, MAPPING, FIXTURES / f"{policy}.yaml", tmp_path / bus / "report.json", tmp_path / bus / "inbox") == []
        reports[bus] = tmp_path.joinpath(bus, "report.json").read_bytes()

    assert reports["kafka"] == reports["memory"]


async def test_the_same_replay_into_the_same_folder_leaves_the_same_bytes(kafka: LocalStack, tmp_path: Path) -> None:
    """What the first left in the inbox's folder goes; a file that is not a message stays."""
    inbox, reports = tmp_path / "inbox", []
    inbox.mkdir()
    (inbox / "notes.txt").write_text("mine")
    for _ in range(2):
        ended = await _replay(tmp_path, "by-invoice", "memory", kafka)
        assert ended.status == 0, ended.out + ended.err
        reports.append((tmp_path / "report.json").read_bytes())
    (inbox / "notes.txt").unlink()

    assert reports[0] == reports[1]
    assert check(LEDGER, MAPPING, FIXTURES / "by-invoice.yaml", tmp_path / "report.json", inbox) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("inherited", [signal.default_int_handler, signal.SIG_IGN], ids=["terminal", "background"])
async def test_a_replay_that_is_interrupted_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, inherited: Any) -> None:
    own = tmp_path / "temporary"
    own.mkdir()
    files = ("--csv", str(LEDGER), "--mapping", str(MAPPING), "--policy", str(FIXTURES / "by-invoice.yaml"))
    command = ("replay", *files, "--bus", "memory", "--report", str(tmp_path / "report.json"))
    replay = Process("replay", command, tmp_path, {"TMPDIR": str(own)})
    before = signal.signal(signal.SIGINT, inherited)
    replay.start()
    signal.signal(signal.SIGINT, before)
    await replay.says("Creating topics")
    replay.signal(number)

    assert await replay.ended(20) == 130
    assert list(own.iterdir()) == []
    assert alive(str(own)) == []
    assert "Traceback" not in replay.said()


async def test_bad_rows_are_skipped_and_a_range_without_disputes_agrees_with_the_oracle(kafka: LocalStack, tmp_path: Path) -> None:
    mapping, policy, first, last = FIXTURES / "mapping-without-disputes.yaml", "by-account", date(2012, 3, 10), date(2012, 11, 4)
    csv = tmp_path / "ledger.csv"
    csv.write_text(LEDGER.read_text() + "acme,,A99,2012-02-30,2012-03-07,1.00,No,\n")

    ended = await _replay(tmp_path, policy, "memory", kafka, "--from", str(first), "--to", str(last), mapping=mapping, csv=csv)

    assert ended.status == 3
    assert "ledger.csv, line " in ended.err
    assert "'2012-02-30'" in ended.err
    assert check(LEDGER, mapping, FIXTURES / f"{policy}.yaml", tmp_path / "report.json", tmp_path / "inbox", first, last) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("by-invoice.yaml", "due + 7d", "due + 7 weeks", ("by-invoice.yaml", "line 11", "steps[3].when", "'due + 7 weeks'", "expected")),
        ("mapping.yaml", "due: due", "due: DueDate", ("ledger.csv", "line 1", "due", "'DueDate'", "expected")),
        ("mapping.yaml", "zone: America/New_York", "zone: Mars/Olympus", ("mapping.yaml", "line 3", "zone", "'Mars/Olympus'", "expected")),
    ],
)
async def test_a_file_that_is_wrong_is_told_by_file_line_field_found_and_expected(
    kafka: LocalStack, tmp_path: Path, file: str, old: str, new: str, told: tuple[str, ...]
) -> None:
    for name in ("ledger.csv", "mapping.yaml", "by-invoice.yaml"):
        shutil.copy(FIXTURES / name, tmp_path)
    changed = tmp_path / file
    changed.write_text(changed.read_text().replace(old, new))
    files = ("--csv", "ledger.csv", "--mapping", "mapping.yaml", "--policy", "by-invoice.yaml")

    ended = await paycue("replay", *files, "--report", "report.json", "--bus", "memory", cwd=tmp_path, variables=_servers(kafka))

    last = ended.err.splitlines()[-1]
    assert ended.status == 1
    assert [word for word in told if word not in last] == [], ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--report", "/proc/nowhere/report.json"), "/proc/nowhere"),
        (("--report", "r.json", "--inbox", "/proc/nowhere"), "/proc/nowhere"),
        (("--report", "r.json", "--from", "2013-01-02", "--to", "2013-01-01"), "is after --to 2013-01-01"),
    ],
)
async def test_options_that_cannot_be_are_told_in_a_sentence(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    files = ("--csv", LEDGER, "--mapping", MAPPING, "--policy", FIXTURES / "by-invoice.yaml")

    ended = await paycue("replay", *files, "--bus", "memory", *options, cwd=tmp_path)

    assert ended.status in (1, 2)
    assert told in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
