"""What a mail host's search proves: only that it names this very mail, and only what it answers completely."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.notifier.adapters.mail_lookup import MailLookup

OWN, OTHER = "c1@operator.example", "c12@operator.example"


@asynccontextmanager
async def answering(status: str, body: str) -> AsyncIterator[MailLookup]:
    """A lookup at a host that answers every search alike."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    lookup = MailLookup(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seconds=2)
    try:
        yield lookup
    finally:
        await lookup.close()
        server.close()
        await server.wait_closed()


def naming(*ids: str) -> str:
    return '{"messages": [' + ", ".join(f'{{"MessageID": "{one}"}}' for one in ids) + "]}"


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        ("200 OK", naming(OWN), "accepted"),
        ("200 OK", naming(OTHER, f"<{OWN}>"), "accepted"),
        ("200 OK", naming(), "not_accepted"),
        ("200 OK", naming(OTHER), "not_accepted"),
        ("200 OK", naming(f"x{OWN}", OWN.removeprefix("c")), "not_accepted"),
        ("503 Busy", naming(), "cannot_tell"),
        ("404 Not Found", naming(), "cannot_tell"),
        ("200 OK", '{"messages": [', "cannot_tell"),
        ("200 OK", "{}", "cannot_tell"),
        ("200 OK", "<html></html>", "cannot_tell"),
    ],
)
async def test_a_mail_was_received_if_the_host_names_it_and_not_if_it_names_others(status: str, body: str, found: str) -> None:
    async with answering(status, body) as lookup:
        assert await lookup.find(OWN) == found


async def test_a_host_that_is_not_there_cannot_tell() -> None:
    lookup = MailLookup("http://127.0.0.1:1", seconds=2)
    assert await lookup.find(OWN) == "cannot_tell"
    await lookup.close()
