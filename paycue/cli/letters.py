"""`paycue dead-letters`: list what could not be folded, show one, replay the account behind it, or discard it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
import uvloop
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from paycue.app import Service, discover
from paycue.bus.flow import Flow
from paycue.bus.fold import Folder
from paycue.bus.kafka import KafkaBus, security
from paycue.bus.letters import DeadLetter, StillPoison, replay, unresolved
from paycue.bus.postgres import PostgresStore
from paycue.bus.store import no_references
from paycue.bus.topics import PACKAGE, event_classes
from paycue.cli import quiet
from paycue.cli.progress import out
from paycue.clock import SystemClock
from paycue.db.engine import Database
from paycue.db.schema import service_role
from paycue.settings import load

letters = typer.Typer(no_args_is_help=True, help="What could not be folded, and the accounts that wait behind it.")


def register(app: typer.Typer) -> None:
    app.add_typer(letters, name="dead-letters")


@letters.command("list")
def list_(service: Annotated[str | None, typer.Option(help="One service; absent: all.")] = None) -> None:
    """List the dead letters that nobody has replayed or discarded."""
    found = [(one.name, letter) for one in discover([service] if service else ()) for letter in uvloop.run(_unresolved(one, None))]
    for name, letter in found:
        account = f"account {letter.tenant}:{letter.account} is parked" if letter.account else "no account is parked"
        where = f"{_kind(letter)} at {_where(letter)}, {account}"
        out.print(f"{name} {letter.id}: {where}: {' '.join(letter.reason.split())}", markup=False, highlight=False, soft_wrap=True)
    if not found:
        out.print("  no dead letters")


Service_ = Annotated[str, typer.Argument(metavar="SERVICE", help="The service that could not fold it.")]
Letter = Annotated[int, typer.Argument(metavar="ID", help="As listed.")]


@letters.command("show")
def show(service: Service_, letter_id: Letter) -> None:
    """Show one dead letter with its headers and, where it can be read, its event."""
    letter = _one(service, letter_id)
    out.print(f"{letter.reason}\n{_where(letter)}, {letter.at}", markup=False, highlight=False, soft_wrap=True)
    for name, value in letter.headers.items():
        out.print(f"  {name}: {value}", markup=False, highlight=False, soft_wrap=True)
    out.print(_readable(letter), markup=False, highlight=False, soft_wrap=True)


@letters.command("replay")
def replay_(service: Service_, letter_id: Letter) -> None:
    """Fold the letter's account again: its dead letters and all that waits behind them. Nothing changes unless all of it goes through."""
    _again(service, letter_id, discard=False)


@letters.command("discard")
def discard(service: Service_, letter_id: Letter) -> None:
    """Give a letter up for good, and let its account go on with what waits behind it."""
    _again(service, letter_id, discard=True)


def _again(service: str, letter_id: int, *, discard: bool) -> None:
    letter = _one(service, letter_id)
    try:
        count = uvloop.run(_replay(_service(service), letter, discard))
    except StillPoison as error:
        raise RuntimeError(f"nothing was changed: {error}") from None
    out.print(f"  {count} records were folded; the account goes on", highlight=False)


def _one(service: str, letter_id: int) -> DeadLetter:
    found: list[DeadLetter] = uvloop.run(_unresolved(_service(service), letter_id))
    if not found:
        raise LookupError(f"{service} has no unresolved dead letter {letter_id}; run `paycue dead-letters list`")
    return found[0]


def _service(name: str) -> Service:
    return discover([name])[0]


async def _unresolved(service: Service, only: int | None) -> list[DeadLetter]:
    async with _folder(service) as folder:
        return await unresolved(folder, only)


async def _replay(service: Service, letter: DeadLetter, discard: bool) -> int:
    async with _folder(service) as folder:
        return await replay(folder, letter, discard=discard)


@asynccontextmanager
async def _folder(service: Service) -> AsyncIterator[Folder]:
    """A folder without consumers: what it folds goes to the outbox, which the running service's relay drains."""
    quiet.configure()
    settings = load(service.settings)
    database = Database(
        settings.database_url, settings.database_role or service_role(service.name), pool_size=2, name="paycue-dead-letters"
    )
    bus = KafkaBus(settings.kafka, Flow(), security=security(settings))
    await bus.start()
    references = service.references(settings) if service.references else no_references
    try:
        store = PostgresStore(service.store, database)
        yield Folder(service.name, store, service.handlers, bus, SystemClock(), bus.flow, references)
    finally:
        await bus.stop()
        await database.close()


def _where(letter: DeadLetter) -> str:
    return f"{letter.topic}/{letter.partition}@{letter.offset}" if letter.topic else "a timer"


def _kind(letter: DeadLetter) -> str:
    """The event's type in short, with its package where that is not ours."""
    return letter.headers.get("ce_type", "no type").removeprefix(f"{PACKAGE}.")


def _readable(letter: DeadLetter) -> str:
    event = event_classes().get(letter.headers.get("ce_type", ""))
    if event is None or letter.value is None:
        return (letter.value or b"").hex()
    try:
        return json_format.MessageToJson(event.FromString(letter.value))
    except (DecodeError, ValueError):
        return letter.value.hex()
