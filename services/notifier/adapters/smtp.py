"""Email over SMTP: a few connections, opened when needed and used again, each carrying one mail at a time.

Only what the server certainly did not take is offered again. It never logs an address, a subject or a server's words.
"""

import asyncio
import logging

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException

from services.notifier.adapters.base import TOO_LATE
from services.notifier.adapters.mail_lookup import MailLookup
from services.notifier.adapters.smtp_exchange import exchange
from services.notifier.adapters.smtp_server import SmtpServer
from services.notifier.domain.calls import CallResult, Found, ProviderCall

_log = logging.getLogger(__name__)


class SmtpChannel:
    """Mail through one server."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        connections: int = 10,
        call_seconds: float = 30.0,
        final_reply_seconds: float = 600.0,
        idle_seconds: float = 30.0,
        lookup: MailLookup | None = None,
    ) -> None:
        """`call_seconds` bounds each phase before the final dot; RFC 5321 gives the server 10 minutes to answer the dot itself."""
        self._server, self._lookup = server, lookup
        self._call_seconds, self._final_reply_seconds, self._idle_seconds = call_seconds, final_reply_seconds, idle_seconds
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[tuple[SMTP, float]] = []
        self._sweep: asyncio.TimerHandle | None = None

    async def send(self, call: ProviderCall) -> CallResult:
        """Hand the mail over once. Bytes that no mail may have (a bare CR or LF) fail before anything is sent."""
        if not _whole_lines(call.raw):
            return CallResult("failed", reason="malformed_mail")
        try:
            async with asyncio.timeout_at(call.start_by_loop):
                await self._slots.acquire()
        except TimeoutError:
            return TOO_LATE
        try:
            result = await self._send(call)
        finally:
            self._slots.release()
        if result.outcome != "accepted":
            _log.info("mail call %s ended as %s: %s", call.call_id, result.outcome, result.reason)
        return result

    async def find(self, call: ProviderCall) -> Found:
        """SMTP cannot tell; the mail host's search can, where there is one."""
        return await self._lookup.find(f"{call.message_id}@{_domain(call.sender)}") if self._lookup else "cannot_tell"

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        if self._sweep:
            self._sweep.cancel()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(client) for client, _ in idle))
        if self._lookup:
            await self._lookup.close()

    async def _send(self, call: ProviderCall) -> CallResult:
        client = self._take()
        if client is not None:
            result = await self._exchange(client, call)
            if result.outcome != "retry" or client.is_connected:
                return result
        try:
            client = await self._connect(call)
        except SMTPResponseException as refused:
            return CallResult("retry", reason=f"smtp_connect_{refused.code}")
        except (SMTPException, OSError, TimeoutError) as problem:
            return CallResult("retry", reason=f"smtp_connect_{type(problem).__name__}")
        return await self._exchange(client, call)

    async def _exchange(self, client: SMTP, call: ProviderCall) -> CallResult:
        loop = asyncio.get_running_loop()
        done = False
        try:
            if loop.time() >= call.start_by_loop:
                done = True
                return TOO_LATE
            until = loop.time() + self._call_seconds
            result = await exchange(client, call, until=until, final_reply_seconds=self._final_reply_seconds)
            done = True
            return result
        finally:
            self._give_back(client, sound=done)

    async def _connect(self, call: ProviderCall) -> SMTP:
        """A session ready for mail. A refusal here, even of our password, is the installation's fault and no mail's: try later."""
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            local_hostname=_domain(call.sender),
            timeout=self._call_seconds,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
        )
        async with asyncio.timeout(self._call_seconds):
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
        return client

    def _take(self) -> SMTP | None:
        while self._idle:
            client, _ = self._idle.pop()
            if client.is_connected:
                return client
        return None

    def _give_back(self, client: SMTP, *, sound: bool) -> None:
        if not sound:
            client.close()
        elif client.is_connected:
            loop = asyncio.get_running_loop()
            self._idle.append((client, loop.time()))
            self._sweep = self._sweep or loop.call_later(self._idle_seconds, self._close_idle)

    def _close_idle(self) -> None:
        loop, self._sweep = asyncio.get_running_loop(), None
        for client, since in self._idle:
            if loop.time() - since >= self._idle_seconds:
                client.close()
        self._idle = [(client, since) for client, since in self._idle if client.is_connected]
        if self._idle:
            self._sweep = loop.call_later(self._idle_seconds, self._close_idle)


async def _greet(client: SMTP) -> None:
    """Say who we are, to an old server too."""
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def _quit(client: SMTP) -> None:
    try:
        await client.quit(timeout=2)
    except (SMTPException, OSError, TimeoutError) as problem:
        _log.debug("a mail connection ended without goodbye: %s", type(problem).__name__)
        client.close()


def _whole_lines(raw: bytes) -> bool:
    """Whether CRLF ends every line. A lone CR or LF means one mail to us and two to some servers (SMTP smuggling)."""
    pairs = raw.count(b"\r\n")
    return raw.endswith(b"\r\n") and raw.count(b"\r") == pairs == raw.count(b"\n")


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
