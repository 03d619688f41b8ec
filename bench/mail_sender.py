"""Mails into the sink, from a process of its own: ready bytes over pooled connections, or claims through the notifier's Sender.

    python -m bench.mail_sender raw|product PORT COUNT

Prints a line of JSON: `rate` (mails a second) and `cpu_us` (CPU microseconds a mail, the server's apart).
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace

import uvloop
from aiosmtplib import SMTP

from paycue.clock import SystemClock
from paycue.ids import new_id
from services.notifier.adapters.channels import open_channels
from services.notifier.adapters.requests import provider_call
from services.notifier.domain.claim import Send
from services.notifier.domain.gate import Line
from services.notifier.loops import Sender
from services.notifier.settings import NotifierSettings

CONNECTIONS = 10
_SENDER = "reminders@paycue.example"


def settings(port: int) -> NotifierSettings:
    """The notifier's, with the sink as mail server."""
    return NotifierSettings(
        database_url="postgresql://nobody@127.0.0.1/none", kafka="127.0.0.1:9", secret="9f8a7c6e5d4b3a2f1e0d9c8b7a6f5e4d3c2b1a09",
        public_url="https://pay.example.com", smtp_url=f"smtp://127.0.0.1:{port}?tls=none", mail_from=_SENDER,
        smtp_connections=CONNECTIONS,
    )  # fmt: skip


def sends(count: int) -> list[Send]:
    """Claims as the gate makes them, of one invoice each."""
    now, due = datetime.now(UTC), date(2026, 1, 5)
    return [
        Send(
            tenant="bench", account=f"a{n}", reminder_id=new_id(), call_id=new_id(), channel="email",
            recipient=f"customer{n}@example-42.com", sender=_SENDER, claimed_at=now, start_by_seconds=3600,
            stage="friendly", lines=(Line(f"INV-{n:08d}", "EUR", 129_900, 1, due),),
            debtor_name=f"Customer Name {n}", locale="de", zone="UTC", creditor_name="Bench & Sons", sender_name="Bench & Sons",
        )
        for n in range(count)
    ]  # fmt: skip


async def pooled(count: int, one: Callable[[int], Awaitable[None]]) -> dict[str, float]:
    """`count` mails by CONNECTIONS workers at once."""
    numbers = iter(range(count))

    async def work() -> None:
        for n in numbers:
            await one(n)

    began, before = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return {"rate": count / (time.perf_counter() - began), "cpu_us": (time.process_time() - before) / count * 1e6}


async def raw(port: int, count: int) -> dict[str, float]:
    """Bytes that are ready, one and the same mail."""
    mail = provider_call(settings(port), sends(1)[0], 0.0, rendered=True).raw
    clients = [SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(client.connect() for client in clients))
    idle = list(clients)

    async def one(n: int) -> None:
        client = idle.pop()
        await client.sendmail(_SENDER, [f"customer{n}@example-42.com"], mail)
        idle.append(client)

    measured = await pooled(count, one)
    await asyncio.gather(*(client.quit() for client in clients))
    return measured


async def product(port: int, count: int) -> dict[str, float]:
    """Claims rendered and sent as the notifier does."""
    told = settings(port)
    sender = Sender(SimpleNamespace(settings=told, clock=SystemClock()))  # type: ignore[arg-type]
    sender._channels = open_channels(told)
    claims, loop = sends(count), asyncio.get_running_loop()

    async def one(n: int) -> None:
        result, _ = await sender._send(claims[n], loop.time())
        assert result.outcome == "accepted", result

    measured = await pooled(count, one)
    await sender._channels["email"].close()
    return measured


async def _main(what: str, port: int, count: int) -> None:
    send = {"raw": raw, "product": product}[what]
    await send(port, 200)
    print(json.dumps(await send(port, count)))


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
