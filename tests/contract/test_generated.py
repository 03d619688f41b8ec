"""What is generated is what the contracts say today, and today's contracts break nothing that was released."""

import shutil
from pathlib import Path

import pytest

from tools import generate_contracts as contracts


def _files(root: Path) -> dict[str, str]:
    found = [*(root / "paycue/events").rglob("*_pb2.py*"), root / "paycue/events/topics.json", root / "docs/api/asyncapi.yaml"]
    return {str(path.relative_to(root)): path.read_text() for path in found if path.suffix in {".py", ".pyi", ".json", ".yaml"}}


def test_generating_again_changes_nothing(tmp_path: Path) -> None:
    contracts.generate(tmp_path)
    fresh, committed = _files(tmp_path), _files(contracts.ROOT)
    assert sorted(fresh) == sorted(committed), "run `make proto`"
    assert [name for name in fresh if fresh[name] != committed[name]] == [], "run `make proto`"


def test_the_contracts_pass_the_linter() -> None:
    done = contracts.buf("lint", "proto")
    assert done.returncode == 0, done.stdout


def test_the_contracts_break_nothing_released() -> None:
    done = contracts.buf("breaking", "proto", "--against", str(contracts.RELEASED))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  int64 amount_minor = 6;\n", ""),
        ("int64 amount_minor = 6;", "int64 amount_minor = 9;"),
        ("int64 amount_minor = 6;", "string amount_minor = 6;"),
        ("  INVOICE_KIND_PREPAYMENT = 4;\n", ""),
    ],
    ids=["a field removed", "a field renumbered", "a type changed", "a value removed"],
)
def test_a_change_that_breaks_readers_is_refused(tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(contracts.PROTO, tmp_path / "proto")
    invoice = tmp_path / "proto/paycue/events/v1/invoice.proto"
    assert old in invoice.read_text()
    invoice.write_text(invoice.read_text().replace(old, new, 1))
    done = contracts.buf("breaking", str(tmp_path / "proto"), "--against", str(contracts.RELEASED))
    assert "invoice.proto" in done.stdout
    assert done.returncode != 0
