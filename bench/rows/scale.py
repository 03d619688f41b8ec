"""P6: what a reminder costs in a large installation beside a small one, and a look for due timers that finds none beside `select 1`."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bench.figures import median, number
from bench.line import Line, at_most
from bench.product import Installation
from bench.storm import storm_run
from paycue.bus.postgres import PostgresStore
from paycue.db.engine import Database
from paycue.db.schema import service_role
from paycue.local.stack import LocalStack
from services.scheduler.store import STORE

_LOOKS = 300


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    small, large, storm = (100_000, 10_000_000, 50_000) if full else (50_000, 1_000_000, 10_000)
    sweeps: list[tuple[float, float]] = []

    @asynccontextmanager
    async def looking(house: Installation) -> AsyncIterator[None]:
        yield
        sweeps.append(await idle_sweep(house.url))

    few = await storm_run(stack, storm, small, looking)
    many = await storm_run(stack, storm, large, looking)
    costs = [f"{run.each.total:.0f} us" for run in (many, few)]
    sweep, nothing = sweeps[-1]
    dearer, what = many.each.total / few.each.total, f"with {large:,} open accounts"
    looks = [f"{number(sweep)} us", f"{number(nothing)} us"]
    return [
        Line("P6", f"CPU a reminder {what} / with {small:,}", costs, [dearer], at_most(1.5, 1.25)),
        Line("P6", f"a look that finds nothing due {what} / select 1", looks, [sweep / nothing], at_most(3, 1.5)),
    ]


async def idle_sweep(url: str) -> tuple[float, float]:
    """Microseconds, median: of the scheduler's claim while nothing is due, and of `select 1`; in turns, as the scheduler's own role.

    As its loop does, it asks after a claim that found nothing when the next timer is.
    """
    store, lanes = PostgresStore(STORE, Database(url, service_role("scheduler"), pool_size=2)), range(8)
    claims, ones = [], []
    for _ in range(_LOOKS):
        async with store.transaction(()) as unit:
            began = time.perf_counter()
            found = await unit.claim_due(datetime.now(UTC), 2000, lanes)
            between = time.perf_counter()
            await unit.tx.fetch("select 1")
            claims.append((between - began) * 1e6)
            ones.append((time.perf_counter() - between) * 1e6)
        if found:
            raise RuntimeError("something was due")
        await store.next_due(lanes)
    await store.close()
    return median(claims), median(ones)
