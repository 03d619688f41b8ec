"""P12: the scheduler's lists and single accounts over HTTP, with key, limits, RLS and models, beside a bare FastAPI app over asyncpg
that runs the same query and returns its rows. Ten connections ask as fast as they are answered, each side in turns.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from bench.cpu import alone
from bench.figures import median, number
from bench.line import Line, at_least
from bench.product import TENANT, installed
from bench.storm import loaded
from paycue.local.stack import LocalStack

PAIRS = 3
_CONNECTIONS = 10
_ACCOUNTS = 2_000


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    seconds, lines = (10.0 if full else 3.0), []
    async with installed(stack) as house, _bare(house.url) as bare:
        await loaded(house, _ACCOUNTS)
        ours, header = house.workers["scheduler"].url, f"Authorization: {house.authorization}\r\n"
        asked = {
            "lists of 100 accounts": (f"/v1/creditors/{TENANT}/accounts?limit=100", f"/accounts/{TENANT}?limit=100"),
            "single accounts": (f"/v1/creditors/{TENANT}/accounts/a7", f"/accounts/{TENANT}/a7"),
        }
        for what, (path, bare_path) in asked.items():
            rates, theirs = [], []
            for _ in range(PAIRS):
                with alone():
                    theirs.append(await _rate(bare, bare_path, "", seconds))
                    rates.append(await _rate(ours, path, header, seconds))
            ratios = tuple(mine / other for mine, other in zip(rates, theirs, strict=True))
            cells = [f"{number(median(values))}/s" for values in (rates, theirs)]
            lines.append(Line("P12", f"{what} a second / bare FastAPI + asyncpg", cells, ratios, at_least(0.5, 0.7)))
    return lines


async def _rate(url: str, path: str, header: str, seconds: float) -> float:
    """Answers a second over kept-alive connections. Raises RuntimeError at an answer that is not 200."""
    host, until = urlsplit(url), time.perf_counter() + seconds
    request = f"GET {path} HTTP/1.1\r\nHost: {host.netloc}\r\n{header}\r\n".encode()

    async def ask() -> int:
        reader, writer = await asyncio.open_connection(host.hostname, host.port)
        answered = 0
        while time.perf_counter() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{path}: {head.decode().splitlines()[0]}")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].partition(b":")[2]))
            answered += 1
        writer.close()
        return answered

    began = time.perf_counter()
    return sum(await asyncio.gather(*(ask() for _ in range(_CONNECTIONS)))) / (time.perf_counter() - began)


@asynccontextmanager
async def _bare(url: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.skeleton", url, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()
