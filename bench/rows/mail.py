"""P9: mails rendered from claims and sent, beside bytes that are ready, over ten pooled connections each; in turns, the server apart."""

import asyncio
import json
import sys
from typing import Any

from bench.cpu import alone
from bench.figures import median, number
from bench.line import Line, at_least
from paycue.local.stack import LocalStack

PAIRS = 3


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    count = 20_000 if full else 5_000
    pipe = asyncio.subprocess.PIPE
    sink = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.smtp_sink", stdout=pipe)
    assert sink.stdout is not None
    port = (await sink.stdout.readline()).decode().strip()
    ours, theirs = [], []
    try:
        for _ in range(PAIRS):
            with alone():
                theirs.append(await _sent("raw", port, count))
                ours.append(await _sent("product", port, count))
    finally:
        sink.kill()
        await sink.wait()
    ratios = tuple(one["rate"] / other["rate"] for one, other in zip(ours, theirs, strict=True))
    return [Line("P9", "mails/s rendered and sent / aiosmtplib x10, ready bytes", (_said(ours), _said(theirs)), ratios, at_least(0.4, 0.6))]


async def _sent(what: str, port: str, count: int) -> dict[str, Any]:
    command = (sys.executable, "-m", "bench.mail_sender", what, port, str(count))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"sending {what} mails ended with status {process.returncode}")
    measured: dict[str, Any] = json.loads(out)
    return measured


def _said(runs: list[dict[str, Any]]) -> str:
    return f"{number(median([run['rate'] for run in runs]))}/s, Python {number(median([run['cpu_us'] for run in runs]))} us"
