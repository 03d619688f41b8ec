"""The event by which a decided contact goes to the notifier."""

from datetime import date, datetime
from functools import lru_cache

from paycue.events.v1 import common_pb2, reminder_pb2
from services.scheduler.domain.contact import Contact, Covered
from services.scheduler.domain.standing import Moment

_STAGES = {
    "friendly": common_pb2.STAGE_FRIENDLY,
    "firm": common_pb2.STAGE_FIRM,
    "final_demand": common_pb2.STAGE_FINAL_DEMAND,
    "agency": common_pb2.STAGE_AGENCY,
    "legal": common_pb2.STAGE_LEGAL,
}
_CHANNELS = {"email": common_pb2.CHANNEL_EMAIL, "sms": common_pb2.CHANNEL_SMS}


def reminder_due(contact: Contact, moment: Moment) -> reminder_pb2.ReminderDue:
    """What the notifier has to know of a contact: what it covers with the amounts of now, by which channels, until when, at which hours."""
    policy, carrier = moment.standing.policy, contact.carrier
    name, version = (policy.name, policy.version) if policy else ("", 0)
    # Whoever asks for a reminder now takes its hour upon them.
    hours = ("", "", False) if policy is None or contact.manual else (*policy.hours, policy.days == "working")
    due = reminder_pb2.ReminderDue()
    due.CopyFrom(_alike(moment.tenant, name, version, hours, carrier.stage, carrier.channels, contact.planned_on, contact.valid_until))
    due.account_id, due.reminder_id, due.manual = moment.account_id, contact.reminder_id, contact.manual
    for each in contact.covered:
        _add_item(due, each)
    return due


@lru_cache(maxsize=1024)
def _alike(
    tenant: str,
    policy: str,
    version: int,
    hours: tuple[str, str, bool],
    stage: str,
    channels: tuple[str, ...],
    planned_on: date,
    valid_until: datetime,
) -> reminder_pb2.ReminderDue:
    """What the reminders of one step and day have in common: copied at a third of the price of making it."""
    return reminder_pb2.ReminderDue(
        tenant_id=tenant,
        policy=policy,
        policy_version=version,
        window_from=hours[0],
        window_to=hours[1],
        working_days=hours[2],
        stage=_STAGES[stage],
        channels=[_CHANNELS[channel] for channel in channels],
        planned_on=planned_on.isoformat(),
        valid_until=valid_until,
    )


def _add_item(due: reminder_pb2.ReminderDue, covered: Covered) -> None:
    item = covered.item
    due.items.add(
        invoice_id=item.invoice_id,
        currency=item.currency,
        open_minor=item.open_minor,
        balance_version=item.balance_version,
        issued_on=item.issued_on.isoformat(),
        due_on=item.due_on.isoformat(),
        step=covered.step.when if covered.step else "",
    )
