"""Programs the local stack runs: each in a process group of its own, so that Ctrl-C reaches them only through us, each holding
a lock that lives exactly as long as it does, each signalled by the system when we die hard. Signals go to own processes alone.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import signal
import socket
import sys
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from paycue.local import launch
from paycue.local.errors import LocalStackError

FORMER_RUN_ENDS_WITHIN = 30.0
CHILDREN_END_WITHIN = 5.0
_POLL = 0.03


class Program:
    """One running program. `name` is what messages call it, `log` the file its output goes to."""

    def __init__(self, name: str, log: Path, lock: Path, process: asyncio.subprocess.Process, stop_signal: signal.Signals) -> None:
        self.name, self.log, self._lock = name, log, lock
        self._process, self._stop_signal = process, stop_signal

    async def wait(self) -> int:
        """The exit status, when it has ended."""
        return await self._process.wait()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    async def kill(self) -> None:
        """SIGKILL, as a crash would end it; its children end by themselves, and are waited for a while."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._released()

    async def ready(self, probe: Callable[[], Awaitable[bool]], within: float) -> None:
        """Wait until `probe` says so. Raises LocalStackError when the program ends or `within` seconds pass before."""
        ended = asyncio.ensure_future(self._process.wait())
        probing = asyncio.ensure_future(_until(probe))
        try:
            await asyncio.wait((ended, probing), timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise LocalStackError(f"{self.name} ended with status {ended.result()} while starting: {why(self.log)}")
            if not probing.done():
                raise LocalStackError(f"{self.name} was not ready within {within:.0f} s; its log is {self.log}")
            probing.result()
        finally:
            for future in (ended, probing):
                future.cancel()
            await asyncio.gather(ended, probing, return_exceptions=True)

    async def stop(self, within: float) -> None:
        """Ask it to end, and end it and its children when `within` seconds have passed, at once when cancelled meanwhile."""
        try:
            if self._process.returncode is None:
                self._process.send_signal(self._stop_signal)
                async with asyncio.timeout(within):
                    await self._process.wait()
        except (TimeoutError, ProcessLookupError):
            pass
        finally:
            if self._process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)  # a group of its own: nobody else is in it
                await self._process.wait()
            await self._released()

    async def _released(self) -> None:
        """Its children hold its lock until they have ended as well, which they do by themselves."""
        deadline = asyncio.get_running_loop().time() + CHILDREN_END_WITHIN
        while not is_free(self._lock) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_POLL)


async def _until(probe: Callable[[], Awaitable[bool]]) -> None:
    while not await probe():
        await asyncio.sleep(_POLL)


async def run(
    name: str,
    args: list[str],
    *,
    folder: Path,
    log: Path,
    lock: Path,
    user: tuple[int, int] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    env: dict[str, str] | None = None,
) -> Program:
    """Start `args` in `folder`, for which `{folder}` stands in them. Raises LocalStackError when an earlier run keeps the lock."""
    await _wait_free(name, lock)
    spec = launch.Spec(args=args, folder=str(folder), lock=str(lock), user=user, signal=int(stop_signal), parent=os.getpid())
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", launch.__file__, json.dumps(spec)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **(env or {})},  # never among the arguments, which everybody on the machine may read
        )
    return Program(name, log, lock, process, stop_signal)


async def finish(program: Program, within: float) -> None:
    """Wait for a program that ends by itself. Raises LocalStackError when it fails or takes too long; never leaves it running."""
    try:
        async with asyncio.timeout(within):
            status = await program.wait()
    except TimeoutError:
        raise LocalStackError(f"{program.name} took longer than {within:.0f} s; its log is {program.log}") from None
    finally:
        await program.stop(0)
    if status != 0:
        raise LocalStackError(f"{program.name} failed with status {status}: {why(program.log)}")


async def _wait_free(name: str, lock: Path) -> None:
    deadline = asyncio.get_running_loop().time() + FORMER_RUN_ENDS_WITHIN
    while not is_free(lock):
        if asyncio.get_running_loop().time() > deadline:
            raise LocalStackError(f"{name} of an earlier run still uses {lock.parent}: end that process, then start again")
        await asyncio.sleep(0.1)


def is_free(lock: Path) -> bool:
    """Whether no living process holds the lock file."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def why(log: Path) -> str:
    """What a program's log says about its end, in a line."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    told = [line for line in lines[-60:] if any(word in line for word in ("FATAL", "ERROR", "Exception", "rror:"))]
    text = " ".join(lines[-60:])
    if "ddress already in use" in text:
        return "its port is in use by another process; start again to get other ports"
    if "No space left on device" in text:
        return f"no room on the disk of {log.parent}; free some, then start again"
    return f"{(told or lines or ['it said nothing'])[-1].strip()} (log: {log})"


def short_hash(text: str) -> str:
    """16 hexadecimal digits that change when the text does."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def free_port(seed: str) -> int:
    """A free port of 127.0.0.1, the same one for the same seed while it is free, outside the range of outgoing connections."""
    first = zlib.crc32(seed.encode()) % 11_000
    for offset in range(1_000):
        port = 20_000 + (first + offset) % 11_000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise LocalStackError("no free port between 20000 and 31000 on 127.0.0.1: stop a program that uses them, then start again")
