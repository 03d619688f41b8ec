"""P8: a storm while another session sits in a transaction that holds its snapshot, beside one without; and the look for due timers
afterwards, over everything the storm left dead. Vacuum can remove nothing as long as the snapshot is held."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from bench.figures import number
from bench.line import Line, at_least, at_most
from bench.product import Installation
from bench.rows.scale import idle_sweep
from bench.storm import storm_run
from paycue.local.stack import LocalStack


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    count = 100_000 if full else 20_000
    sweeps: dict[str, float] = {}

    @asynccontextmanager
    async def free(house: Installation) -> AsyncIterator[None]:
        yield
        sweeps["free"] = (await idle_sweep(house.url))[0]

    @asynccontextmanager
    async def held(house: Installation) -> AsyncIterator[None]:
        other = await asyncpg.connect(house.url)
        await other.execute("begin isolation level repeatable read")
        await other.fetch("select txid_current(), count(*) from pg_class")
        yield
        sweeps["held"] = (await idle_sweep(house.url))[0]
        await other.close()

    without = await storm_run(stack, count, during=free)
    within = await storm_run(stack, count, during=held)
    rates = [f"{number(run.rate)}/s" for run in (within, without)]
    looks = [f"{number(sweeps[name])} us" for name in ("held", "free")]
    slower = sweeps["held"] / sweeps["free"]
    return [
        Line("P8", "reminders/s with a snapshot held / without", rates, [within.rate / without.rate], at_least(0.6, 0.8)),
        Line("P8", "a look that finds nothing due, with a snapshot held / without", looks, [slower], at_most(5, 3)),
    ]
