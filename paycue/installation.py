"""Every service of an installation in one process, on a stack and an inbox of this machine: what `up`, `replay` and `demo` share.

Kafka, PostgreSQL and the providers are ours unless the environment names others; nothing here is meant for production, where each
service runs by itself.
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from paycue.app import Service, discover, migrate_all
from paycue.bus.bus import Bus
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus
from paycue.bus.memory import MemoryBus
from paycue.bus.outbox import PACE_SECONDS
from paycue.clock import Clock
from paycue.db.engine import execute_alone, of_database
from paycue.ids import new_id
from paycue.local.inbox import LocalInbox
from paycue.local.inbox.box import KEEP
from paycue.local.inbox.server import TWILIO_SID, TWILIO_TOKEN
from paycue.local.stack import LocalStack
from paycue.world import World

Say = Callable[[str], None]
SENDER_PHONE = "+12025550100"
"""Of a range that is reserved for fiction: the inbox takes it, no network does."""


class Installation(msgspec.Struct, frozen=True):
    """What stands before any service is started."""

    services: tuple[tuple[Service, Any], ...]
    """Each service with its settings."""
    world: World
    servers: LocalStack
    inbox: LocalInbox
    database_url: str
    kafka: str


class Wanted(msgspec.Struct, frozen=True):
    """What an installation is to be like. `values` are settings of the services by field name."""

    folder: Path
    bus: str
    clock: Clock
    values: Mapping[str, Any]
    durable: bool = True
    partitions: int | None = None
    disposable: bool = False
    """On servers that the environment names: a database and topics of its own, dropped at the end."""
    inbox_folder: Path | None = None
    inbox_ports: tuple[int, int] = (0, 0)
    inbox_keep: int = KEEP
    """How many of the newest messages stay in memory."""


@asynccontextmanager
async def installed(wanted: Wanted, say: Say) -> AsyncIterator[Installation]:
    """Start the servers, create topics and schemas, and hand over what services are started with."""
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(LocalStack(wanted.folder, kafka=wanted.bus == "kafka", durable=wanted.durable, say=say))
        inbox = await stack.enter_async_context(
            LocalInbox(wanted.inbox_folder, *wanted.inbox_ports, clock=wanted.clock, keep=wanted.inbox_keep)
        )
        flow = Flow()
        bus = await _bus(wanted, local, flow, stack)
        url = await _database(wanted, local, stack)
        say("Creating topics and schemas")
        await bus.create_topics()
        services = discover()
        await migrate_all(url, services)
        await bus.start()
        stack.push_async_callback(bus.stop)
        kafka = local.kafka if wanted.bus == "kafka" else "memory:1"
        values = provider_values(inbox) | {"database_url": url, "kafka": kafka} | dict(wanted.values)
        settings = tuple((service, service.settings(**values)) for service in services)
        # A replay waits for each of its events; nothing would come meanwhile to be gathered.
        world = World(bus, wanted.clock, flow, pace=0 if wanted.disposable else PACE_SECONDS)
        yield Installation(settings, world, local, inbox, url, kafka)


async def _bus(wanted: Wanted, local: LocalStack, flow: Flow, stack: AsyncExitStack) -> Bus:
    if wanted.bus == "memory":
        return MemoryBus(flow, wanted.partitions)
    ours = not os.environ.get("PAYCUE_KAFKA")
    prefix = "" if ours or not wanted.disposable else f"{_throwaway()}."
    bus = KafkaBus(local.kafka, flow, prefix=prefix, partitions=wanted.partitions, replication=1 if ours else -1)
    if prefix:
        stack.push_async_callback(bus.delete_topics)
    return bus


async def _database(wanted: Wanted, local: LocalStack, stack: AsyncExitStack) -> str:
    """The database's URL; on somebody else's server a new one, if it is to be thrown away."""
    if not wanted.disposable or not os.environ.get("PAYCUE_DATABASE_URL"):
        return local.database_url
    name = _throwaway()
    await execute_alone(local.database_url, f'create database "{name}"')
    stack.push_async_callback(execute_alone, local.database_url, f'drop database if exists "{name}" with (force)')
    return of_database(local.database_url, name)


def _throwaway() -> str:
    return f"paycue_replay_{new_id().replace('-', '')[-12:]}"


def provider_values(inbox: LocalInbox) -> dict[str, Any]:
    """The settings that make the local inbox the provider of every channel that the environment does not configure."""
    values: dict[str, Any] = {}
    if not os.environ.get("PAYCUE_SMTP_URL"):
        values |= {"smtp_url": inbox.smtp_url, "mail_from": "reminders@paycue.example", "mail_lookup_url": inbox.http_url}
    if not os.environ.get("PAYCUE_TWILIO_ACCOUNT_SID"):
        values |= {"twilio_account_sid": TWILIO_SID, "twilio_auth_token": TWILIO_TOKEN, "twilio_from": SENDER_PHONE}
        values |= {"twilio_base_url": inbox.http_url}
    return values
