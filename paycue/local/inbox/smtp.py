"""The SMTP sink: takes any mail, answers as a server does, and does wrong what it is told to. It runs in its caller's event
loop, so it reads no more of a mail than its end; aiosmtpd's protocol takes fifty times as long a mail.
"""

import asyncio
import re
import time
from typing import cast

from paycue.local.inbox.box import Box
from paycue.local.inbox.faults import Faults, SmtpFault, SmtpStage

MAX_SIZE = 25_000_000
_MAX_LINE = 4_096
_ADDRESS = re.compile(rb"[^:]*:\s*<([^<>]*)>")
_GREETING = b"220 paycue local inbox ESMTP\r\n"
_EHLO = b"250-paycue\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 SIZE %d\r\n" % MAX_SIZE
_OK = b"250 2.0.0 OK\r\n"


class Sink(asyncio.Protocol):
    """One connection. `open_connections` holds it while it lasts."""

    def __init__(self, box: Box, faults: Faults[SmtpFault], open_connections: set["Sink"]) -> None:
        self._box, self._faults, self._open = box, faults, open_connections
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._in_content = False
        self._deaf = False  # nothing more is read: the connection ends, or stays silent for ever
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no instances of it
        self._open.add(self)
        if not self._goes_wrong("connect"):
            self._replies.append(_GREETING)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        seen = len(self._buffer)
        self._buffer += data
        while self._step(seen):
            seen = 0
        self._flush()

    def close(self) -> None:
        self._transport.abort()

    def _step(self, seen: int) -> bool:
        """Take one command or the mail; False when more must arrive first. The first `seen` bytes held no final dot."""
        if self._deaf:
            return False
        return self._content(seen) if self._in_content else self._line()

    def _begin(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []

    def _line(self) -> bool:
        """Obey one command; False when none has arrived whole."""
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                self._hang_up(b"500 5.5.2 line too long\r\n")
            return False
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        verb = line[:4].upper()
        answer = {b"MAIL": self._mail, b"RCPT": self._rcpt, b"DATA": self._data}.get(verb)
        if answer:
            answer(line)
        else:
            self._other(verb)
        return True

    def _other(self, verb: bytes) -> None:
        if verb == b"QUIT":
            self._hang_up(b"221 2.0.0 Bye\r\n")
            return
        if verb in (b"EHLO", b"HELO", b"RSET"):
            self._begin()
        known = {b"EHLO": _EHLO, b"HELO": b"250 paycue\r\n", b"RSET": _OK, b"NOOP": _OK}
        self._replies.append(known.get(verb, b"502 5.5.1 Command not implemented\r\n"))

    def _mail(self, line: bytes) -> None:
        self._begin()
        address = _ADDRESS.match(line)
        if not address:
            self._replies.append(b"501 5.5.4 Syntax: MAIL FROM:<address>\r\n")
        elif not self._goes_wrong("mail"):
            self._sender = address[1].decode("utf-8", "replace")
            self._replies.append(_OK)

    def _rcpt(self, line: bytes) -> None:
        address = _ADDRESS.match(line)
        if self._sender is None:
            self._replies.append(b"503 5.5.1 MAIL first\r\n")
        elif not address or not address[1]:
            self._replies.append(b"501 5.5.4 Syntax: RCPT TO:<address>\r\n")
        elif not self._goes_wrong("rcpt", to := address[1].decode("utf-8", "replace")):
            self._recipients.append(to)
            self._replies.append(_OK)

    def _data(self, line: bytes) -> None:
        if not self._recipients:
            self._replies.append(b"503 5.5.1 RCPT first\r\n")
        elif not self._goes_wrong("data", *self._recipients):
            self._in_content = True
            self._replies.append(b"354 End data with <CR><LF>.<CR><LF>\r\n")

    def _content(self, seen: int) -> bool:
        """Take the mail once its final dot is there; False before."""
        if self._buffer and self._goes_wrong("content", *self._recipients):
            return False
        if self._buffer.startswith(b".\r\n"):
            end, rest = 0, 3
        else:
            end = self._buffer.find(b"\r\n.\r\n", max(0, seen - 4)) + 2
            rest = end + 3
        if end == 1:
            if len(self._buffer) > MAX_SIZE:
                self._hang_up(b"552 5.3.4 message too big\r\n")
            return False
        raw = bytes(self._buffer[:end])
        del self._buffer[:rest]
        self._in_content = False
        if end > MAX_SIZE:
            self._begin()
            self._replies.append(b"552 5.3.4 message too big\r\n")
            return True
        self._keep(raw[1:].replace(b"\r\n..", b"\r\n.") if raw.startswith(b"..") else raw.replace(b"\r\n..", b"\r\n."))
        return True

    def _keep(self, raw: bytes) -> None:
        sender, recipients, arrived_at = self._sender or "", tuple(self._recipients), time.monotonic()
        self._begin()
        if self._goes_wrong("dot", *recipients):
            self._box.refuse("email", raw, sender, recipients, arrived_at)
            return
        try:
            message = self._box.add("email", raw, sender, recipients, arrived_at)
        except OSError as error:
            self._replies.append(f"452 4.3.1 cannot keep it: {error.strerror}\r\n".encode())
            return
        if not self._goes_wrong("accepted", *recipients):
            self._replies.append(f"250 2.0.0 OK queued as {message.id}\r\n".encode())

    def _goes_wrong(self, at: SmtpStage, *recipients: str) -> bool:
        """Whether a fault takes the place of this stage's answer."""
        fault = self._faults.take(at, recipients)
        if fault is None:
            return False
        if fault.reply is not None:
            self._replies.append(fault.reply.encode() + b"\r\n")
        else:
            self._deaf = True
            if not fault.silent:
                self._flush()
                self._transport.close()
        return True

    def _hang_up(self, reply: bytes) -> None:
        self._replies.append(reply)
        self._flush()
        self._deaf = True
        self._transport.close()

    def _flush(self) -> None:
        if self._replies and not self._transport.is_closing():
            self._transport.write(b"".join(self._replies))
        self._replies.clear()
