"""A reminder that a person asks for: outside the ladder, through the same holds, and counted as a contact.

It refuses when nothing may be chased and says why; of the invoices it leaves out it names the reason.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from paycue.clock import instant
from services.scheduler.domain.account import Account, Item
from services.scheduler.domain.commands import LeftOut, Reminded, RemindNow
from services.scheduler.domain.contact import Contact, Covered, carrying, in_order, manual_reminder_id
from services.scheduler.domain.ladder import hold
from services.scheduler.domain.policy import MIDNIGHT, Policy
from services.scheduler.domain.standing import Moment
from services.scheduler.domain.window import closing, is_open

_WHY_NOT = {
    "no_policy": "the creditor has no policy; put one first",
    "creditor_suspended": "nothing leaves for this creditor while it is suspended",
    "paused": "a person paused what is open; resume it first",
    "disputed": "what is open is disputed; resolve the dispute first",
    "settled": "nothing is open",
    "before_issue": "what is open is not issued yet",
    "unknown": "what was heard of is not issued yet",
    "outside_window": "the policy's window is closed where the debtor lives; ask again when it is open, or ask for any_hour",
}
"""What to say, the gravest first."""


class Asked(msgspec.Struct, frozen=True):
    """The items a manual reminder may cover, and those it may not."""

    covered: tuple[Covered, ...]
    left_out: tuple[LeftOut, ...]


def ask(account: Account, invoice_ids: Sequence[str], moment: Moment) -> Asked:
    """Sort the account's items, or those named, into what may be chased now and what may not. Unknown invoices are left out."""
    covered, left_out = [], []
    for invoice_id in dict.fromkeys(invoice_ids or account.items):
        item = account.find(invoice_id)
        if reason := _reason(account, item, moment):
            left_out.append(LeftOut(invoice_id, reason))
        elif item is not None:
            covered.append(Covered(item, None))
    return Asked(in_order(covered), tuple(left_out))


def _reason(account: Account, item: Item | None, moment: Moment) -> str:
    if item is None or not item.known:
        return "unknown"
    return hold(account, item, moment) or ("before_issue" if item.issued_on > moment.today else "")


def why_not(asked: Asked, command: RemindNow, moment: Moment) -> str:
    """Why no manual reminder may go now, and what to do about it; empty if it may."""
    policy = moment.standing.policy
    if policy is None:
        return _said("no_policy")
    if not asked.covered:
        reasons = {each.reason for each in asked.left_out} or {"settled"}
        return _said(next(reason for reason in _WHY_NOT if reason in reasons))
    return "" if command.any_hour or is_open(policy, moment.zone, moment.now) else _said("outside_window")


def _said(reason: str) -> str:
    return f"{reason}: {_WHY_NOT[reason]}"


def remind(account: Account, asked: Asked, cause: str, policy: Policy, moment: Moment) -> tuple[Account, Contact]:
    """The contact, valid until the window closes, or until the day ends when the window is closed already."""
    inside = is_open(policy, moment.zone, moment.now)
    midnight = instant(moment.today + timedelta(days=1), MIDNIGHT, moment.zone)
    valid_until = closing(policy, moment.zone, moment.today) if inside else midnight
    carrier = carrying(policy, asked.covered)
    contact = Contact(manual_reminder_id(cause, moment), carrier, asked.covered, moment.today, valid_until, manual=True)
    return replace(account, last_contact_on=moment.today), contact


def answer(contact: Contact, asked: Asked) -> Reminded:
    """What the person who asked is told."""
    invoices, carrier = tuple(each.item.invoice_id for each in contact.covered), contact.carrier
    return Reminded(contact.reminder_id, contact.planned_on, contact.valid_until, carrier.stage, carrier.channels, invoices, asked.left_out)
