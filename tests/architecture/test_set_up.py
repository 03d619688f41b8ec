"""The set-up of a checkout refuses what cannot work, in one sentence that says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_ENSUREPIP = "import runpy, sys; sys.modules['ensurepip'] = None; runpy.run_path('tools/set_up.py', run_name='__main__')"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has not been set up."""
    for part in ("requirements", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "Makefile"):
        shutil.copy(ROOT / part, tmp_path)
    return tmp_path


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def set_up(checkout: Path) -> subprocess.CompletedProcess[str]:
    return run(checkout, sys.executable, "tools/set_up.py", "run")


def test_an_old_python_is_refused_in_one_sentence(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = run(checkout, "make", "setup", f"PYTHON={old}")
    assert done.returncode != 0
    assert done.stderr.startswith("paycue needs Python 3.11 or newer; found Python 3.9.2.")
    assert not (checkout / ".venv").exists()


def test_a_python_without_ensurepip_says_what_to_install(checkout: Path) -> None:
    done = run(checkout, sys.executable, "-c", WITHOUT_ENSUREPIP, "run")
    assert done.returncode == 1
    assert "ensurepip" in done.stderr
    assert "apt install python3" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_cannot_hold_the_environment_is_named(checkout: Path) -> None:
    (checkout / ".venv").write_text("not a folder")
    done = set_up(checkout)
    assert done.returncode == 1
    assert f"cannot make {checkout / '.venv'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_run_with_the_same_lock_does_nothing(checkout: Path) -> None:
    program = "import set_up; (set_up.VENV).mkdir(); (set_up.VENV / '.set-up-run').write_text(set_up._fingerprint('run'))"
    environment = {**os.environ, "PYTHONPATH": str(checkout / "tools")}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    done = set_up(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with (checkout / "requirements/run.txt").open("a") as lock:
        lock.write("# a newer lock\n")
    (checkout / ".venv/bin").mkdir()
    assert "[1/3]" in run(checkout, sys.executable, "-c", WITHOUT_ENSUREPIP, "run").stdout


def test_make_lists_its_targets() -> None:
    done = run(ROOT, "make", "--no-print-directory")
    assert done.returncode == 0
    for target in ("setup", "demo", "up", "test", "prove-sabotage", "check", "proto", "lock", "clean"):
        assert f"  make {target} " in done.stdout
