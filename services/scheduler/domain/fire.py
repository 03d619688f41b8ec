"""The account's timer is due: what goes now, what does not and why. Asked only while the window is open.

Per item the latest step may go, since a missed run must neither lose a step nor send two; every other step that is due is recorded
with its one reason and is behind the item for good. A contact that the gap forbids waits instead.
"""

from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from services.scheduler.domain.account import Account, Item
from services.scheduler.domain.contact import Contact, Covered, account_reminder_id, carrying, due_rows, in_order, invoice_reminder_id
from services.scheduler.domain.ladder import hold, never_counted, not_sent, step_date, steps_due
from services.scheduler.domain.plan import free_from
from services.scheduler.domain.policy import Policy, Step
from services.scheduler.domain.rows import Decided
from services.scheduler.domain.standing import Moment
from services.scheduler.domain.window import closing


class Fired(msgspec.Struct, frozen=True):
    """What a timer decided."""

    account: Account
    contacts: tuple[Contact, ...] = ()
    rows: tuple[Decided, ...] = ()


class _Judged(msgspec.Struct, frozen=True):
    """An item whose steps are due: the last of them may go (`goes`) or is held; `rows` records the rest."""

    item: Item
    steps: tuple[Step, ...]
    goes: Step | None
    rows: tuple[Decided, ...]


def fire(account: Account, moment: Moment, policy: Policy) -> Fired:
    """Decide on every step that is due."""
    judged = [
        _judge(account, item, steps, moment, policy)
        for item in account.items.values()
        if item.known and (steps := steps_due(policy, item, moment.today))
    ]
    rows = tuple([row for each in judged for row in each.rows])
    sending = [Covered(each.item, each.goes) for each in judged if each.goes is not None]
    free = free_from(account, policy)
    if sending and moment.today < free:
        return Fired(_moved(account, judged, True, policy), (), rows + _deferred(sending, free, account, moment, policy))
    moved = _moved(account, judged, False, policy)
    if not sending:
        return Fired(moved, (), rows)
    contacts = _contacts(account, sending, moment, policy)
    rows += tuple([row for contact in contacts for row in due_rows(contact, moment, policy)])
    return Fired(replace(moved, last_contact_on=moment.today, reminded_on=moment.today), contacts, rows)


def _judge(account: Account, item: Item, steps: tuple[Step, ...], moment: Moment, policy: Policy) -> _Judged:
    held, last = hold(account, item, moment), steps[-1]
    rows: list[Decided] = []
    goes = None
    for step in steps:
        reason = never_counted(item, step_date(item, step), moment) or held
        if reason or step is not last:
            details = "" if reason else f"{last.when} is due"
            rows.append(not_sent(item, step, reason or "superseded", moment, policy, details))
        else:
            goes = step
    return _Judged(item, steps, goes, tuple(rows))


def _moved(account: Account, judged: list[_Judged], deferring: bool, policy: Policy) -> Account:
    """The account with every judged step behind its item, but for the ones that have to wait."""
    return replace(account, items={**account.items, **{each.item.invoice_id: _after(each, deferring, policy) for each in judged}})


def _after(judged: _Judged, deferring: bool, policy: Policy) -> Item:
    item, on = judged.item, step_date(judged.item, judged.steps[-1])
    if judged.goes is None:
        return replace(item, handled_on=on)
    if deferring:
        behind = judged.steps[-2:-1]
        return replace(item, handled_on=step_date(item, behind[0]) if behind else item.handled_on, deferred_on=on)
    return replace(item, handled_on=on, level=_level(item, judged.goes, policy))


def _level(item: Item, step: Step, policy: Policy) -> str:
    reached = policy.by_name.get(item.level)
    return item.level if reached is not None and policy.rank[reached.when] > policy.rank[step.when] else step.when


def _deferred(sending: list[Covered], free: date, account: Account, moment: Moment, policy: Policy) -> tuple[Decided, ...]:
    """Each deferral is recorded once."""
    gap_over = account.last_contact_on + timedelta(days=policy.minimum_gap)
    reason = "minimum_gap" if moment.today < gap_over else "contacted_today"
    rows = [
        replace(not_sent(each.item, each.step, reason, moment, policy, f"until {free}"), outcome="deferred")
        for each in sending
        if each.step is not None and step_date(each.item, each.step) > each.item.deferred_on
    ]
    return tuple(rows)


def _contacts(account: Account, sending: list[Covered], moment: Moment, policy: Policy) -> tuple[Contact, ...]:
    valid_until = closing(policy, moment.zone, moment.today)
    if policy.consolidate == "account":
        covered = in_order(sending + _also_covered(account, sending, moment))
        return (Contact(account_reminder_id(moment), carrying(policy, covered), covered, moment.today, valid_until),)
    return tuple(
        [
            Contact(invoice_reminder_id(each.item, each.step, moment), each.step, (each,), moment.today, valid_until)
            for each in in_order(sending)
            if each.step is not None
        ]
    )


def _also_covered(account: Account, sending: list[Covered], moment: Moment) -> list[Covered]:
    """Items that are due and open and have no step of their own today."""
    own = {each.item.invoice_id for each in sending}
    return [
        Covered(item, None)
        for item in account.items.values()
        if item.known
        and item.invoice_id not in own
        and item.issued_on <= moment.today
        and item.due_on <= moment.today
        and not hold(account, item, moment)
    ]
