"""Servers that misbehave on purpose, and say what they received: that is the truth the outcomes are held to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.notifier.domain.calls import ProviderCall

MAIL = b"From: us@operator.example\r\nTo: you@debtors.example\r\nSubject: s\r\n\r\n.a line that begins with a point\r\nend\r\n"


class FaultySmtp:
    """An SMTP server that fails at the phase named by `mode`; the mails it took stand in `accepted`."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.port = 0
        self.accepted: list[bytes] = []
        self.commands: list[bytes] = []
        self.connections = 0
        self.open = self.most_open = 0
        self.release = asyncio.Event()
        self.took_one = asyncio.Event()
        self.before_354: Callable[[], Awaitable[None]] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self.open -= 1
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "silent_greeting":
            await self.release.wait()
        await _say(writer, "554 5.3.2 no service" if self.mode == "greeting_554" else "220 here")
        while line := (await reader.readline()).strip():
            self.commands.append(line)
            verb = line.split()[0].upper()
            if verb == b"DATA":
                await self._data(reader, writer)
            elif verb == b"QUIT":
                return await _say(writer, "221 bye")
            else:
                await self._command(verb, writer)

    async def _command(self, verb: bytes, writer: asyncio.StreamWriter) -> None:
        match self.mode, verb:
            case (("no_ehlo" | "no_hello"), b"EHLO"):
                await _say(writer, "502 5.5.1 what is that?")
            case "ehlo_421", b"EHLO":
                await _say(writer, "421 4.7.0 busy")
                raise ConnectionError
            case "no_hello", b"HELO":
                await _say(writer, "550 5.7.1 not for you")
            case "rcpt_251", b"RCPT":
                await _say(writer, "251 2.1.5 will forward")
            case "drop_at_mail", b"MAIL":
                raise ConnectionError
            case "drop_at_mail_once", b"MAIL":
                self.mode = "ok"
                raise ConnectionError
            case "drop_at_rcpt", b"RCPT":
                raise ConnectionError
            case "hang_at_rcpt", b"RCPT":
                await self.release.wait()
            case "mail_421", b"MAIL":
                await _say(writer, "421 4.7.0 busy")
                raise ConnectionError
            case "mail_553", b"MAIL":
                await _say(writer, "553 5.1.8 <us@operator.example> sender refused")
            case "greylisted", b"RCPT":
                await _say(writer, "451 4.7.1 greylisted")
            case "rcpt_550", b"RCPT":
                await _say(writer, "550 5.1.1 <you@debtors.example>: no such user")
            case "nonsense_at_rcpt", b"RCPT":
                await _say(writer, "what?")
            case _:
                await _say(writer, "250 fine")

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.before_354:
            await self.before_354()
        if self.mode == "drop_at_data":
            raise ConnectionError
        if self.mode == "data_452":
            return await _say(writer, "452 4.3.1 no space")
        await _say(writer, "354 go on")
        if self.mode == "drop_in_mail":
            await reader.read(200)
            raise ConnectionError
        mail = await reader.readuntil(b"\r\n.\r\n")
        if self.mode == "reject_554":
            return await _say(writer, "554 5.7.1 spam")
        if self.mode == "reject_451":
            return await _say(writer, "451 4.3.0 later")
        if self.mode == "reject_then_drop":
            raise ConnectionError
        self.accepted.append(mail.removesuffix(b".\r\n"))
        self.took_one.set()
        await self._after_acceptance(writer)

    async def _after_acceptance(self, writer: asyncio.StreamWriter) -> None:
        if self.mode == "accept_then_drop":
            raise ConnectionError
        if self.mode == "accept_then_hang":
            await self.release.wait()
            raise ConnectionError
        said = {"accept_then_nonsense": "nonsense", "accept_then_354": "354 go on"}
        await _say(writer, said.get(self.mode, "250 2.0.0 Ok: queued as 4ABC"))


async def _say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(line.encode() + b"\r\n")
    await writer.drain()


@pytest.fixture
async def smtp() -> AsyncIterator[FaultySmtp]:
    faulty = FaultySmtp()
    server = await asyncio.start_server(faulty.serve, "127.0.0.1", 0, limit=1 << 24)
    faulty.port = server.sockets[0].getsockname()[1]
    yield faulty
    faulty.release.set()
    server.close()
    await server.wait_closed()


@pytest.fixture
def call() -> Callable[..., ProviderCall]:
    """A call that may start for a minute; keywords replace its fields."""

    def build(**fields: object) -> ProviderCall:
        loop = asyncio.get_running_loop()
        defaults: dict[str, object] = {
            "call_id": "c1",
            "message_id": "013cba5c-6400-8abc-9def-0123456789ab",
            "channel": "email",
            "recipient": "you@debtors.example",
            "sender": "us@operator.example",
            "start_by_loop": loop.time() + 60,
            "raw": MAIL,
        }
        return ProviderCall(**(defaults | fields))  # type: ignore[arg-type]

    return build
