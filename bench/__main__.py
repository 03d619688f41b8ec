"""`python -m bench [ROW ...]`: measure the rows named (none: all), print the table; a whole table is written to docs/benchmarks.md.

FULL=1 takes the full scale. A row during which another process used the machine is tried again once and then not reported, unless
BENCH_ANYWAY=1, which says so in the output.
"""

import asyncio
import importlib
import os
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.cpu import WARNINGS, Noisy
from bench.line import HEADS, Line
from bench.report import write
from bench.servers import servers
from paycue.local.stack import LocalStack

ROWS = {
    "pipeline": ("P1", "P2"),
    "usual": ("P3",),
    "storms": ("P4",),
    "stops": ("P5",),
    "scale": ("P6",),
    "growth": ("P7",),
    "snapshot": ("P8",),
    "mail": ("P9",),
    "memory": ("P10",),
    "api": ("P12",),
}
"""The module of each row. P11, the simulation of policies, is not there yet."""
_PAUSE = 20.0


async def _main(wanted: Sequence[str]) -> int:
    full, began = os.environ.get("FULL") == "1", time.monotonic()
    modules = [name for name, rows in ROWS.items() if not wanted or set(rows) & set(wanted)]
    lines: list[Line] = []
    failed: list[str] = []
    async with servers() as stack:
        for name in modules:
            print(f"measuring {', '.join(ROWS[name])} ({(time.monotonic() - began) / 60:.0f} min)", flush=True)
            lines += await _measured(stack, name, full, failed)
            for line in lines[-8:]:
                if line.row in ROWS[name]:
                    print("  " + " | ".join(line.cells), flush=True)
    _show(lines)
    for warning in dict.fromkeys(WARNINGS):
        print(f"warning: {warning}")
    for reason in failed:
        print(f"not measured: {reason}")
    if not wanted and not failed:
        print(f"written to {write(lines, list(dict.fromkeys(WARNINGS)), full)}")
    return 1 if failed else 0


async def _measured(stack: LocalStack, name: str, full: bool, failed: list[str]) -> list[Line]:
    rows = importlib.import_module(f"bench.rows.{name}")
    noisy = ""
    for _ in range(2):
        try:
            measured: list[Line] = await rows.measure(stack, full)
            return measured
        except Noisy as error:
            noisy = str(error)
            print(f"  disturbed: {noisy}", flush=True)
            await asyncio.sleep(_PAUSE)
    failed.append(f"{', '.join(ROWS[name])}: {noisy}")
    return []


def _show(lines: Sequence[Line]) -> None:
    table = Table(*HEADS)
    for line in lines:
        table.add_row(*line.cells)
    Console(width=None if sys.stdout.isatty() else 220).print(table)


if __name__ == "__main__":
    sys.exit(asyncio.run(_main([word.upper() for word in sys.argv[1:]])))
