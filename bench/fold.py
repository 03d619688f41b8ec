"""Events folded per second and CPU per event by the scheduler on PostgreSQL, at batches of 1, 100 and 500.

    python -m bench.fold [EVENTS]

Each event is an InvoiceIssued of another account: the worst case, for every fold locks and saves a row of its own. Figures of one
run on one machine compare with each other and with nothing else.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from paycue.app import discover, migrate_all
from paycue.bus.envelope import Record, outgoing
from paycue.bus.flow import Flow
from paycue.bus.fold import Folder
from paycue.bus.memory import MemoryBus
from paycue.bus.postgres import PostgresStore
from paycue.clock import SteppedClock
from paycue.db.engine import Database
from paycue.db.schema import service_role
from paycue.events.v1.invoice_pb2 import InvoiceIssued
from paycue.ids import account_key
from paycue.local.stack import LocalStack

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def records(count: int, run: str) -> list[Record]:
    """Invoices of `count` accounts, as the bus would deliver them."""
    due = (NOW + timedelta(days=30)).date().isoformat()
    made = []
    for n in range(count):
        event = InvoiceIssued(tenant_id="bench", account_id=f"{run}-{n}", invoice_id=f"I-{n}", currency="EUR", amount_minor=129_900)
        event.issued_on, event.due_on = NOW.date().isoformat(), due
        out = outgoing(event, event_id=f"{run}-{n}", source="urn:bench", at=NOW, partition=0, key=account_key("bench", f"{run}-{n}"))
        made.append(Record(out.topic, 0, n, out.key, out.value, out.headers))
    return made


def postgres_cpu() -> float:
    """CPU seconds that PostgreSQL has used so far, ended backends included."""
    used = 0.0
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            times = process.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


async def measure(folder: Folder, batch: int, count: int) -> str:
    """One line of the table."""
    todo = records(count, f"b{batch}")
    python, postgres, began = time.process_time(), postgres_cpu(), time.perf_counter()
    for start in range(0, count, batch):
        await folder.fold_records("bench", todo[start : start + batch])
    took = time.perf_counter() - began
    python, postgres = time.process_time() - python, postgres_cpu() - postgres
    return f"{batch:>6} {count / took:>10,.0f} {python / count * 1e6:>14,.0f} {postgres / count * 1e6:>14,.0f}"


async def main(count: int) -> None:
    """Print the table."""
    service = next(service for service in discover() if service.name == "scheduler")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        async with LocalStack(Path(place), kafka=False, say=lambda _: None) as stack:
            await migrate_all(stack.database_url, [service])
            database, flow = Database(stack.database_url, service_role("scheduler")), Flow()
            folder = Folder(
                *("bench", PostgresStore(service.store, database), service.handlers, MemoryBus(flow, 8), SteppedClock(NOW), flow)
            )
            await measure(folder, 500, 1000)  # Warm: connections, statements, caches.
            print(f"{'batch':>6} {'events/s':>10} {'Python us/ev':>14} {'PostgreSQL us':>14}")
            for batch in (1, 100, 500):
                print(await measure(folder, batch, count if batch > 1 else max(200, count // 20)))
            await database.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
