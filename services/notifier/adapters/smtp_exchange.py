"""One mail over one open SMTP connection, with a mark at the only byte that matters: the final dot.

Before the dot nothing was accepted, whatever goes wrong. After it a reply is the truth, and silence is *unknown*: the server may
have the mail. (aiosmtplib raises the same error on both sides, so the commands are given one by one.)
"""

import asyncio
import re

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from services.notifier.adapters.base import TOO_LATE
from services.notifier.domain.addresses import normalise_email
from services.notifier.domain.calls import CallResult, ProviderCall

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


async def exchange(client: SMTP, call: ProviderCall, *, until: float, final_reply_seconds: float) -> CallResult:
    """Hand one mail over. `until` (event-loop time) bounds everything before the dot; a connection in doubt is closed."""
    try:
        async with asyncio.timeout_at(until):
            refusal = await _envelope(client, call)
            if refusal is None:
                await _body(client, call.raw)
    except (SMTPException, OSError, TimeoutError) as problem:
        client.close()
        return CallResult("retry", reason=f"smtp_before_dot_{type(problem).__name__}")
    except ValueError:
        client.close()
        return CallResult("failed", reason="malformed_address")
    if refusal is not None:
        return refusal
    if asyncio.get_running_loop().time() >= call.start_by_loop:
        client.close()
        return TOO_LATE
    if not client.is_connected:
        return CallResult("retry", reason="smtp_before_dot_disconnected")
    return await _dot(client, final_reply_seconds)


async def _envelope(client: SMTP, call: ProviderCall) -> CallResult | None:
    """MAIL, RCPT and DATA; None once the server waits for the mail. A refused transaction is reset for the next mail."""
    # Written here: aiosmtplib reads addresses leniently, would send to what it makes of a strange one, and takes its time for both.
    sender, recipient = normalise_email(call.sender).encode("ascii"), normalise_email(call.recipient).encode("ascii")
    commands = ((b"MAIL FROM:<%b>" % sender, (250,)), (b"RCPT TO:<%b>" % recipient, (250, 251)), (b"DATA", (354,)))
    for command, welcome in commands:
        code, text = await client.execute_command(command)
        if code < 200:  # No reply at all: the session is out of step.
            raise SMTPResponseException(code, text)
        if code not in welcome:
            if client.is_connected:
                await client.rset()
            return by_reply(code, text)
    return None


async def _body(client: SMTP, raw: bytes) -> None:
    """All but the dot, until the kernel has it: whoever dies while it is on its way has not accepted it."""
    stuffed = raw.replace(b"\r\n.", b"\r\n..")
    if client.protocol is None:
        raise ConnectionResetError("the connection was closed before the mail")
    client.protocol.write(b"." + stuffed if stuffed.startswith(b".") else stuffed)
    pause = 0.0
    while isinstance(client.transport, asyncio.WriteTransport) and client.transport.get_write_buffer_size():
        await asyncio.sleep(pause)
        pause = 0.002


async def _dot(client: SMTP, seconds: float) -> CallResult:
    """The byte that cannot be taken back, and what the server said to it."""
    try:
        code, text = await client.execute_command(b".", timeout=seconds)
    except (SMTPException, OSError, TimeoutError) as silence:
        client.close()
        return CallResult("unknown", reason=f"smtp_after_dot_{type(silence).__name__}")
    if 200 <= code < 300:
        return CallResult("accepted", reference="" if "@" in text else text[:120])
    if 400 <= code < 600:
        return by_reply(code, text)
    client.close()
    return CallResult("unknown", reason=f"smtp_after_dot_{code}")


def by_reply(code: int, text: str) -> CallResult:
    """A refusal by its code: 5xx is for good, anything else for now. The text, which may hold an address, is not kept."""
    enhanced = _ENHANCED.match(text)
    reason = f"smtp_{code}" + (f"_{enhanced.group()}" if enhanced else "")
    return CallResult("failed" if 500 <= code < 600 else "retry", reason=reason)
