"""What is done to services, servers, networks and providers while reminders flow: a named function for each, drawn by a seed.

Every scenario ends with everything mended and every service ready, so that what it broke shows in what the providers received.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from paycue.bus.envelope import MAX_VALUE, Headers, Outgoing
from paycue.bus.kafka_client import stop_within
from paycue.local.inbox import SmtpFault, TwilioFault
from paycue.testing.fault_proxy import FaultProxy
from tests.e2e.chaos.book import Debt
from tests.e2e.chaos.ground import COMMIT
from tests.e2e.chaos.site import Site
from tests.e2e.estate import SERVICES
from tests.e2e.processes import Process

Scenario = Callable[[Site], Awaitable[None]]
ENDED_WELL = (0, -signal.SIGTERM, 130)
"""The last two: told to stop before it had begun."""
LONGEST_FREEZE = 12.0
"""Seconds; longer than brokers wait for a member of a group."""


async def kill_service(site: Site, service: str) -> None:
    """SIGKILL, and back to work at once."""
    async with site.locks[service]:
        with site.down(service):
            site.estate.processes[service].kill()
            site.estate.processes[service].start()
        await _ready(site, service)


async def freeze_service(site: Site, service: str) -> None:
    """SIGSTOP, mostly for a moment, sometimes until its group has given it up, and SIGCONT."""
    longest = LONGEST_FREEZE if site.rng.random() < 0.1 else 4.0
    process = site.estate.processes[service]
    async with site.locks[service]:
        with site.down(service):
            process.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(site.rng.uniform(0.5, longest))
            finally:
                process.signal(signal.SIGCONT)
        await _ready(site, service)


async def restart_broker(site: Site) -> None:
    await site.ground.stop_broker()
    await asyncio.sleep(site.rng.uniform(0, 2))
    await site.ground.start_broker()
    await _ready(site)


async def kill_broker(site: Site) -> None:
    await site.ground.kill_broker()
    await site.ground.start_broker()
    await _ready(site)


async def kill_database_session(site: Site) -> None:
    """The server ends all other sessions then, and recovers."""
    await site.ground.kill_session(site.rng.choice)
    await asyncio.sleep(1)
    await _ready(site)


async def kill_database(site: Site) -> None:
    await site.ground.kill_database()
    await asyncio.sleep(site.rng.uniform(0, 2))
    await site.ground.start_database()
    await _ready(site)


async def ambiguous_commits(site: Site) -> None:
    """The commit happens, and its answer is lost with the connection."""
    site.ground.database.swallow(COMMIT, site.rng.randint(1, 8))
    await _for_a_while(site)


async def rebalance_storm(site: Site) -> None:
    """A second instance of a service comes and goes, and of another one, again and again; some leave well, some are killed."""
    for service in site.rng.sample(SERVICES, 2):
        twin = site.twin(service)
        twin.start()
        await asyncio.sleep(site.rng.uniform(1, 5))
        if site.rng.random() < 0.5:
            twin.kill()
        else:
            await _leaves(site, twin)
    await _ready(site)


async def _leaves(site: Site, twin: Process) -> None:
    """A second instance is told to end. That it does not, or not well, is a finding."""
    try:
        status = await twin.stop()
    except AssertionError as never:
        site.extra.append(str(never))
    else:
        if status not in ENDED_WELL:
            site.extra.append(f"{twin.name} ended with {status}: {twin.said()[-500:]}")


async def frozen_owner(site: Site) -> None:
    """The notifier is frozen until a second one has its lanes, and wakes with claims that it must not send any more."""
    async with site.locks["notifier"]:
        twin = site.twin("notifier")
        twin.start()
        await asyncio.sleep(site.rng.uniform(3, 4))
        with site.down("notifier"):
            site.estate.processes["notifier"].signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(site.rng.uniform(3.5, 8))
            finally:
                site.estate.processes["notifier"].signal(signal.SIGCONT)
        await asyncio.sleep(1)
        await _ready(site, "notifier")
        await _leaves(site, twin)


async def slow_network(site: Site) -> None:
    """To broker and database."""
    for proxy in (site.ground.broker, site.ground.database):
        proxy.delay = site.rng.uniform(0.01, 0.15)
    await _for_a_while(site)


async def cut_network(site: Site) -> None:
    """Connections to broker and database are reset, some in the middle of a request."""
    for _ in range(3):
        for proxy in (site.ground.broker, site.ground.database):
            proxy.cut_within(site.rng.randint(1, 20_000))
        await asyncio.sleep(site.rng.uniform(0.1, 0.5))
        site.rng.choice((site.ground.broker, site.ground.database)).cut()
    await _for_a_while(site)


async def silent_broker(site: Site) -> None:
    await _silence(site, site.ground.broker)


async def silent_database(site: Site) -> None:
    await _silence(site, site.ground.database)


async def poison(site: Site) -> None:
    """Records that nobody can fold, each for an account of its own: those wait, and nobody else does."""
    bad = [_spoilt(site, what, spoil) for what, spoil in _SPOILT]
    producer = AIOKafkaProducer(bootstrap_servers=site.ground.kafka, max_request_size=1_000_000)
    try:
        await producer.start()
        for record in bad:
            await producer.send_and_wait(record.topic, record.value, record.key, record.partition, headers=list(record.headers))
    finally:
        await stop_within(producer)
    await asyncio.sleep(0.5)


async def mail_refused_for_now(site: Site) -> None:
    for at in ("connect", "rcpt", "dot"):
        site.ground.inbox.fail(SmtpFault(at, reply="451 4.3.0 Try again later", times=site.rng.randint(1, 4)))
    await _for_a_while(site)


async def mail_refused_for_good(site: Site) -> None:
    for at in ("rcpt", "dot"):
        site.ground.inbox.fail(SmtpFault(at, reply="554 5.7.1 Refused", times=site.rng.randint(1, 4)))
    await _for_a_while(site)


async def mail_dropped(site: Site) -> None:
    """Before the final dot, at it, and once the mail is taken."""
    for at in ("data", "content", "dot", "accepted"):
        site.ground.inbox.fail(SmtpFault(at, times=site.rng.randint(1, 4)))
    await _for_a_while(site)


async def mail_silent(site: Site) -> None:
    """No answer to the final dot, of mails that were taken and of mails that were not."""
    for at in ("dot", "accepted"):
        site.ground.inbox.fail(SmtpFault(at, silent=True, times=site.rng.randint(1, 4)))
    await _for_a_while(site)


async def mail_cut(site: Site) -> None:
    """A mail's connection is reset wherever it may be."""
    for _ in range(6):
        site.ground.smtp.cut_within(site.rng.randint(1, 6_000))
        await asyncio.sleep(site.rng.uniform(0.05, 0.3))


async def sms_refused_for_now(site: Site) -> None:
    site.ground.inbox.fail(TwilioFault("before", 429, 20429, "Too Many Requests", retry_after=2, times=site.rng.randint(2, 8)))
    await _for_a_while(site)


async def sms_failing(site: Site) -> None:
    """5xx, of messages that were taken and of messages that were not."""
    for at in ("before", "accepted"):
        site.ground.inbox.fail(TwilioFault(at, times=site.rng.randint(1, 4)))
    await _for_a_while(site)


async def sms_silent(site: Site) -> None:
    """No answer in time."""
    for at in ("before", "accepted"):
        site.ground.inbox.fail(TwilioFault(at, silent=True, times=site.rng.randint(1, 4)))
    await _for_a_while(site)


async def sms_cut(site: Site) -> None:
    for _ in range(4):
        site.ground.twilio.cut_within(site.rng.randint(1, 3_000))
        await asyncio.sleep(site.rng.uniform(0.05, 0.3))
    site.ground.twilio.cut()


def kills() -> dict[str, Scenario]:
    """SIGKILL and SIGSTOP of each service."""
    made: dict[str, Scenario] = {}
    for service in SERVICES:
        made[f"SIGKILL {service}"] = _of(kill_service, service)
        made[f"SIGSTOP {service}"] = _of(freeze_service, service)
    return made


def _of(act: Callable[[Site, str], Awaitable[None]], service: str) -> Scenario:
    return lambda site: act(site, service)


FAULTS: dict[str, Scenario] = {
    act.__name__.replace("_", " "): act
    for act in (
        restart_broker, kill_broker, kill_database_session, kill_database, ambiguous_commits, rebalance_storm, frozen_owner,
        slow_network, cut_network, silent_broker, silent_database, poison,
        mail_refused_for_now, mail_refused_for_good, mail_dropped, mail_silent, mail_cut,
        sms_refused_for_now, sms_failing, sms_silent, sms_cut,
    )
}  # fmt: skip


async def _ready(site: Site, *services: str) -> None:
    await asyncio.gather(*(site.ready(name) for name in services or SERVICES))


async def _for_a_while(site: Site) -> None:
    """Long enough for the load to meet it; then everything is mended, and what nobody met is taken back."""
    await asyncio.sleep(site.rng.uniform(0.5, 1.5))
    site.ground.heal()
    await _ready(site)


async def _silence(site: Site, proxy: FaultProxy) -> None:
    proxy.silent = True
    await asyncio.sleep(site.rng.uniform(0.5, 4))
    site.ground.heal()
    await _ready(site)


_SPOILT: tuple[tuple[str, Callable[[Outgoing], Outgoing]], ...] = (
    ("no protobuf", lambda good: replace(good, value=b"\xff\xff\xff")),
    ("cut short", lambda good: replace(good, value=good.value[:-7])),
    ("oversized", lambda good: replace(good, value=good.value + b"\x00" * (MAX_VALUE + 1))),
    ("of another type", lambda good: _typed(good, "v1.PaymentReceived")),
    ("of a newer schema", lambda good: _typed(good, "v2.InvoiceIssued")),
)


def _spoilt(site: Site, what: str, spoil: Callable[[Outgoing], Outgoing]) -> Outgoing:
    """The one invoice of an account that the book knows, in a form that cannot be read."""
    site.poisoned += 1
    account = f"poisoned-{site.poisoned}-{what.replace(' ', '-')}"
    world = site.plain
    debt = Debt(world.tenant, account, "email", world.address(account), {f"P-{site.poisoned}": 1}, site.book.scenario, poisoned=True)
    site.book.debts[debt.address] = debt
    return spoil(world.record(world.invoice(account, f"P-{site.poisoned}")))


def _typed(record: Outgoing, kind: str) -> Outgoing:
    headers: Headers = tuple((name, f"paycue.events.{kind}".encode() if name == "ce_type" else value) for name, value in record.headers)
    return replace(record, headers=headers)
