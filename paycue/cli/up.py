"""`paycue up`: an installation on this machine, with its data kept in a folder, and the addresses of everything in it."""

import asyncio
import os
import socket
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from paycue.app import serve
from paycue.auth.api_keys import mint
from paycue.bus.bus import Bus
from paycue.cli import quiet
from paycue.cli.apart import serve_apart
from paycue.cli.directory import key_record, publish
from paycue.cli.home import HOME, forget, remember
from paycue.cli.progress import err, say
from paycue.clock import SystemClock
from paycue.ending import Ending
from paycue.ids import new_secret
from paycue.installation import Installation, Wanted, installed
from paycue.local.errors import LocalStackError
from paycue.local.stack import LocalStack

PORTS = {"scheduler": 8101, "notifier": 8102, "payments": 8103, "disputes": 8104}
_INBOX_PORT, _SMTP_PORT = 8025, 1025


def register(app: typer.Typer) -> None:
    app.command("up")(command)


def command(
    folder: Annotated[Path, typer.Option(help="Where the data is kept.")] = HOME,
    processes: Annotated[bool, typer.Option("--processes", help="A process for each service instead of one for all.")] = False,
) -> None:
    """Start PostgreSQL, Kafka, the local inbox and every service; Ctrl-C stops everything.

    A second start in the same folder finds the data again. PAYCUE_KAFKA=host:port and PAYCUE_DATABASE_URL=... use servers of yours
    instead of starting them.
    """
    quiet.configure("warning")
    try:
        uvloop.run(up(folder, processes))
    except asyncio.CancelledError:
        raise typer.Exit(130) from None


async def up(folder: Path, processes: bool) -> None:
    """Run until Ctrl-C or SIGTERM. Raises LocalStackError, BusError and the like with one sentence."""
    ending = Ending()
    folder = folder.absolute()
    _usable(folder)
    ports = {name: free_port(port) for name, port in PORTS.items()}
    values = _values(folder, ports)
    inbox_ports = (free_port(_SMTP_PORT), free_port(_INBOX_PORT))
    wanted = Wanted(folder, "kafka", SystemClock(), values, inbox_folder=folder / "inbox", inbox_ports=inbox_ports)
    async with installed(wanted, say) as house:
        key = await _operator_key(folder, house.world.bus)
        services = [(service, settings.model_copy(update={"http_port": ports[service.name]})) for service, settings in house.services]
        say("Starting the services")
        ready = partial(_ready, folder, house, key)
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_fail_when_ended(house.servers))
                if processes:
                    await serve_apart(services, house, values, folder, ready, ending)
                else:
                    await serve(services, house.world, ready, ending)
                watch.cancel()
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            say("Stopping")
            forget(folder)


async def _fail_when_ended(servers: LocalStack) -> None:
    """Nothing goes on without Kafka or PostgreSQL: say which of them ended, rather than back off for ever."""
    raise LocalStackError(await servers.ended())


def _usable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalStackError(f"cannot keep data in {folder} ({error.strerror}): choose a folder you may write with --folder") from None


def _values(folder: Path, ports: dict[str, int]) -> dict[str, Any]:
    """Settings of a machine for trying out: provider calls that a crash interrupted are looked for within seconds, not minutes."""
    urls = {"public_url": f"http://127.0.0.1:{ports['payments']}", "notifier_url": f"http://127.0.0.1:{ports['notifier']}"}
    quick = {"call_seconds": 5, "smtp_final_reply_seconds": 5, "find_after": (2, 5, 15, 60, 300, 900)}
    return {"secret": os.environ.get("PAYCUE_SECRET") or _kept(folder / "secret", new_secret), **urls, **quick}


def _kept(path: Path, make: Any) -> str:
    """A secret of this folder, made once; only its owner may read it."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text()


async def _operator_key(folder: Path, bus: Bus) -> str:
    """The operator's API key of this folder, registered again at each start: a broker that lost it learns it anew."""
    plain = _kept(folder / "operator.key", lambda: mint("", ("*",), "paycue up")[1])
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
        "secret": house.services[0][1].secret,
        **urls,
    }
    remember(folder, addresses)
    show_addresses(house, key, urls)


def show_addresses(house: Installation, key: str, urls: dict[str, str]) -> None:
    """Everything that can be looked at, a line each, so that it can be copied."""
    lines = {f"{name} API": f"{url}/docs  (metrics: {url}/metrics)" for name, url in urls.items()}
    lines |= {"local inbox": f"{house.inbox.http_url}  (every message that was sent)", "Kafka": house.kafka, "operator's API key": key}
    err.print("\n  [bold green]paycue is up[/bold green]; Ctrl-C stops everything\n")
    for name, where in lines.items():
        err.print(f"  {name:<20}{where}", highlight=False, soft_wrap=True)
