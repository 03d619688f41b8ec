"""Locks every package by version and hash: one set per image, one to run everything locally, one with the developers' tools, and
one apart for the peers that the benchmark measures.

The smaller sets take their versions from the largest, so that what is tested is what ships. No package index may be named in a lock.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("scheduler", "notifier", "payments", "disputes")
PYTHON = "3.11"
"""The oldest Python supported; the locks hold for every later one too."""


def main() -> None:
    """Write requirements/*.txt; versions already locked are kept unless UPGRADE is set."""
    lock("all", (*SERVICES, "local", "dev"), build=True)
    lock("run", (*SERVICES, "local"), build=True, within="all")
    lock("operator", SERVICES, within="all")
    lock("build", (), build=True, within="all")
    lock("peers", (), own=True)
    for service in SERVICES:
        lock(service, (service,), within="all")


def lock(name: str, extras: tuple[str, ...], *, build: bool = False, own: bool = False, within: str | None = None) -> None:
    """Resolve the base packages with `extras` into requirements/<name>.txt.

    `build` adds the build backend, `own` what requirements/<name>.in lists; `within` bounds versions.
    """
    sources = ["pyproject.toml"] if extras else []
    sources += ["requirements/build.in"] if build else []
    sources += [f"requirements/{name}.in"] if own else []
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", *sources, "--output-file", f"requirements/{name}.txt"]
    command += ["--universal", "--python-version", PYTHON, "--generate-hashes", "--quiet"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--annotation-style", "line"]
    command += [flag for extra in extras for flag in ("--extra", extra)]
    command += ["--constraints", f"requirements/{within}.txt"] if within else []
    command += ["--upgrade"] if os.environ.get("UPGRADE") and not within else []
    print(f"locking requirements/{name}.txt", flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
