"""The product as it ships, on the same servers: services in processes of their own, fed by an ERP's events, mail going nowhere.

Accounts, creditor and policy are there beforehand. Then the services are frozen, the invoices are put on their topic, and the clock
runs from the thaw to the commit of the last reminder's outcome: as in the floor, nothing is produced while it runs.

    python -m bench.product [INVOICES] [INVOICES_PER_ACCOUNT] [SERVICE...]
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2

from bench.cpu import alone, used
from bench.figures import Run, said
from bench.servers import database, fresh_name, servers
from paycue.app import discover, migrate_all
from paycue.auth.api_keys import mint
from paycue.bus.directory import entry_key
from paycue.bus.envelope import Outgoing, outgoing
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus
from paycue.bus.topics import topic_of
from paycue.events.v1.account_pb2 import AccountRegistered
from paycue.events.v1.common_pb2 import CONTACT_KIND_EMAIL, ContactPoint
from paycue.events.v1.directory_pb2 import ApiKeyRegistered, CreditorRegistered
from paycue.events.v1.invoice_pb2 import InvoiceIssued
from paycue.ids import account_key
from paycue.local.stack import LocalStack

PAIR = ("scheduler", "notifier")
EVERY = ("scheduler", "notifier", "payments", "disputes")
BEATS = "beats"
"""Stands in for payments and disputes where they do not run: the notifier sends nothing while it does not hear from them."""
TENANT = "bench"
POLICY = "policy: bench\nversion: 1\nsteps:\n  - {when: due, stage: friendly, channels: [email]}\n"
_SECRET = "9f8a7c6e5d4b3a2f1e0d9c8b7a6f5e4d3c2b1a09"
_CHUNK = 5_000


@dataclass
class Worker:
    """A service's process: what it has told so far."""

    name: str
    process: asyncio.subprocess.Process
    url: str = ""
    began: float = field(default_factory=time.monotonic)
    ready_after: float = 0.0
    """Seconds from its start until it answered."""
    folded: Counter[str] = field(default_factory=Counter)
    at: float = 0.0
    paid: dict[str, float] = field(default_factory=dict)
    """When the gate was closed for a payment, by its id."""
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Until its output ends."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            what = json.loads(line)
            if "ready" in what:
                self.url, self.ready_after = what["ready"], what["at"] - self.began
            self.folded, self.at = Counter(what.get("folded", self.folded)), what["at"]
            self.paid.update(dict.fromkeys(what.get("paid", ()), self.at))
            self.told.set()

    async def until(self, kind: str, count: int, within: float = 300.0) -> None:
        """Until `count` of `kind` are folded durably; `ready`: until it serves."""
        try:
            async with asyncio.timeout(within):
                while (self.folded[kind] < count) if kind != "ready" else not self.url:
                    if self.process.returncode is not None:
                        raise RuntimeError(f"{self.name} ended with status {self.process.returncode}")
                    self.told.clear()
                    await self.told.wait()
        except TimeoutError as error:
            raise RuntimeError(f"{self.name} did not come to {count} of {kind} in {within:.0f} s: {dict(self.folded)}") from error

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def profiled(self) -> None:
        """From here on, when BENCH_PROFILE names where profiles go."""
        if os.environ.get("BENCH_PROFILE"):
            self.process.send_signal(signal.SIGUSR1)


class Installation:
    """Services at work on a database and topics of their own, and the ERP that feeds them."""

    def __init__(self, url: str, bus: KafkaBus, workers: dict[str, Worker], authorization: str) -> None:
        self.url, self.bus, self.workers, self.authorization = url, bus, workers, authorization

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self.workers.values()]

    def record(self, event: Any, event_id: str) -> Outgoing:
        """An event as an ERP publishes it."""
        directory = isinstance(event, CreditorRegistered | ApiKeyRegistered)
        key = entry_key(event) if directory else account_key(event.tenant_id, event.account_id)
        partition = self.bus.partition(topic_of(type(event)).name, key)
        return outgoing(event, event_id=event_id, source="urn:erp:bench", at=datetime.now(UTC), partition=partition, key=key)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Put records on their topics, in order."""
        for start in range(0, len(records), _CHUNK):
            await self.bus.publish(records[start : start + _CHUNK])

    async def policy(self, text: str = POLICY) -> None:
        """Put a policy in force."""
        headers = {"content-type": "application/yaml", "authorization": self.authorization}
        url = f"{self.workers['scheduler'].url}/v1/creditors/{TENANT}/policies/bench"
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.put(url, content=text.encode(), headers=headers)
            answer.raise_for_status()

    async def accounts(self, count: int) -> None:
        """Register accounts `a0` to `a<count - 1>` and wait until everybody knows them."""
        await self.publish([self.record(account(n), f"account-{n}") for n in range(count)])
        await asyncio.gather(*(self.workers[name].until("AccountRegistered", count) for name in PAIR if name in self.workers))


def account(n: int) -> AccountRegistered:
    point = ContactPoint(kind=CONTACT_KIND_EMAIL, address=f"customer{n}@example-42.com")
    return AccountRegistered(
        tenant_id=TENANT, account_id=f"a{n}", version=1, name=f"Customer Name {n}", zone="UTC", locale="de", contact_points=[point]
    )


def invoice(n: int, account_number: int, *, due_in: int = 0) -> InvoiceIssued:
    """Issued ten days ago, due today unless told otherwise."""
    today = datetime.now(UTC).date()
    return InvoiceIssued(
        tenant_id=TENANT, account_id=f"a{account_number}", invoice_id=f"INV-{n:08d}", currency="EUR", amount_minor=129_900,
        issued_on=(today - timedelta(days=10)).isoformat(), due_on=(today + timedelta(days=due_in)).isoformat(),
    )  # fmt: skip


@asynccontextmanager
async def installed(
    stack: LocalStack, names: Sequence[str] = PAIR, channel: str = "null", *, beats: bool = True, **settings: Any
) -> AsyncIterator[Installation]:
    """Services by name, ready, with one creditor; everything is gone at the end. `settings` are theirs by field name."""
    async with AsyncExitStack() as undo:
        url = await undo.enter_async_context(database(stack))
        await migrate_all(url, discover())
        bus = KafkaBus(stack.kafka, Flow(), prefix=f"{fresh_name()}.", replication=1)
        await bus.create_topics()
        undo.push_async_callback(bus.delete_topics)
        await bus.start()
        undo.push_async_callback(bus.stop)
        environment = _environment(url, stack.kafka, settings)
        started = (*names, BEATS) if beats and "payments" not in names else names
        workers = {name: await undo.enter_async_context(_worker(name, bus.prefix, channel, environment)) for name in started}
        await asyncio.gather(*(worker.until("ready", 1) for worker in workers.values()))
        key, plain = mint(TENANT, ("*",))
        house = Installation(url, bus, workers, f"Bearer {plain}")
        known = ApiKeyRegistered(key_id=key.key_id, secret_hash=key.secret_hash, tenant_id=TENANT, scopes=["*"])
        creditor = CreditorRegistered(tenant_id=TENANT, name="Bench & Sons", zone="UTC")
        await house.publish([house.record(creditor, "creditor"), house.record(known, "key")])
        await _known(url, names, [f"creditor:{TENANT}", f"key:{key.key_id}"])
        yield house


def _environment(url: str, kafka: str, settings: dict[str, Any]) -> dict[str, str]:
    values: dict[str, Any] = {
        "database_url": url, "kafka": kafka, "secret": _SECRET, "public_url": "https://pay.example.com", "log_level": "warning",
        "smtp_url": "smtp://127.0.0.1:9", "mail_from": "reminders@paycue.example",
        # As fast as it goes: with the rates that ship, a provider's capacity would be measured.
        "email_rate": 1_000_000,
    } | settings  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAYCUE_") or name == "PAYCUE_CACHE"}
    return kept | {f"PAYCUE_{name.upper()}": str(value) for name, value in values.items()}


@asynccontextmanager
async def _worker(name: str, prefix: str, channel: str, environment: dict[str, str]) -> AsyncIterator[Worker]:
    command = (sys.executable, "-m", "bench.service", name, prefix, channel)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE, limit=1 << 20)
    worker = Worker(name, process, began=began)
    listening = asyncio.create_task(worker.listen())
    try:
        yield worker
    finally:
        if process.returncode is None:
            worker.thaw()
            process.terminate() if name != BEATS else process.kill()
            try:
                await asyncio.wait_for(process.wait(), 60)
            except TimeoutError:
                process.kill()
        await listening


async def _known(url: str, names: Sequence[str], entries: Sequence[str]) -> None:
    """Until each service has folded these entries of the directory."""
    connection = await asyncpg.connect(url)
    async with asyncio.timeout(30):
        for name in names:
            while await connection.fetchval(f"select count(*) from {name}.directory where id = any($1)", list(entries)) < len(entries):
                await asyncio.sleep(0.02)
    await connection.close()


async def at_rest(house: Installation, within: float = 60.0) -> None:
    """Until no outbox holds anything any more: what followed from the last outcome is on its topic."""
    connection = await asyncpg.connect(house.url)
    async with asyncio.timeout(within):
        for name in house.workers:
            while name != BEATS and await connection.fetchval(f"select exists (select from {name}.outbox)"):
                await asyncio.sleep(0.1)
    await connection.close()


async def product_run(
    stack: LocalStack, count: int, per_account: int = 1, names: Sequence[str] = PAIR, channel: str = os.environ.get("CHANNEL", "null")
) -> Run:
    """One run over `count` invoices that are due, `per_account` adjacent ones for each account. Raises Noisy."""
    async with installed(stack, names, channel) as house:
        await house.policy()
        await house.accounts(count // per_account)
        records = [house.record(invoice(n, n // per_account), f"invoice-{n}") for n in range(count)]
        return await drained(house, records, count)


async def drained(
    house: Installation, records: Sequence[Outgoing], reminders: int, before_the_thaw: Callable[[], Awaitable[None]] | None = None
) -> Run:
    """Publish `records` to frozen services, thaw them, and wait until `reminders` more have had their outcome committed. Raises Noisy."""
    notifier = house.workers["notifier"]
    goal = notifier.folded["CallFinished"] + reminders
    for worker in house.workers.values():
        worker.freeze()
    await house.publish(records)
    if before_the_thaw is not None:
        await before_the_thaw()
    with alone():
        before, began = used(house.pids), time.monotonic()
        for worker in house.workers.values():
            worker.thaw()
            worker.profiled()
        await notifier.until("CallFinished", goal)
        ended = notifier.at
        await at_rest(house)
        return Run(reminders, ended - began, used(house.pids) - before)


async def _main(count: int, per_account: int, names: Sequence[str]) -> None:
    async with servers() as stack:
        runs = [await product_run(stack, count, per_account, names or PAIR) for _ in range(int(os.environ.get("REPEAT", "1")))]
        print(said(f"{'+'.join(names or PAIR)}, {per_account} per account", runs))


if __name__ == "__main__":
    numbers, rest = [int(word) for word in sys.argv[1:] if word.isdecimal()], [word for word in sys.argv[1:] if not word.isdecimal()]
    count, per = numbers + [20_000, 1][len(numbers) :]
    asyncio.run(_main(count, per, rest))
