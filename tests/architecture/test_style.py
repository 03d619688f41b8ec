"""The tree is clean: linter and type checker find nothing, calls that replays forbid are refused, nothing names a package index."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUFF = Path(sys.executable).with_name("ruff")
SKIPPED = {".git", ".venv", "var", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
HOSTS = re.compile("|".join(("pypi" r"\.org", r"python[h]osted", "npm" r"js\.(org|com)", "artifactory")))
BANNED = {
    "datetime.now": "from datetime import UTC, datetime\nx = datetime.now(UTC)\n",
    "datetime.utcnow": "import datetime\nx = datetime.datetime.utcnow()\n",
    "date.today": "from datetime import date\nx = date.today()\n",
    "time.time": "from time import time\nx = time()\n",
    "random": "from random import choice\nx = choice([1])\n",
    "uuid.uuid4": "import uuid\nx = uuid.uuid4()\n",
}


def ruff(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUFF, "check", "--no-cache", *arguments], cwd=ROOT, input=text, capture_output=True, text=True, check=False)


def files() -> list[Path]:
    found = list[Path]()
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.endswith(".egg-info")]
        found += [Path(folder, name) for name in names]
    return found


def test_the_linter_finds_nothing() -> None:
    done = ruff("--output-format", "concise", ".")
    assert done.returncode == 0, done.stdout


def test_the_types_hold() -> None:
    mypy = Path(sys.executable).with_name("mypy")
    done = subprocess.run([mypy, "--no-error-summary"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("call", BANNED)
@pytest.mark.parametrize("path", ["paycue/planted.py", "services/scheduler/domain/planted.py"])
def test_what_a_replay_forbids_is_refused(call: str, path: str) -> None:
    done = ruff("--select", "TID251", "--stdin-filename", path, "-", text=BANNED[call])
    assert "TID251" in done.stdout


def test_a_banned_call_is_excused_in_the_clock_and_the_ids_alone() -> None:
    excused = [path for path in files() if path.suffix == ".py" and re.search(r"noqa.*TID251", path.read_text())]
    assert [path for path in excused if path != Path(__file__)] == []


def test_nothing_names_a_package_index() -> None:
    named = [path for path in files() if path != Path(__file__) and HOSTS.search(path.read_bytes().decode(errors="ignore"))]
    assert [str(path.relative_to(ROOT)) for path in named] == []


def test_every_locked_package_has_a_version_and_hashes_and_no_address() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert locks
    for lock in locks:
        text = lock.read_text()
        entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
        assert not re.search(r"://|^-", text, re.MULTILINE)
        assert [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
