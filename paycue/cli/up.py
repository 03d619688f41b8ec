"""What `paycue up` does: an installation on this machine, with its data kept in a folder, and the addresses of everything in it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from paycue.app import Service, serve
from paycue.auth.api_keys import mint
from paycue.bus.bus import Bus
from paycue.cli.directory import key_record, publish
from paycue.cli.home import forget, remember
from paycue.cli.progress import err, say
from paycue.clock import SystemClock
from paycue.ids import new_secret
from paycue.installation import Installation, Wanted, installed, provider_values
from paycue.local.errors import LocalStackError

PORTS = {"scheduler": 8101, "notifier": 8102, "payments": 8103, "disputes": 8104}
_INBOX_PORT, _SMTP_PORT = 8025, 1025


async def up(folder: Path, processes: bool) -> None:
    """Run until Ctrl-C or SIGTERM. Raises LocalStackError, BusError and the like with one sentence."""
    folder = folder.absolute()
    _usable(folder)
    ports = {name: free_port(port) for name, port in PORTS.items()}
    values = _values(folder, ports)
    inbox_ports = (free_port(_SMTP_PORT), free_port(_INBOX_PORT))
    wanted = Wanted(folder, "kafka", SystemClock(), values, inbox_folder=folder / "inbox", inbox_ports=inbox_ports)
    async with installed(wanted, say) as house:
        key = await _operator_key(folder, house.world.bus)
        services = [(service, settings.model_copy(update={"http_port": ports[service.name]})) for service, settings in house.services]
        try:
            if processes:
                await _in_processes(services, house, values, lambda urls: _ready(folder, house, key, urls))
            else:
                await serve(services, house.world, lambda urls: _ready(folder, house, key, urls))
        finally:
            say("Stopping")
            forget(folder)


def _usable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalStackError(f"cannot keep data in {folder} ({error.strerror}): choose a folder you may write with --folder") from None


def _values(folder: Path, ports: dict[str, int]) -> dict[str, Any]:
    """Settings of a machine for trying out: provider calls that a crash interrupted are looked for within seconds, not minutes."""
    url = f"http://127.0.0.1:{ports['payments']}"
    quick = {"call_seconds": 5, "smtp_final_reply_seconds": 5, "find_after": (2, 5, 15, 60, 300, 900)}
    return {"secret": os.environ.get("PAYCUE_SECRET") or _kept_secret(folder), "public_url": url, **quick}


def _kept_secret(folder: Path) -> str:
    path = folder / "secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(new_secret())
    return path.read_text()


async def _operator_key(folder: Path, bus: Bus) -> str:
    """The operator's API key of this folder, registered again at each start: a broker that lost it learns it anew."""
    path = folder / "operator.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(mint("", ("*",), "paycue up")[1])
    plain = path.read_text()
    await publish(bus, key_record(plain, "", ("*",), "paycue up"))
    return plain


def free_port(wanted: int) -> int:
    """The port wanted, or any free one where that is taken."""
    for port in (wanted, 0):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = sock.getsockname()[1]
            return found
    raise LocalStackError("no port of 127.0.0.1 is free: stop something that listens there")


def _ready(folder: Path, house: Installation, key: str, urls: dict[str, str]) -> None:
    """Say what listens where, and keep it for other commands."""
    addresses = {
        "kafka": house.kafka,
        "database": house.database_url,
        "inbox": house.inbox.http_url,
        "smtp": house.inbox.smtp_url,
        "operator_key": key,
        **urls,
    }
    remember(folder, addresses)
    show_addresses(house, key, urls)


def show_addresses(house: Installation, key: str, urls: dict[str, str]) -> None:
    """A table of everything that can be looked at."""
    table = Table(box=None, show_header=False, padding=(0, 2))
    for name, url in urls.items():
        table.add_row(f"{name} API", f"{url}/docs", f"[dim]metrics {url}/metrics[/dim]")
    table.add_row("local inbox", house.inbox.http_url, "[dim]every message that was sent[/dim]")
    table.add_row("Kafka", house.kafka, "[dim]for the ERP's events, see docs/consuming.md[/dim]")
    table.add_row("operator's key", key, "[dim]Authorization: Bearer ...[/dim]")
    err.print("\n  [bold green]paycue is up[/bold green]; Ctrl-C stops everything\n")
    err.print(table, soft_wrap=True)


async def _in_processes(services: Sequence[tuple[Service, Any]], house: Installation, values: dict[str, Any], ready: Any) -> None:
    """Each service in a process of its own, all ended together; one that dies is started again."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        for service, settings in services:
            await stack.enter_async_context(_process(service.name, _environment(house, values, service.name, settings.http_port)))
        ready({service.name: f"http://127.0.0.1:{settings.http_port}" for service, settings in services})
        await stop.wait()


def _environment(house: Installation, values: dict[str, Any], name: str, port: int) -> dict[str, str]:
    settings = provider_values(house.inbox) | values | {"database_url": house.database_url, "kafka": house.kafka, f"{name}_port": port}
    return {**os.environ, **{f"PAYCUE_{key.upper()}": _text(value) for key, value in settings.items()}}


def _text(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


@contextlib.asynccontextmanager
async def _process(name: str, environment: dict[str, str]) -> AsyncIterator[None]:
    """A service's process, kept alive."""
    keeper = asyncio.get_running_loop().create_task(_keep(name, environment))
    try:
        yield
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


async def _keep(name: str, environment: dict[str, str]) -> None:
    command = (sys.executable, "-c", "from paycue.cli import main; main()", "run", name)
    while True:
        process = await asyncio.create_subprocess_exec(*command, env=environment, start_new_session=True)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
        err.print(f"  {name} ended with {code}; it is started again", highlight=False)
        await asyncio.sleep(1)
