"""A tiny service on real PostgreSQL for tests of the fold: it writes down the invoices it hears of, and can be made to fail."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from paycue.bus.batch import Batch, Input
from paycue.bus.envelope import Pending, Record, outgoing
from paycue.bus.flow import Flow
from paycue.bus.fold import Folder
from paycue.bus.letters import DeadLetter, unresolved
from paycue.bus.memory import MemoryBus
from paycue.bus.outbox import Relay
from paycue.bus.postgres import PostgresStore
from paycue.bus.store import References, no_references
from paycue.clock import SteppedClock
from paycue.db.accounts import AccountStore
from paycue.db.bulk import RowTable
from paycue.db.engine import Database
from paycue.db.schema import copied_table, kernel_tables, service_role, tenant_policy
from paycue.decision import Context, Decision, Handlers, Refused, TimerFired
from paycue.events.v1.account_pb2 import AccountState
from paycue.events.v1.invoice_pb2 import InvoiceIssued

SCHEMA = "till"
START = datetime(2013, 1, 2, 5, tzinfo=UTC)
TOPIC = "erp.invoices.v1"
_numbers = itertools.count(1)
_templates: dict[str, str] = {}


class Drawer(msgspec.Struct, frozen=True):
    """The account: the numbers heard, in order."""

    numbers: tuple[str, ...] = ()
    heard: int = 0
    next_action_at: datetime | None = None


class Line(msgspec.Struct, frozen=True):
    """A row per invoice. PostgreSQL refuses text with NUL at once, and the text `late` at the commit."""

    number: str
    text: str


class Slip(msgspec.Struct, frozen=True):
    """A row that is copied."""

    number: str


class Ring(msgspec.Struct, frozen=True):
    """A command."""

    number: str


def invoice_issued(state: Drawer, event: InvoiceIssued, ctx: Context) -> Decision[Drawer]:
    what, _, number = event.invoice_id.rpartition(" ")
    if what == "poison":
        raise ZeroDivisionError("nothing to divide")
    due = ctx.now + timedelta(days=1) if what in ("timer", "poisoned-timer", "unstorable-timer") else state.next_action_at
    said = AccountState(tenant_id=ctx.tenant, account_id=ctx.account, version=len(state.numbers) + 1)
    text = {"unstorable": "\x00", "late": "late"}.get(what, str(ctx.reference or ""))
    numbers = (*state.numbers, event.invoice_id)
    return Decision(Drawer(numbers, state.heard, due), events=(said,), rows=(Line(number, text),), calls=(Ring(number),))


def account_state(state: Drawer, event: AccountState, ctx: Context) -> Decision[Drawer]:
    return Decision(msgspec.structs.replace(state, heard=state.heard + 1))


def ring(state: Drawer, command: Ring, ctx: Context) -> Decision[Drawer]:
    if command.number == "refuse":
        raise Refused(409, "Drawer closed", "open it first")
    return Decision(msgspec.structs.replace(state, numbers=(*state.numbers, command.number)), answer=len(state.numbers) + 1)


def timer_fired(state: Drawer, event: TimerFired, ctx: Context) -> Decision[Drawer]:
    if any(number.startswith("poisoned-timer") for number in state.numbers):
        raise LookupError("no policy")
    unstorable = any(number.startswith("unstorable-timer") for number in state.numbers)
    row = Line(f"timer {ctx.cause}", "\x00" if unstorable else "")
    return Decision(Drawer((*state.numbers, "fired"), state.heard), rows=(row,))


HANDLERS: Handlers = {InvoiceIssued: invoice_issued, AccountState: account_state, Ring: ring, TimerFired: timer_fired}
STORE = AccountStore(
    SCHEMA, Drawer, {Line: RowTable("line", key=("number",)), Slip: RowTable("slip", copied=True)}, knows={"paycue.events.v1.ReminderDue"}
)


def healed(state: Drawer, event: InvoiceIssued, ctx: Context) -> Decision[Drawer]:
    """The handler of the next release, which no invoice poisons."""
    return Decision(msgspec.structs.replace(state, numbers=(*state.numbers, event.invoice_id)))


class Till:
    """The service's folder and what stands around it."""

    def __init__(self, url: str, server: str) -> None:
        self.url, self.server = url, server
        self.database = Database(url, service_role(SCHEMA), name="till")
        self.store = PostgresStore(STORE, self.database)
        self.flow, self.clock = Flow(), SteppedClock(START)
        self.bus = MemoryBus(self.flow, 1)
        self.folder = self.another()
        self.batches: list[Batch] = []
        self.folder.on_commit.append(self.batches.append)
        self._offsets = itertools.count()

    def another(self, handlers: Handlers | None = None, references: References = no_references) -> Folder:
        """A folder on the same tables: another process, or another release."""
        return Folder("till", self.store, {**HANDLERS, **(handlers or {})}, self.bus, self.clock, self.flow, references)

    def relay(self) -> Relay:
        return Relay("till", self.store, self.bus, self.clock, self.flow)

    def record(self, number: str, account: str = "a", *, event_id: str = "", tenant: str = "acme", **changed: Any) -> Record:
        """An invoice as a record; its id is its number unless one is given."""
        sound = {"currency": "USD", "amount_minor": 100, "issued_on": "2013-01-02", "due_on": "2013-01-09"}
        event = InvoiceIssued(**{**sound, "tenant_id": tenant, "account_id": account, "invoice_id": number, **changed})
        made = outgoing(event, event_id=event_id or f"{account}-{number}", source="urn:erp", at=START, partition=0)
        return Record(TOPIC, 0, next(self._offsets), made.key, made.value, made.headers)

    async def fold(self, *records: Record) -> None:
        await self.folder.fold_records("till", records)

    async def ring(self, number: str, account: str = "a") -> list[Any]:
        return await self.folder.obey([Input("acme", account, Ring(number), f"ring-{number}", self.clock.now(), command=True)])

    async def numbers(self, account: str = "a", tenant: str = "acme") -> tuple[str, ...]:
        async with self.database.transaction([tenant]) as tx:
            state = await STORE.read(tx, tenant, account)
        return state.numbers if state else ()

    async def parked(self, account: str = "a") -> bool:
        return bool(await self.rows("select 1 from till.account where account_id = $1 and parked_at is not null", account))

    async def letters(self) -> list[DeadLetter]:
        return await unresolved(self.folder)

    async def rows(self, query: str, *arguments: Any, tenants: Sequence[str] = ("acme", "beta")) -> list[Any]:
        async with self.database.transaction(tenants) as tx:
            return [tuple(row) for row in await tx.fetch(query, *arguments)]

    async def waiting(self) -> list[Pending]:
        """What the relay would send."""
        async with self.store.leading() as outbox:
            assert outbox is not None
            return [event for _, event in await outbox.waiting(2000)]

    async def everything(self) -> dict[str, list[Any]]:
        """All that stands in the tables, to see that nothing changed."""
        tables = ("account", "line", "inbox", "outbox", "dead_letter", "parked")
        return {table: sorted(await self.rows(f"select t::text from till.{table} t")) for table in tables}


@asynccontextmanager
async def till(server: str) -> AsyncIterator[Till]:
    """A till on a database of its own, copied from one that was made once."""
    template = _templates.get(server)
    if template is None:
        template = _templates[server] = await _create(server, f"template_till_{next(_numbers)}")
        await _make_tables(named(server, template))
    made = Till(named(server, await _create(server, f"till_{next(_numbers)}", f" template {template}")), server)
    try:
        yield made
    finally:
        await made.database.close()


async def _make_tables(url: str) -> None:
    account = 'tenant_id text collate "C" not null, account_id text collate "C" not null'
    connection = await asyncpg.connect(url)
    try:
        for statement in (
            *kernel_tables(SCHEMA),
            f"create table till.line ({account}, number text not null, text text not null, primary key (tenant_id, account_id, number))",
            *tenant_policy(SCHEMA, "line"),
            *copied_table(SCHEMA, "slip", f"{account}, number text not null"),
            """create function till.refuse_late() returns trigger language plpgsql as
                $$ begin raise exception 'too late' using errcode = 'check_violation'; end $$""",
            """create constraint trigger late after insert on till.line deferrable initially deferred
                for each row when (new.text = 'late') execute function till.refuse_late()""",
        ):
            await connection.execute(statement)
    finally:
        await connection.close()


async def _create(server: str, name: str, how: str = "") -> str:
    await execute(server, f"create database {name}{how}")
    return name


async def execute(url: str, statement: str) -> None:
    """Run a statement as the server's own user."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def named(server: str, database: str) -> str:
    return urlsplit(server)._replace(path=f"/{database}").geturl()
