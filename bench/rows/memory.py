"""P10: a service's memory and its cold start beside a bare FastAPI skeleton's, and the memory that a pending reminder takes."""

import asyncio
import sys
import time

import psutil

from bench.cpu import alone
from bench.figures import median, number
from bench.line import Line, at_most
from bench.product import EVERY, Installation, installed, invoice
from paycue.local.stack import LocalStack

_STARTS = 3
_WARM_UP = 50_000


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    pending = 400_000 if full else 200_000
    with alone():
        bare, bare_start = await _skeleton()
        async with installed(stack, EVERY) as house:
            await asyncio.sleep(1)
            resident = {name: _resident(house.workers[name].process.pid) for name in EVERY}
            start = median([worker.ready_after for name, worker in house.workers.items() if name in EVERY])
            alone_start = await _alone(stack)
        grown = await _pending(stack, pending)
    sizes = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in resident.items())
    starts = f"{alone_start * 1e3:.0f} ms ({start * 1e3:.0f} ms for each of four at once)"
    each, times, cold = max(0.0, grown), max(resident.values()) / bare, alone_start / bare_start
    return [
        Line("P10", "resident MB of a service (the largest) / skeleton", (sizes, f"{bare / 1e6:.0f}"), [times], at_most(3, 2)),
        Line("P10", "cold start, process to ready / skeleton", (starts, f"{bare_start * 1e3:.0f} ms"), [cold], at_most(3, 2)),
        Line("P10", f"bytes of RSS for each of {pending:,} more pending reminders", (f"{number(each)} B", ""), [each], at_most(1, 1)),
    ]  # fmt: skip


def _resident(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss)


async def _skeleton() -> tuple[float, float]:
    """Bytes and seconds to the first answer, medians."""
    sizes, starts = [], []
    for _ in range(_STARTS):
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.skeleton", stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()
        starts.append(time.monotonic() - began)
        await asyncio.sleep(0.5)
        sizes.append(_resident(process.pid))
        process.kill()
        await process.wait()
    return median(sizes), median(starts)


async def _alone(stack: LocalStack) -> float:
    """Seconds from the start of a scheduler's process to its readiness, with nothing else starting; median."""
    taken = []
    for _ in range(_STARTS):
        async with installed(stack, ("scheduler",), beats=False) as house:
            taken.append(house.workers["scheduler"].ready_after)
    return median(taken)


async def _pending(stack: LocalStack, count: int) -> float:
    """Bytes by which scheduler and notifier grow with each reminder that waits, of an account of its own, once both have had enough to do
    to be as large as their work makes them.
    """
    async with installed(stack) as house:
        await house.policy()
        await house.accounts(_WARM_UP + count)
        await _issued(house, 0, _WARM_UP)
        before = _both(house)
        await _issued(house, _WARM_UP, _WARM_UP + count)
        return (_both(house) - before) / count


async def _issued(house: Installation, start: int, stop: int) -> None:
    await house.publish([house.record(invoice(n, n, due_in=30), f"invoice-{n}") for n in range(start, stop)])
    await house.workers["scheduler"].until("InvoiceIssued", stop)
    await asyncio.sleep(1)


def _both(house: Installation) -> float:
    return sum(_resident(house.workers[name].process.pid) for name in ("scheduler", "notifier"))
