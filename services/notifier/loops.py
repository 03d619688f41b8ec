"""Time-driven work: claim what may leave, make the calls that claims allow, fold what came of them.

A call is rendered and made only after its claim is committed; outcomes are folded together, as many as have come in, in one
transaction. Nothing here decides, and no call is ever repeated here.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from paycue.auth.links import sign
from paycue.bus.batch import Input
from paycue.db.engine import TRANSIENT
from paycue.ids import derived_id
from paycue.observability import metrics
from paycue.runtime import Runtime
from services.notifier.adapters.base import Channel
from services.notifier.adapters.channels import open_channels
from services.notifier.domain.calls import CallResult, ProviderCall
from services.notifier.domain.claim import Find, Send
from services.notifier.domain.commands import CallFinished, CallFound
from services.notifier.domain.rendering.facts import Facts, Line
from services.notifier.domain.rendering.reminder import render_email, render_sms
from services.notifier.domain.rendering.self_test import self_test
from services.notifier.settings import NotifierSettings

_LINK_DAYS = 90
_NOTHING = CallResult("failed", reason="channel_unavailable")
log = structlog.get_logger(__name__)


async def send_due(runtime: Runtime) -> int:
    """Claim accounts whose message wants attention, at most what the channels take in about a second; how many that were.

    A kill turns every claim in flight into an unknown call, so claims are made only as fast as they can be sent.
    """
    sender = runtime.outbound
    if not isinstance(sender, Sender):
        raise TypeError("the notifier runs with its own Sender")
    room = sender.room()
    return await runtime.folder.fold_due(room) if room > 0 else 0


class Sender:
    """Performs the notifier's calls. `settings` say which channels there are."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings: NotifierSettings = runtime.settings
        self._channels: dict[str, Channel] = {}
        self._open: set[asyncio.Task[None]] = set()
        self._outcomes: asyncio.Queue[Input] = asyncio.Queue()
        self._recorder: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Refuse to start where a mail's headers could be forged; then open the channels."""
        self_test()
        self._channels = dict(open_channels(self._settings))
        self._recorder = asyncio.get_running_loop().create_task(self._record_outcomes(), name="notifier.outcomes")

    def room(self) -> int:
        """How many more calls fit: about a second of what the channels take."""
        return self._settings.email_rate - len(self._open)

    def submit(self, calls: Sequence[Send | Find]) -> None:
        """Begin calls whose claims are committed."""
        loop = asyncio.get_running_loop()
        for call in calls:
            self._runtime.world.flow.add("provider calls", 1)
            task = loop.create_task(self._perform(call, loop.time()))
            self._open.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._runtime.alarm.ring()

    async def stop(self) -> None:
        """Let the calls in hand end, and record what came of them."""
        if self._open:
            await asyncio.wait(list(self._open))
        await self._outcomes.join()
        if self._recorder is not None:
            self._recorder.cancel()
            with suppress(asyncio.CancelledError):
                await self._recorder
        for channel in self._channels.values():
            await channel.close()

    async def _perform(self, call: Send | Find, now: float) -> None:
        command: CallFinished | CallFound
        if isinstance(call, Find):
            send = call.send
            channel = self._channels.get(send.channel)
            found = await channel.find(self._provider_call(send, now, rendered=False)) if channel else "cannot_tell"
            command = CallFound(send.reminder_id, send.call_id, found)
        else:
            send = call
            result, digest = await self._send(send, now)
            metrics.SENDS.labels(send.channel, result.outcome).inc()
            command = CallFinished(send.reminder_id, send.call_id, result, digest)
        at = self._runtime.clock.now()
        cause = derived_id(at, send.call_id, type(command).__name__, at.isoformat())
        self._outcomes.put_nowait(Input(send.tenant, send.account, command, cause, at, command=True))

    async def _send(self, send: Send, now: float) -> tuple[CallResult, bytes]:
        channel = self._channels.get(send.channel)
        if channel is None:
            return _NOTHING, b""
        try:
            call = self._provider_call(send, now, rendered=True)
        except ValueError as error:
            log.error("message cannot be rendered", reminder=send.reminder_id, error=str(error))
            return CallResult("failed", reason="cannot_render"), b""
        return await channel.send(call), hashlib.sha256(call.raw or call.body.encode()).digest()

    def _provider_call(self, send: Send, now: float, *, rendered: bool) -> ProviderCall:
        """The request to the provider; for `find` its identity is enough."""
        token = self._token("payment", send)
        email = send.channel == "email"
        facts = self._facts(send, token)
        return ProviderCall(
            *(send.call_id, send.call_id, send.channel, send.recipient),  # type: ignore[arg-type]
            send.sender_email if email else send.sender_phone,
            now + send.start_by_seconds,
            raw=render_email(facts).raw if rendered and email else b"",
            body=render_sms(facts).body if rendered and not email else "",
            link_token=token,
        )

    def _facts(self, send: Send, token: str) -> Facts:
        base = self._settings.public_url
        return Facts(
            creditor_name=send.creditor_name,
            account_id=send.account,
            debtor_name=send.debtor_name,
            locale=send.locale,
            stage=send.stage,
            items=tuple(Line(line.invoice_id, line.open_minor, line.currency, line.due_on) for line in send.lines),
            payment_link=f"{base}/p/{token}",
            unsubscribe_link=f"{base}/u/{self._token('unsubscribe', send)}",
            message_id=send.call_id,
            sent_at=send.claimed_at,
            zone=send.zone,
            sender_email=send.sender_email,
            sender_name=send.sender_name,
            to=send.recipient,
        )

    def _token(self, purpose: str, send: Send) -> str:
        """A signed link of this message alone: the same claim gives the same token, another message another."""
        expires: datetime = send.claimed_at + timedelta(days=_LINK_DAYS)
        fields = (send.tenant, send.account, send.call_id)
        return sign(self._settings.signing_key, purpose, (*fields, send.recipient) if purpose == "unsubscribe" else fields, expires)

    async def _record_outcomes(self) -> None:
        """Fold outcomes as they come, together where they come together; trouble with the database waits and tries again."""
        while True:
            inputs = [await self._outcomes.get()]
            while not self._outcomes.empty() and len(inputs) < 500:
                inputs.append(self._outcomes.get_nowait())
            while not await self._recorded(inputs):
                await asyncio.sleep(0.5)
            self._runtime.world.flow.add("provider calls", -len(inputs))
            for _ in inputs:
                self._outcomes.task_done()

    async def _recorded(self, inputs: list[Input]) -> bool:
        try:
            await self._runtime.folder.obey(inputs)
        except TRANSIENT as error:
            log.warning("outcomes are recorded later", count=len(inputs), error=repr(error))
            return False
        return True
