"""One end of a connection through the fault proxy: it tells its pair what it reads, and writes as late as it is told."""

import asyncio
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import Protocol, cast

_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: a close becomes a reset."""


class Pair(Protocol):
    """The connection that an end is one of two of."""

    def made(self, end: "End") -> None: ...
    def read(self, end: "End", data: bytes) -> None: ...
    def lost(self, end: "End") -> None: ...
    def other(self, end: "End") -> "End": ...


class End(asyncio.Protocol):
    """One of a connection's two ends: `pair` hears what it reads; `write` is late by as much as the proxy is told."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._transport: asyncio.Transport | None = None
        self._held = deque[bytes]()
        self._early = b""  # what was to be sent before there was a connection
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no instances of it
        self._pair.made(self)
        if self._early:
            self._send(self._early)

    def data_received(self, data: bytes) -> None:
        self._pair.read(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._pair.lost(self)

    def pause_writing(self) -> None:
        self._pair.other(self).read_on(False)

    def resume_writing(self) -> None:
        self._pair.other(self).read_on(True)

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def read_on(self, go: bool) -> None:
        """Read, or leave what comes in the kernel."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if go else self._transport.pause_reading)()

    def write(self, data: bytes, delay: float) -> None:
        """Send after `delay` seconds, and never before what was to be sent earlier."""
        if delay <= 0 and not self._held:
            self._send(data)
            return
        self._held.append(data)
        asyncio.get_running_loop().call_later(delay, self._send_held)

    def _send_held(self) -> None:
        if self._held:
            self._send(self._held.popleft())
        if self._closing and not self._held:
            self.close()

    def _send(self, data: bytes) -> None:
        if self._transport is None:
            self._early += data
        elif not self._transport.is_closing():
            # uvloop's transport may be closed already and not say so yet.
            with suppress(RuntimeError):
                self._transport.write(data)

    def close(self) -> None:
        """Say goodbye after what is still held back."""
        self._closing = True
        if self._transport is not None and not self._held:
            self._transport.close()

    def reset(self) -> None:
        """End at once; the other side gets a reset instead of an end of file."""
        self._held.clear()
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
