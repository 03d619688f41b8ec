"""P7: how much dearer an invoice becomes when the table is large: CPU of folding it into a large table over a small one, for the
product and for the floor's own upsert. Each invoice is another account's, which the table does not hold yet: the worst case.
"""

import time
from collections.abc import Awaitable
from datetime import UTC, datetime

import asyncpg

from bench.cpu import Used, alone, used
from bench.figures import Run, number
from bench.fill import fill
from bench.floor import BATCH, store, tables
from bench.floor_events import INVOICE, invoices
from bench.line import Line, at_most
from bench.product import invoice
from bench.servers import database
from paycue.app import discover, migrate_all
from paycue.bus.envelope import Record, outgoing
from paycue.bus.flow import Flow
from paycue.bus.fold import Folder
from paycue.bus.memory import MemoryBus
from paycue.bus.postgres import PostgresStore
from paycue.clock import SteppedClock
from paycue.db.engine import Database
from paycue.db.schema import service_role
from paycue.local.stack import LocalStack

_EVENTS = 20_000


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    small, large = 10_000, 10_000_000 if full else 1_000_000
    ours = [await _product(stack, size) for size in (small, large)]
    theirs = [await _raw(stack, size) for size in (small, large)]
    grown, raw = (runs[1].each.total / runs[0].each.total for runs in (ours, theirs))
    cells = [
        f"x{number(growth)} ({runs[0].each.total:.0f} -> {runs[1].each.total:.0f} us)" for growth, runs in ((grown, ours), (raw, theirs))
    ]
    return [Line("P7", f"growth of an invoice's CPU, {small:,} -> {large:,} accounts", cells, [grown / raw], at_most(1.5, 1.2))]


async def _product(stack: LocalStack, size: int) -> Run:
    """Invoices folded by the scheduler's own folder on PostgreSQL, 2,000 at a time."""
    (service,) = discover(["scheduler"])
    async with database(stack) as url:
        await migrate_all(url, [service])
        keep, flow = PostgresStore(service.store, Database(url, service_role("scheduler"))), Flow()
        folder = Folder("bench", keep, service.handlers, MemoryBus(flow, 8), SteppedClock(datetime.now(UTC)), flow)
        await _fold(folder, 0, BATCH)  # Warm: connections, statements, caches; and the example that fills the table.
        await fill(url, "scheduler", size, "a0")
        run = await _timed(_fold(folder, BATCH, BATCH + _EVENTS))
        await keep.close()
        return run


async def _fold(folder: Folder, start: int, stop: int) -> None:
    for at in range(start, stop, BATCH):
        await folder.fold_records("bench", [_record(n) for n in range(at, min(at + BATCH, stop))])


def _record(n: int) -> Record:
    out = outgoing(invoice(n, n, due_in=30), event_id=f"invoice-{n}", source="urn:erp:bench", at=datetime.now(UTC), partition=0)
    return Record(out.topic, 0, n, out.key, out.value, out.headers)


async def _raw(stack: LocalStack, size: int) -> Run:
    """The floor's rows and timers on a table of `size`, 2,000 at a time."""
    async with database(stack) as url:
        connection = await asyncpg.connect(
            url, server_settings={"plan_cache_mode": "force_custom_plan", "jit": "off"}, command_timeout=1800
        )
        await tables(connection)
        await store(connection, [INVOICE.FromString(value) for _, value in invoices(0, 1, 4)])
        await connection.execute(
            """insert into invoice select gen_random_uuid(), tenant_id, customer_id, number || n, status, currency, amount_minor,
                paid_minor, issued_at, due_at, name, email, phone, locale, zone, channels, policy_id, version, source_ref,
                updated_at
                from invoice cross join generate_series(1, $1::int) n""",
            size,
        )
        await connection.execute(
            """insert into timer (invoice_id, tenant_id, stage, channel, due_at)
                select invoice_id, tenant_id, 1, 1, now() + interval '1 year' from invoice on conflict do nothing"""
        )
        await connection.execute("vacuum analyze")
        run = await _timed(_upsert(connection))
        await connection.close()
        return run


async def _upsert(connection: asyncpg.Connection) -> None:
    for start in range(0, _EVENTS, BATCH):
        await store(connection, [INVOICE.FromString(value) for _, value in invoices(start + 10, start + 10 + BATCH, 4)])


async def _timed(work: Awaitable[None]) -> Run:
    with alone():
        before, python, began = used(), time.process_time(), time.perf_counter()
        await work
        took, mine = time.perf_counter() - began, time.process_time() - python
        servers = used() - before
    return Run(_EVENTS, took, Used(mine, servers.postgres, servers.broker))
