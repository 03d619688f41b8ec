"""Serves an ASGI application inside the running event loop: no thread, no signal handlers, a clear error when a port is taken."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI


@contextlib.asynccontextmanager
async def serving(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """Serve `app` on a port (0: any free one), yield its URL, drain at the end. Raises OSError when the port is in use."""
    sock = _listen(host, port)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    # `serve` would install signal handlers; who runs the process decides what a signal means.
    task = asyncio.get_running_loop().create_task(server._serve([sock]), name=f"http {host}:{port}")
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    if task.done():
        await task
    try:
        yield f"http://{host}:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


def _listen(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno, f"{host}:{port} cannot be listened on ({error.strerror}); set another port or stop what uses it"
        ) from error
    sock.listen(512)
    sock.setblocking(False)
    return sock
