"""The command `paycue` as a person and an orchestrator run it: processes of their own, started, killed, waited for.

It only ever signals processes that it started itself.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx2

from paycue.local import launch

ROOT = Path(__file__).parents[2]
_COMMAND = (sys.executable, "-c", "from paycue.cli import main; main()")
_READY_WITHIN = 60.0
_ENDS_WITHIN = 40.0


class Ended(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its PAYCUE_ variables, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAYCUE_") or name == "PAYCUE_CACHE"}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # some thirty processes are started: compiling all of it takes each a second or two
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


async def paycue(*arguments: str | Path, variables: Mapping[str, str] | None = None, within: float = 60.0, cwd: Path = ROOT) -> Ended:
    """Run a command to its end. Fails the test when it takes longer than `within` seconds."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *map(str, arguments), cwd=cwd, env=clean_environment(variables or {}), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), within)
    except TimeoutError:
        process.kill()
        raise AssertionError(f"paycue {' '.join(map(str, arguments))} took longer than {within} s") from None
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


class Process:
    """A long-running `paycue ...` with its output in a file; it ends with this process at the latest."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, variables: Mapping[str, str], cwd: Path = ROOT) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._arguments, self._lock, self._variables, self._cwd = arguments, folder / f"{name}.lock", dict(variables), cwd
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = clean_environment(self._variables)
        spec = launch.Spec([*_COMMAND, *self._arguments], str(self._cwd), str(self._lock), None, int(signal.SIGKILL), os.getpid())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-I", "-S", launch.__file__, json.dumps(spec)),
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def status(self) -> int | None:
        """The exit status; None while it runs."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self.name} was never started"
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(_ENDS_WITHIN)

    async def ended(self, within: float = _ENDS_WITHIN) -> int:
        """The exit status, once it has ended. Fails the test when that takes longer."""
        deadline = _now() + within
        while (status := self.status()) is None:
            if _now() > deadline:
                self.kill()
                raise AssertionError(f"{self.name} did not end within {within} s:\n{self.said()}")
            await asyncio.sleep(0.05)
        return status

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        if self.status() is None:
            self.signal(signal.SIGTERM)
        return await self.ended()

    async def says(self, text: str, within: float = _READY_WITHIN) -> None:
        """Until its output holds a text. Fails the test when it ends before, or takes longer."""
        deadline = _now() + within
        while text not in self.said():
            assert self.status() is None, f"{self.name} ended with {self.status()}:\n{self.said()}"
            assert _now() < deadline, f"{self.name} did not say {text!r} within {within} s:\n{self.said()}"
            await asyncio.sleep(0.05)

    async def answers(self, url: str, within: float = _READY_WITHIN) -> None:
        """Until a URL answers 200. Fails the test when the process ends before, or takes longer."""
        deadline = _now() + within
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            while not await is_ok(client, url):
                assert self.status() is None, f"{self.name} ended with {self.status()}:\n{self.said()}"
                assert _now() < deadline, f"{self.name} did not answer at {url} within {within} s:\n{self.said()}"
                await asyncio.sleep(0.05)

    def said(self) -> str:
        """Its output so far, at most the last 5,000 characters."""
        return self.log.read_text(errors="replace")[-5000:] if self.log.exists() else ""


async def is_ok(client: httpx2.AsyncClient, url: str) -> bool:
    """Whether a URL answers 200."""
    try:
        return bool((await client.get(url)).status_code == 200)
    except httpx2.HTTPError:
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def alive(marker: str) -> list[str]:
    """Living processes, zombies aside, whose command line or working folder names `marker`, such as a folder's path."""
    return [f"{path.name}: {line}" for path in Path("/proc").glob("[0-9]*") if marker in (line := _described(path))]


def _described(path: Path) -> str:
    try:
        line = path.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"{line} in {path.joinpath('cwd').resolve()}"
    except OSError:  # it has ended meanwhile
        return ""
