"""What the fault proxy does to a connection, seen from both of its ends. The server here answers every line with the same line."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from paycue.testing.fault_proxy import FaultProxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """Answers lines; `heard` is every byte that arrived."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.heard += data
                writer.write(data)
        self.ended += 1
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, FaultProxy]]:
    """An echo with a proxy in front of it."""
    echo = Echo()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with FaultProxy(server.sockets[0].getsockname()[:2]) as proxy:
        yield echo, proxy
    server.close()
    await server.wait_closed()


async def connected(proxy: FaultProxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def ask(streams: Streams, line: bytes, within: float = 2.0) -> bytes:
    """The answer to a line; nothing when the connection was closed."""
    streams[1].write(line)
    async with asyncio.timeout(within):
        return await streams[0].readline()


async def asked_anew(proxy: FaultProxy, line: bytes) -> bytes:
    """The answer to a line on a connection of its own."""
    streams = await connected(proxy)
    try:
        return await ask(streams, line)
    finally:
        streams[1].close()


async def answers(streams: Streams, line: bytes, within: float) -> bool:
    try:
        return await ask(streams, line, within) == line
    except TimeoutError:
        return False


async def test_what_is_not_spoilt_passes_unchanged_and_in_order(echo: tuple[Echo, FaultProxy]) -> None:
    _, proxy = echo
    streams, sent = await connected(proxy), b"".join(b"%d\n" % number for number in range(200_000))

    streams[1].write(sent)
    async with asyncio.timeout(10):
        assert await streams[0].readexactly(len(sent)) == sent
    streams[1].close()


async def test_a_delay_holds_both_ways_back_and_keeps_the_order(echo: tuple[Echo, FaultProxy]) -> None:
    _, proxy = echo
    streams = await connected(proxy)
    proxy.delay, started = 0.1, time.monotonic()

    streams[1].write(b"first ")
    await asyncio.sleep(0.02)
    proxy.delay = 0.0
    answer = await ask(streams, b"second\n")

    assert answer == b"first second\n"
    assert time.monotonic() - started >= 0.098  # uvloop counts in milliseconds
    streams[1].close()


async def test_a_cut_resets_both_ends(echo: tuple[Echo, FaultProxy]) -> None:
    server, proxy = echo
    streams = await connected(proxy)
    await ask(streams, b"hello\n")

    proxy.cut()

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].read(), 2)
    async with asyncio.timeout(2):
        while not server.ended or proxy.connections:
            await asyncio.sleep(0.005)
    streams[1].close()


async def test_a_drop_is_an_end_of_file(echo: tuple[Echo, FaultProxy]) -> None:
    _, proxy = echo
    streams = await connected(proxy)
    await ask(streams, b"hello\n")

    proxy.drop()

    assert await asyncio.wait_for(streams[0].read(), 2) == b""
    streams[1].close()


async def test_a_request_is_cut_in_its_middle(echo: tuple[Echo, FaultProxy]) -> None:
    server, proxy = echo
    streams = await connected(proxy)
    await ask(streams, b"hello\n")
    proxy.cut_within(4)

    streams[1].write(b"goodbye\n")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].read(), 2)

    async with asyncio.timeout(2):
        while not server.ended:
            await asyncio.sleep(0.005)
    assert server.heard == b"hello\ngood"
    assert await asked_anew(proxy, b"again\n") == b"again\n"
    streams[1].close()


async def test_silence_swallows_both_ways_and_healing_resets_only_what_it_tore(echo: tuple[Echo, FaultProxy]) -> None:
    _, proxy = echo
    torn, whole = await connected(proxy), await connected(proxy)
    await ask(whole, b"hello\n")
    proxy.silent = True
    assert not await answers(torn, b"anybody?\n", within=0.1)

    proxy.heal()

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(torn[0].read(), 2)
    assert await ask(whole, b"still here\n") == b"still here\n"
    for streams in (torn, whole):
        streams[1].close()


async def test_the_answer_to_a_pattern_is_lost_once_though_the_request_arrived(echo: tuple[Echo, FaultProxy]) -> None:
    server, proxy = echo
    streams = await connected(proxy)
    await ask(streams, b"commit\n")
    proxy.swallow(b"commit")
    await ask(streams, b"begin\n")

    streams[1].write(b"com")
    await asyncio.sleep(0.02)
    with pytest.raises(ConnectionResetError):
        await ask(streams, b"mit\n")

    assert server.heard == b"commit\nbegin\ncommit\n"
    assert proxy.lost_answers == 1
    assert await asked_anew(proxy, b"commit\n") == b"commit\n"
    streams[1].close()


async def test_who_connects_is_refused_until_it_is_healed(echo: tuple[Echo, FaultProxy]) -> None:
    _, proxy = echo
    proxy.refusing = True
    streams = await connected(proxy)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(streams[0].read(), 2)

    proxy.heal()

    assert await asked_anew(proxy, b"hello\n") == b"hello\n"
    streams[1].close()


async def test_nobody_behind_it_is_a_reset_too(unused_port: int) -> None:
    async with FaultProxy(("127.0.0.1", unused_port)) as proxy:
        streams = await connected(proxy)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(streams[0].read(), 2)
        streams[1].close()


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(Echo(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
