"""A TCP proxy that misbehaves on demand, so that clients meet what networks do: latency, resets, silence, a lost answer.

It knows no protocol; a pattern of bytes tells it which answer to lose. Its orders may be given from any thread, and what it was not
told to spoil passes unchanged and in order.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from paycue.testing.proxy_end import End

_TAIL = 256
"""Bytes of a request that are remembered, for a pattern may come in two packets."""


class FaultProxy:
    """127.0.0.1:`port` in front of `target` (host, port), from `async with` to its end. Port 0: any free one.

    `delay` (seconds) holds every chunk back, both ways. While `silent`, bytes vanish, both ways; while `refusing`, whoever connects
    is reset.
    """

    def __init__(self, target: tuple[str, int], port: int = 0) -> None:
        self.target, self.port = target, port
        self.delay, self.silent, self.refusing = 0.0, False, False
        self.lost_answers = 0
        """How often an answer was swallowed."""
        self._pairs: set[_Pair] = set()
        self._patterns: list[bytes] = []
        self._bytes_left: int | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(lambda: _Pair(self).client, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for pair in list(self._pairs):
            pair.reset()
        while self._pairs:
            await asyncio.sleep(0.005)

    @property
    def connections(self) -> int:
        """Connections that are open through it now."""
        return len(self._pairs)

    def cut(self) -> None:
        """Reset every open connection, whatever is on its way."""
        self._everywhere(_Pair.reset)

    def drop(self) -> None:
        """Close every open connection, after what has been passed on already."""
        self._everywhere(_Pair.close)

    def cut_within(self, count: int) -> None:
        """Pass `count` more bytes of clients, then reset whoever sent the last of them: its server sees a request that ends too early."""
        self._bytes_left = count

    def swallow(self, pattern: bytes, times: int = 1) -> None:
        """Pass on the next request that holds `pattern` (up to 256 bytes), lose its answer and reset the connection; `times` times."""
        self._patterns += [pattern] * times

    def heal(self) -> None:
        """Do nothing wrong any more. Connections that lost bytes are reset, for their streams cannot be whole again."""
        self.delay, self.silent, self.refusing, self._bytes_left = 0.0, False, False, None
        self._patterns.clear()
        self._everywhere(lambda pair: pair.reset() if pair.torn else None)

    def _everywhere(self, order: Callable[["_Pair"], None]) -> None:
        def give() -> None:
            for pair in list(self._pairs):
                order(pair)

        self._loop.call_soon_threadsafe(give)

    def opened(self, pair: "_Pair") -> None:
        """A client connected."""
        self._pairs.add(pair)

    def closed(self, pair: "_Pair") -> None:
        """A connection is gone, both ends of it."""
        self._pairs.discard(pair)

    def spoils(self, before: bytes, data: bytes) -> bool:
        """Whether the answer to `data`, which came after `before`, is to be lost; its pattern is used up."""
        for pattern in self._patterns:
            if pattern in before[max(0, len(before) - len(pattern) + 1) :] + data:
                self._patterns.remove(pattern)
                return True
        return False

    def allowance(self, data: bytes) -> tuple[bytes, bool]:
        """What of a client's bytes still passes, and whether the connection is then to be reset."""
        if self._bytes_left is None:
            return data, False
        passes, self._bytes_left = data[: self._bytes_left], self._bytes_left - len(data)
        if self._bytes_left > 0:
            return passes, False
        self._bytes_left = None
        return passes, True


class _Pair:
    """A connection through the proxy: what its client reads and what its server reads."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.client, self.server = End(self), End(self)
        self.torn = False
        """Bytes of it have vanished."""
        self._asked = b""
        self._swallowing = False
        self._connecting: asyncio.Task[None] | None = None

    def made(self, end: End) -> None:
        if end is self.server:
            return
        self._proxy.opened(self)
        if self._proxy.refusing:
            self.reset()
        else:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.server, *self._proxy.target)
        except OSError:
            self.reset()
            return
        if not self.client.is_open:
            self.server.reset()

    def other(self, end: End) -> End:
        return self.server if end is self.client else self.client

    def read(self, end: End, data: bytes) -> None:
        """Bytes came; pass them on, or not."""
        if self._proxy.silent:
            self.torn = True
        elif end is self.client:
            self._ask(data)
        elif self._swallowing:
            self._proxy.lost_answers += 1
            self.reset()
        else:
            self.client.write(data, self._proxy.delay)

    def _ask(self, data: bytes) -> None:
        passes, reset = self._proxy.allowance(data)
        self._swallowing = self._swallowing or self._proxy.spoils(self._asked, passes)
        self._asked = (self._asked + passes)[-_TAIL:]
        self.server.write(passes, self._proxy.delay)
        if reset:
            self.client.reset()
            self.server.close()

    def lost(self, end: End) -> None:
        other = self.other(end)
        if other.is_open:
            other.close()
        else:
            self._proxy.closed(self)
            if self._connecting is not None:
                self._connecting.cancel()

    def close(self) -> None:
        for end in (self.client, self.server):
            end.close()

    def reset(self) -> None:
        for end in (self.client, self.server):
            end.reset()
