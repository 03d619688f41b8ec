"""A running notifier with real providers to speak to: the local inbox's SMTP sink and its stand-in for Twilio."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from paycue.app import api
from paycue.bus.batch import Batch
from paycue.http.serve import serving
from paycue.local.inbox import LocalInbox
from paycue.local.inbox.server import TWILIO_SID, TWILIO_TOKEN
from paycue.runtime import Runtime
from services.notifier.loops import Sender
from services.notifier.main import SERVICE
from tests.integration.conftest import Start
from tests.integration.world import Running

PUBLIC_NUMBER = "+12025550199"


class Notifier(Running):
    """A notifier at work, and what it says of a message."""

    async def story(self, reminder: str = "r1", account: str = "a1") -> dict[str, Any]:
        """The message with its attempts and reports, as the API tells it."""
        answer = await self.client.get(f"/v1/creditors/acme/accounts/{account}/messages/{reminder}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def later(self, seconds: float) -> None:
        """Let so much business time pass, each timer at its own instant."""
        await self.at((self.clock.now() + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat())

    async def kill(self) -> None:
        """The process dies: nothing in flight is finished, nothing is recorded any more."""
        sender = self.runtime.outbound
        assert isinstance(sender, Sender)
        tasks = [*self.runtime._tasks, *sender._open, *([sender._recorder] if sender._recorder else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.runtime.database.close()
        self.flow.open.clear()

    async def restart(self) -> "Notifier":
        """A new process in its place."""
        runtime = Runtime(SERVICE, self.runtime.settings, self.runtime.world)
        await runtime.start()
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(api(SERVICE, runtime)), base_url="http://test")
        client.headers.update(self.client.headers)
        return Notifier(runtime, self.bus, self.clock, client)


@pytest.fixture
async def inbox() -> AsyncIterator[LocalInbox]:
    async with LocalInbox() as inbox:
        yield inbox


def settings_for(inbox: LocalInbox, public_url: str) -> dict[str, Any]:
    return {
        "public_url": public_url,
        "smtp_url": inbox.smtp_url,
        "mail_from": "us@operator.example",
        "mail_lookup_url": inbox.http_url,
        "twilio_account_sid": TWILIO_SID,
        "twilio_auth_token": TWILIO_TOKEN,
        "twilio_from": PUBLIC_NUMBER,
        "twilio_base_url": inbox.http_url,
        "call_seconds": 2.0,
        "smtp_final_reply_seconds": 2.0,
    }


Frozen = Callable[[float], None]


@pytest.fixture
def freeze(notifier: Notifier) -> Frozen:
    """Have the process stand still for so many seconds right after its next claim is committed, as SIGSTOP does."""

    coming: list[float] = []

    def stand_still(batch: Batch) -> None:
        if batch.calls and coming:
            time.sleep(coming.pop())

    notifier.runtime.folder.on_commit.insert(0, stand_still)
    return coming.append


@pytest.fixture
async def notifier(running_service: Start, inbox: LocalInbox) -> AsyncIterator[Notifier]:
    """Its API is served where providers call it back."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    made = await running_service(SERVICE, **settings_for(inbox, f"http://127.0.0.1:{port}"))
    async with serving(api(SERVICE, made.runtime), "127.0.0.1", port):
        yield Notifier(made.runtime, made.bus, made.clock, made.client)
