"""One contact of an account: which items it covers, which step carries it, and the identity that it keeps on every replay.

A reminder's identity is (account, invoice, step, due date, reopening), or (account, date of contact) when the account is reminded as a
whole. Amounts, the set of items and the policy's version are never part of it, nor are the window and the zone.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache

import msgspec

from paycue.ids import derived_id
from services.scheduler.domain.account import Item
from services.scheduler.domain.ladder import step_date
from services.scheduler.domain.policy import Policy, Step
from services.scheduler.domain.rows import Decided
from services.scheduler.domain.standing import Moment


class Covered(msgspec.Struct, frozen=True):
    """An item in a contact, with its own step that day if it has one."""

    item: Item
    step: Step | None


class Contact(msgspec.Struct, frozen=True):
    """A decision to contact the account now."""

    reminder_id: str
    carrier: Step
    covered: tuple[Covered, ...]
    planned_on: date
    valid_until: datetime
    manual: bool = False


def in_order(covered: Sequence[Covered]) -> tuple[Covered, ...]:
    """Oldest due first."""
    return tuple(sorted(covered, key=lambda each: (each.item.due_on, each.item.invoice_id)) if len(covered) > 1 else covered)


def carrying(policy: Policy, covered: Sequence[Covered]) -> Step:
    """The step of highest rank: of those that go today, and of the levels reached by items covered without one; else the first step."""
    names = {each.item.level if each.step is None else each.step.when for each in covered}
    return policy.highest(names) or policy.ladder[0]


def invoice_reminder_id(item: Item, step: Step, moment: Moment) -> str:
    on = step_date(item, step)
    return derived_id(_start(on), moment.tenant, moment.account_id, item.invoice_id, step.when, item.due_on, item.reopening)


def account_reminder_id(moment: Moment) -> str:
    return derived_id(_start(moment.today), moment.tenant, moment.account_id, "account", moment.today)


def manual_reminder_id(cause: str, moment: Moment) -> str:
    return derived_id(moment.now, moment.tenant, moment.account_id, "manual", cause)


@lru_cache(maxsize=1024)
def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def due_rows(contact: Contact, moment: Moment, policy: Policy) -> tuple[Decided, ...]:
    """The record of a contact: a row for each item it covers."""
    return tuple(
        Decided(
            at=moment.now,
            invoice_id=each.item.invoice_id,
            step=each.step.when if each.step else "",
            on=step_date(each.item, each.step) if each.step else contact.planned_on,
            outcome="due",
            policy=policy.name,
            policy_version=policy.version,
            reason="manual" if contact.manual else "",
            reminder_id=contact.reminder_id,
            planned_on=contact.planned_on,
            details=contact.carrier.stage,
        )
        for each in contact.covered
    )
