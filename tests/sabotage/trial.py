"""Trials: a copy of the tree, one sabotage in it, the tests that must notice, and the verdict.

The packages come from the environment that runs this; the code comes from the copy, which the witness makes sure of. Only a test
that fails counts: code that cannot be imported, a text that is not there and a run that does not end are no proof.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tests.sabotage.sabotage import DoesNotApply, Sabotage

WITHIN_SECONDS = 240.0
"""For named tests. Whatever is run by default has far longer."""
DEFAULT_WITHIN_SECONDS = 1800.0
_LAST_SECONDS = 15.0
"""From the first failure to the end of the run."""
_COMPILE = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", ".")
_PLUGINS = ("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "sabotage_witness")
"""Schemathesis' own, which no test uses, would take as long to load as all the rest."""
_PYTEST = ("-m", "pytest", "-q", "-x", "--no-header", *_PLUGINS)

What = Literal["caught", "not caught", "does not apply", "cannot run"]


class Seen(msgspec.Struct, frozen=True):
    """What the witness wrote down of a run, and the end of what pytest said."""

    failed: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    said: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What became of a sabotage, and by which test it was caught or why it was not."""

    what: What
    details: str


def copy_tree(root: Path, to: Path) -> None:
    """The files of a checkout as they are now, committed or not, without what git ignores; compiled once for all trials."""
    for name in _files(root):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    # A change within the second that leaves the size as it was would not be noticed by time: by the text it is.
    subprocess.run([sys.executable, *_COMPILE], cwd=to, capture_output=True, check=False)


def _files(root: Path) -> list[str]:
    """What git counts as the tree's; of a tree without git, all that is not hidden."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (root / ".git").exists():
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
        return [name for name in listed.stdout.decode().split("\0") if name]
    found = (path.relative_to(root) for path in root.rglob("*"))
    return [str(path) for path in found if not any(part.startswith(".") or part in ("var", "__pycache__") for part in path.parts)]


class Court:
    """Tries sabotages on copies of `tree`, each in a folder of its own below `folder`."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self._tree, self._folder = tree, folder
        self._plugins = folder / "plugins"
        self._plugins.mkdir()
        shutil.copy(Path(__file__).with_name("witness.py"), self._plugins / "sabotage_witness.py")

    def unbroken(self, targets: Sequence[str], number: int) -> str:
        """What is wrong with these tests on the tree as it is; nothing if all pass."""
        room = self._room(f"unbroken-{number}")
        seen = self._run(room, targets, "", DEFAULT_WITHIN_SECONDS)
        lacking = [target for target in targets if not any(_covers(target, passed) for passed in seen.passed)]
        if seen.failed or seen.wrong:
            return "; ".join((*seen.wrong, *seen.failed)) + f"\n{seen.said}"
        return f"nothing passes of {', '.join(lacking)}\n{seen.said}" if lacking else ""

    def tried(self, sabotage: Sabotage, number: int) -> Verdict:
        """Break a copy and see whether somebody notices."""
        try:
            broken = sabotage.broken(self._tree)
        except DoesNotApply as why:
            return Verdict("does not apply", str(why))
        room = self._room(f"trial-{number}")
        (room / "tree" / sabotage.file).write_text(broken, encoding="utf-8")
        within = WITHIN_SECONDS if sabotage.caught_by else DEFAULT_WITHIN_SECONDS
        seen = self._run(room, sabotage.targets(self._tree), sabotage.file, within)
        shutil.rmtree(room, ignore_errors=True)
        return judged(seen)

    def _room(self, name: str) -> Path:
        room = self._folder / name
        shutil.copytree(self._tree, room / "tree")
        return room

    def _run(self, room: Path, targets: Sequence[str], changed: str, within: float) -> Seen:
        tree, report = room / "tree", room / "report.json"
        told = {"SABOTAGE_ROOT": str(tree), "SABOTAGE_REPORT": str(report), "SABOTAGE_CHANGED": changed}
        own = {"PYTHONPATH": f"{tree}{os.pathsep}{self._plugins}", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *_PYTEST, f"--basetemp={room / 'tmp'}", *targets]
        log = room / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=tree, env={**_environment(), **own, **told}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            ended = _awaited(process, report, within)
        said = log.read_text(errors="replace")[-3000:]
        if not report.is_file():
            return Seen(wrong=(_last(said) if ended else f"it did not end within {within:.0f} s",), said=said)
        return msgspec.convert({**json.loads(report.read_text()), "said": said}, Seen)


def _environment() -> dict[str, str]:
    """Ours, without what an outer run of pytest or a shell tells pytest."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def _awaited(process: "subprocess.Popen[bytes]", report: Path, within: float) -> bool:
    """Whether a run ended by itself in time. Once a test has failed it has little left to do; what it started ends with it."""
    give_up, hurried = time.monotonic() + within, False
    try:
        while process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.05)
            if report.is_file() and not hurried:
                give_up, hurried = min(give_up, time.monotonic() + _LAST_SECONDS), True
        return process.poll() is not None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # a group of its own: nobody else is in it
            process.wait()


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["pytest said nothing"])[-1]


def judged(seen: Seen) -> Verdict:
    """Caught is what a test failed on, and nothing else."""
    if seen.wrong:
        return Verdict("cannot run", seen.wrong[0])
    if seen.failed:
        return Verdict("caught", seen.failed[0])
    return Verdict("not caught", f"{len(seen.passed)} tests passed") if seen.passed else Verdict("cannot run", _last(seen.said))


def _covers(target: str, test: str) -> bool:
    """Whether pytest runs `test` when it is told to run `target`."""
    return test == target or test.startswith((f"{target}[", f"{target}::", f"{target}/"))
