"""Sets a checkout up: the virtual environment .venv with hash-locked packages and this distribution in place of a copy.

It runs on the host's own Python, so it imports the standard library alone. What a lock's packages are is decided by
requirements/*.txt and never here; a second run with the same lock, folder and Python does nothing.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "set-up.log"
NEEDED_BYTES = 1_500_000_000
SETS = {"run": ("run",), "all": ("all", "run")}
"""The set to install -> the sets that are then installed: the developers' holds all that a run needs."""


def main(name: str) -> int:
    """Install the set `name`. Returns the exit status; what went wrong is one sentence on stderr."""
    stamp, wanted = VENV / f".set-up-{name}", _fingerprint(name)
    if stamp.is_file() and stamp.read_text() == wanted:
        return 0
    try:
        _install(name)
    except SetUpError as error:
        print(f"set-up stopped: {error}", file=sys.stderr)
        return 1
    for done in SETS[name]:
        (VENV / f".set-up-{done}").write_text(_fingerprint(done))
    print("set-up done: the command is .venv/bin/paycue")
    return 0


class SetUpError(Exception):
    """Why the set-up cannot go on, and what to do."""


def _fingerprint(name: str) -> str:
    """Changes with the lock, the distribution's description, the folder (scripts hold its path) and the Python."""
    digest = hashlib.sha256()
    for part in (f"requirements/{name}.txt", "pyproject.toml"):
        digest.update((ROOT / part).read_bytes())
    digest.update(f"{ROOT}\n{sys.version}".encode())
    return digest.hexdigest()


def _install(name: str) -> None:
    lock = ROOT / "requirements" / f"{name}.txt"
    total = len(re.findall(r"(?m)^[a-z0-9].*==", lock.read_text()))
    version = ".".join(map(str, sys.version_info[:3]))
    _step(1, f"virtual environment .venv, Python {version}")
    _make_venv()
    _step(2, f"{total} locked packages")
    _pip("install", "--require-hashes", "--requirement", str(lock), total=total)
    _step(3, "paycue itself")
    _pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT), total=1)


def _make_venv() -> None:
    """A working .venv of this folder and this Python; one that was moved or is half made is made anew."""
    if _venv_works():
        return
    try:
        import ensurepip  # noqa: F401  # absent where a distribution packages it apart
    except ImportError:
        minor = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetUpError(
            f"this Python {minor} has no ensurepip, which makes virtual environments; install it"
            f" (Debian and Ubuntu: apt install python{minor}-venv; Alpine: apk add py3-pip) and try again"
        ) from None
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetUpError(f"{ROOT} has {free / 1e9:.1f} GB free and the packages need {NEEDED_BYTES / 1e9:.1f} GB; make room and try again")
    interpreter = getattr(sys, "_base_executable", sys.executable)  # not the python of a .venv that is active and about to go
    made = subprocess.run([interpreter, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        raise SetUpError(f"cannot make {VENV}: {_last_line(made.stderr or made.stdout)}; make the folder writable and try again")


def _venv_works() -> bool:
    """Whether .venv runs this very Python from this very folder."""
    marker = VENV / "bin" / "activate"
    if not PYTHON.exists() or not marker.is_file() or str(VENV) not in marker.read_text():
        return False
    asked = subprocess.run([str(PYTHON), "-c", "import sys, pip; print(sys.version)"], capture_output=True, text=True)
    return asked.returncode == 0 and asked.stdout.strip() == sys.version


def _pip(*arguments: str, total: int) -> None:
    """Run pip, counting packages as it goes; its whole output stays in .venv/set-up.log."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        lines = _watched(pip.stdout, total)
    with LOG.open("a") as log:
        log.writelines(lines)
    if pip.returncode:
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise SetUpError(f"pip failed: {_last_line(errors[0])}; the whole of it stands in {LOG}. Check the network, then try again")


def _watched(output: Iterable[str], total: int) -> list[str]:
    """All lines of pip's output; a terminal sees a counter, a log every 20th package."""
    lines, count, live = list[str](), 0, sys.stdout.isatty()
    for line in output:
        lines.append(line)
        if line.startswith(("Collecting ", "Requirement already satisfied", "Obtaining ")):
            count += 1
            package = line.removeprefix("Requirement already satisfied: ").removeprefix("Collecting ").split("=")[0].split(" ")[0]
            if live:
                print(f"\r      {count}/{total} {package:<40.40}", end="", flush=True)
            elif count % 20 == 0:
                print(f"      {count}/{total}", flush=True)
        elif line.startswith("Installing collected packages") and total > 1:
            print(f"{chr(13) if live else ''}      {total}/{total} fetched, unpacking{'':<30}", flush=True)
    if live and total == 1:
        print(f"\r{'':<60}\r", end="")
    return lines


def _step(number: int, what: str) -> None:
    print(f"[{number}/3] {what}", flush=True)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines() or ["no reason given"]
    return lines[-1].rstrip(". ")


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1]))
