"""Procrastinate on PostgreSQL: so many due jobs drained by one worker. Usage: procrastinate_drain.py COUNT CONCURRENCY"""

import asyncio
import json
import logging
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import procrastinate

logging.disable(logging.CRITICAL)
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["PEER_DATABASE"], max_size=12))
done, goal, over = 0, int(sys.argv[1]), asyncio.Event()


@app.task(name="remind", queue="reminders")
async def remind(invoice_id: str, stage: int, channel: int, recipient: str) -> None:
    """A reminder that goes nowhere."""
    global done
    done += 1
    if done >= goal:
        over.set()


def job(n: int) -> dict[str, object]:
    return {"invoice_id": f"{n:032x}", "stage": 1, "channel": 1, "recipient": f"customer{n}@example.com"}


async def main(concurrency: int) -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        due = remind.configure(schedule_at=datetime.now(UTC) - timedelta(seconds=5))
        for start in range(0, goal, 1000):
            await due.batch_defer_async(*[job(n) for n in range(start, min(goal, start + 1000))])
        began, before = time.perf_counter(), time.process_time()
        working = asyncio.create_task(
            app.run_worker_async(queues=["reminders"], concurrency=concurrency, install_signal_handlers=False, delete_jobs="never")
        )
        await over.wait()
        took, used = time.perf_counter() - began, time.process_time() - before
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    print(json.dumps({"rate": goal / took, "cpu_us": used / goal * 1e6}))


asyncio.run(main(int(sys.argv[2])))
