"""`paycue creditors` and `paycue keys`: the operator's directory, published for every service to fold."""

from datetime import datetime
from typing import Annotated

import typer
import uvloop

from paycue.auth.api_keys import hashed, mint
from paycue.bus.bus import Bus
from paycue.bus.directory import entry_key
from paycue.bus.envelope import outgoing
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus
from paycue.cli import quiet
from paycue.cli.options import SLUG, Kafka
from paycue.cli.progress import out
from paycue.clock import SystemClock, zone
from paycue.events.v1.directory_pb2 import ApiKeyRegistered, CreditorRegistered
from paycue.ids import new_id

creditors = typer.Typer(no_args_is_help=True, help="The creditors the operator works for.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")


def register(app: typer.Typer) -> None:
    app.add_typer(creditors, name="creditors")
    app.add_typer(keys, name="keys")


@creditors.command("register")
def register_creditor(
    creditor: Annotated[
        str, typer.Argument(help="Its slug: lower-case letters, digits and hyphens, 32 at most.", parser=SLUG, metavar="CREDITOR")
    ],
    kafka: Kafka,
    name: Annotated[str, typer.Option(help="What debtors read.")],
    time_zone: Annotated[str, typer.Option("--zone", help="IANA zone of accounts that name none.")] = "UTC",
    live_from: Annotated[datetime | None, typer.Option(help="Steps dated before are never sent.", formats=["%Y-%m-%d"])] = None,
    suspended: Annotated[str, typer.Option(help="Why nothing may leave for this creditor; absent: it may.")] = "",
    sender_email: Annotated[str, typer.Option(help="The From of its mails.")] = "",
    sender_name: Annotated[str, typer.Option(help="The name in From.")] = "",
    sender_phone: Annotated[str, typer.Option(help="The sender of its SMS, E.164.")] = "",
) -> None:
    """Register a creditor, or change one: the whole present state is published each time."""
    _zone(time_zone)
    day = live_from.date().isoformat() if live_from else ""
    fields = {"suspended": suspended, "sender_email": sender_email, "sender_name": sender_name, "sender_phone": sender_phone}
    told = uvloop.run(_send(kafka, CreditorRegistered(tenant_id=creditor, name=name, zone=time_zone, live_from=day, **fields)))
    out.print(f"  {creditor} is registered", highlight=False)
    if suspended:
        where = f"GET /v1/creditors/{creditor}/stops/{told}"
        out.print(f"  and suspended; its receipt is the notifier's {where}", highlight=False, soft_wrap=True)


@keys.command("issue")
def issue(
    kafka: Kafka,
    creditor: Annotated[
        str, typer.Option(help="The one creditor it may act for; absent: the operator, every creditor.", parser=SLUG, metavar="SLUG")
    ] = "",
    scope: Annotated[list[str] | None, typer.Option(help="Such as payments:write; may be repeated; absent: everything.")] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Issue an API key and print it, once: only its hash is kept."""
    try:
        key, plain = mint(creditor, tuple(scope or ("*",)), label)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--scope") from None
    uvloop.run(_send(kafka, key_record(plain, key.tenant_id, key.scopes, label)))
    out.print(plain, highlight=False, soft_wrap=True)


@keys.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="The part before the point.")], kafka: Kafka) -> None:
    """Revoke an API key."""
    key_id = key_id.partition(".")[0]  # the whole key may have been pasted
    uvloop.run(_send(kafka, ApiKeyRegistered(key_id=key_id, secret_hash=bytes(32), revoked=True)))
    out.print(f"  {key_id} is revoked", highlight=False)


def key_record(plain: str, tenant: str, scopes: tuple[str, ...], label: str) -> ApiKeyRegistered:
    """The event that registers a key, of its plain text."""
    key_id, _, secret = plain.partition(".")
    return ApiKeyRegistered(key_id=key_id, secret_hash=hashed(secret), tenant_id=tenant, scopes=scopes, label=label)


async def publish(bus: Bus, event: CreditorRegistered | ApiKeyRegistered) -> str:
    """Publish one entry of the directory; under which event id."""
    now, event_id = SystemClock().now(), new_id()
    await bus.publish([outgoing(event, event_id=event_id, source="urn:paycue:operator", at=now, partition=0, key=entry_key(event))])
    return event_id


async def _send(kafka: str, event: CreditorRegistered | ApiKeyRegistered) -> str:
    quiet.configure()
    bus = KafkaBus(kafka, Flow())
    await bus.start()
    try:
        return await publish(bus, event)
    finally:
        await bus.stop()


def _zone(name: str) -> None:
    try:
        zone(name)
    except (KeyError, ValueError):
        raise typer.BadParameter(f"{name!r} is not an IANA time zone, such as Europe/Vienna", param_hint="--zone") from None
