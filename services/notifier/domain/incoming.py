"""Events of other services turned into the notifier's own structs. It decides nothing."""

from datetime import UTC, date, datetime

from paycue.events.v1 import account_pb2, common_pb2, reminder_pb2
from services.notifier.domain.addresses import normalise_email, normalise_phone
from services.notifier.domain.gate import Contact, Line, Message

CHANNELS = {common_pb2.CHANNEL_EMAIL: "email", common_pb2.CHANNEL_SMS: "sms"}
_STAGES = {number: name.removeprefix("STAGE_").lower() for name, number in common_pb2.Stage.items()}


def contact_points(event: account_pb2.AccountRegistered) -> tuple[Contact, ...]:
    """The account's addresses in one spelling each; one that is no address reaches nobody and is left out."""
    found: list[Contact] = []
    for point in event.contact_points:
        email = point.kind == common_pb2.CONTACT_KIND_EMAIL
        try:
            address = normalise_email(point.address) if email else normalise_phone(point.address)
        except ValueError:
            continue
        found.append(Contact("email" if email else "sms", address))
    return tuple(found)


def message_of(event: reminder_pb2.ReminderDue, now: datetime) -> Message:
    """A pending message of a reminder."""
    return Message(
        reminder_id=event.reminder_id,
        stage=_STAGES[event.stage],
        channels=tuple(CHANNELS[channel] for channel in event.channels),
        lines=tuple(
            Line(item.invoice_id, item.currency, item.open_minor, item.balance_version, date.fromisoformat(item.due_on)) for item in event.items
        ),
        planned_on=date.fromisoformat(event.planned_on),
        valid_until=event.valid_until.ToDatetime(tzinfo=UTC),
        at=now,
    )
