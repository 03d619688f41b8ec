"""APScheduler with its jobs in PostgreSQL: so many date jobs that are due. Usage: apscheduler_drain.py COUNT"""

import asyncio
import json
import logging
import os
import sys
import time
from datetime import UTC, datetime, timedelta

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler

logging.disable(logging.CRITICAL)
done = 0


async def remind(invoice_id: str, stage: int, channel: int, recipient: str) -> None:
    """A reminder that goes nowhere."""
    global done
    done += 1


async def main(count: int) -> None:
    store = SQLAlchemyJobStore(url=os.environ["PEER_DATABASE"].replace("postgresql://", "postgresql+psycopg://"))
    scheduler = AsyncIOScheduler(jobstores={"default": store}, job_defaults={"misfire_grace_time": None, "max_instances": 10})
    scheduler.start(paused=True)
    due = datetime.now(UTC) - timedelta(seconds=1)
    for n in range(count):
        scheduler.add_job(remind, "date", run_date=due, args=(f"{n:032x}", 1, 1, f"customer{n}@example.com"), id=str(n))
    began, before = time.perf_counter(), time.process_time()
    scheduler.resume()
    while done < count:
        await asyncio.sleep(0.005)
    took, used = time.perf_counter() - began, time.process_time() - before
    scheduler.shutdown(wait=False)
    print(json.dumps({"rate": count / took, "cpu_us": used / count * 1e6}))


asyncio.run(main(int(sys.argv[1])))
