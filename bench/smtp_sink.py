"""A mail server that takes everything and keeps nothing, as cheap as Python makes it; it prints its port and ends with its parent.

python -m bench.smtp_sink
"""

import asyncio
import os
from typing import Any

import uvloop

_REPLIES = {b"EHLO": b"250-sink\r\n250 SIZE\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Sink(asyncio.Protocol):
    """One session."""

    def connection_made(self, transport: Any) -> None:  # uvloop's transports are no asyncio.Transport
        self.transport, self.kept, self.in_mail = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.kept += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Answer one command or one mail; False when more bytes are needed."""
        end = b"\r\n.\r\n" if self.in_mail else b"\r\n"
        found, mark, rest = self.kept.partition(end)
        if not mark:
            return False
        self.kept = rest
        if self.in_mail:
            self.in_mail = False
            self.transport.write(b"250 taken\r\n")
        else:
            verb = found[:4].upper()
            self.in_mail = verb == b"DATA"
            self.transport.write(_REPLIES.get(verb, b"250 ok\r\n"))
        return True


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(1)


if __name__ == "__main__":
    uvloop.run(_main())
