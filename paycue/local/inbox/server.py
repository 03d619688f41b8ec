"""Runs the local inbox in the caller's event loop: SMTP and HTTP on 127.0.0.1, no threads, no signal handlers of its own."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from paycue.clock import Clock, SystemClock
from paycue.local.errors import LocalStackError
from paycue.local.inbox import mailpit, pages, twilio
from paycue.local.inbox.box import KEEP, Box
from paycue.local.inbox.faults import Faults, SmtpFault, TwilioFault
from paycue.local.inbox.received import Received
from paycue.local.inbox.smtp import Sink

TWILIO_SID = "AC" + "0" * 32
TWILIO_TOKEN = "local-inbox-token"


class LocalInbox:
    """An inbox from `async with` to its end. Port 0: any free one."""

    def __init__(
        self,
        folder: Path | None = None,
        smtp_port: int = 0,
        http_port: int = 0,
        *,
        twilio_sid: str = TWILIO_SID,
        twilio_token: str = TWILIO_TOKEN,
        clock: Clock | None = None,
        keep: int = KEEP,
    ) -> None:
        self._folder, self._keep, self._ports = folder, keep, (smtp_port, http_port)
        self._account, self._clock = (twilio_sid, twilio_token), clock or SystemClock()
        self._connections: set[Sink] = set()
        self._smtp_faults = Faults[SmtpFault]()

    @property
    def smtp_url(self) -> str:
        """For PAYCUE_SMTP_URL."""
        return f"smtp://127.0.0.1:{self._smtp.sockets[0].getsockname()[1]}"

    @property
    def http_url(self) -> str:
        """The page, and the base URL for PAYCUE_MAIL_LOOKUP_URL and PAYCUE_TWILIO_BASE_URL."""
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def received(self) -> list[Received]:
        """What was received, oldest first; append-only but for the oldest, which leave when there are more than `keep`."""
        return self.box.received

    @property
    def count(self) -> int:
        """How many were ever received."""
        return self.box.count

    async def wait_for(self, count: int, timeout: float = 10) -> None:
        """Until `count` messages were ever received. Raises TimeoutError."""
        await self.box.wait_for(count, timeout)

    def watch(self, watcher: Callable[[Received], None]) -> None:
        """Call `watcher` with each message from now on, before its sender is answered."""
        self.box.watch(watcher)

    def fail(self, fault: SmtpFault | TwilioFault) -> None:
        """Do something wrong, once or as often as the fault says."""
        if isinstance(fault, SmtpFault):
            self._smtp_faults.add(fault)
        else:
            self.twilio.faults.add(fault)

    def heal(self) -> None:
        """Forget the faults still to come."""
        self._smtp_faults.clear()
        self.twilio.faults.clear()

    async def __aenter__(self) -> Self:
        self.box = Box(self._folder, self._keep)
        self.twilio = twilio.Twilio(self.box, self._clock, *self._account)
        smtp, http = _listeners(self._ports)
        self._http_port: int = http.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._smtp = await loop.create_server(lambda: Sink(self.box, self._smtp_faults, self._connections), sock=smtp, backlog=1024)
        config = uvicorn.Config(
            self._app(), log_config=None, access_log=False, lifespan="off", date_header=False, timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        self._serving = loop.create_task(self._server.serve(sockets=[http]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.005)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.twilio.closing.set()
        self._smtp.close()
        for connection in list(self._connections):
            connection.close()
        self._server.stopping.set()
        await self._serving

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        for router in (twilio.routes(self.twilio, self.box), mailpit.routes(self.box), pages.routes(self.box)):
            app.include_router(router)
        app.add_middleware(twilio.Stamped)
        return app


class _Server(uvicorn.Server):
    """Leaves signals to the program it runs in, and waits to be stopped instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.connections:
            return await super().shutdown(sockets)
        for server in self.servers:  # nobody is connected; uvicorn would take 0.1 s to say goodbye
            server.close()
        for listener in sockets or []:
            listener.close()


def _listeners(ports: tuple[int, int]) -> tuple[socket.socket, socket.socket]:
    smtp = _listen(ports[0], "SMTP")
    try:
        return smtp, _listen(ports[1], "HTTP")
    except LocalStackError:
        smtp.close()
        raise


def _listen(port: int, what: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise LocalStackError(f"the local inbox cannot use port {port} for {what} ({error.strerror}): choose another port, or 0") from None
    listener.setblocking(False)
    return listener
