"""Events of other services turned into the notifier's own structs. It decides nothing."""

from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from paycue.events.v1 import account_pb2, common_pb2, reminder_pb2
from services.notifier.domain.addresses import normalise_email, normalise_phone
from services.notifier.domain.gate import Contact, Gate, Hours, Line, Message

Address: TypeAlias = tuple[str, str]
"""A channel, and an address in the spelling that is kept."""
CHANNELS = {common_pb2.CHANNEL_EMAIL: "email", common_pb2.CHANNEL_SMS: "sms"}
_STAGES = {number: name.removeprefix("STAGE_").lower() for name, number in common_pb2.Stage.items() if number}


def contact_points(gate: Gate, event: account_pb2.AccountRegistered) -> tuple[Contact, ...]:
    """The account's addresses in one spelling each: first those with a recorded consent, then the ERP's.

    One that is no address reaches nobody and is left out.
    """
    consented = [contact for contact in gate.contacts if contact.basis != "account_fact"]
    known = {(contact.channel, contact.address): contact for contact in consented}
    for channel, address in addresses(event):
        known.setdefault((channel, address), Contact(channel, address))
    return tuple(known.values())


def addresses(event: account_pb2.AccountRegistered) -> list[Address]:
    """The channel and the address of every contact point that has one."""
    found = [_address(point.kind == common_pb2.CONTACT_KIND_EMAIL, point.address) for point in event.contact_points]
    return [address for address in found if address is not None]


@lru_cache(maxsize=4096)
def _address(email: bool, text: str) -> Address | None:
    """Asked for twice: what was said of an address is looked up before it is folded."""
    try:
        return ("email", normalise_email(text)) if email else ("sms", normalise_phone(text))
    except ValueError:
        return None


def message_of(event: reminder_pb2.ReminderDue, now: datetime) -> Message:
    """A pending message of a reminder, to be looked at now. Raises ValueError on a stage or channel that this version does not know."""
    if event.stage not in _STAGES:
        raise ValueError(f"stage is {event.stage}, expected one of {', '.join(_STAGES.values())}")
    return Message(
        reminder_id=event.reminder_id,
        stage=_STAGES[event.stage],
        channels=_channels(tuple(event.channels)),
        lines=tuple([_line(item) for item in event.items]),
        planned_on=date.fromisoformat(event.planned_on),
        valid_until=_instant(event.valid_until.seconds, event.valid_until.nanos),
        at=now,
        hours=_hours(event.window_from, event.window_to, event.working_days) if event.window_from else None,
    )


@lru_cache(maxsize=1024)
def _hours(opens: str, closes: str, working_days: bool) -> Hours:
    return Hours(time.fromisoformat(opens), time.fromisoformat(closes), working_days)


@lru_cache(maxsize=1024)
def _instant(seconds: int, nanos: int) -> datetime:
    """Most reminders of a day end at one of a few instants."""
    return Timestamp(seconds=seconds, nanos=nanos).ToDatetime(tzinfo=UTC)


@lru_cache(maxsize=64)
def _channels(numbers: tuple[int, ...]) -> tuple[str, ...]:
    if unknown := [number for number in numbers if number not in CHANNELS]:
        raise ValueError(f"channel is {unknown[0]}, expected one of {', '.join(CHANNELS.values())}")
    return tuple(dict.fromkeys(CHANNELS[number] for number in numbers))  # type: ignore[index]


def _line(item: reminder_pb2.ReminderItem) -> Line:
    return Line(item.invoice_id, item.currency, item.open_minor, item.balance_version, date.fromisoformat(item.due_on))
