"""One invoice on a policy's ladder: which steps are ahead, which are due, which have passed without being sent, and why.

Steps are handled in the order of their dates, so one date per invoice says how far it has got.
"""

from bisect import bisect_right
from datetime import date, timedelta

from msgspec.structs import replace

from services.scheduler.domain.account import Account, Item, paused
from services.scheduler.domain.policy import Policy, Step
from services.scheduler.domain.rows import Decided
from services.scheduler.domain.standing import Moment
from services.scheduler.domain.window import opened_through


def step_date(item: Item, step: Step) -> date:
    """The step's own date."""
    return item.due_on + timedelta(step.offset_days)


def steps_ahead(policy: Policy, item: Item) -> tuple[Step, ...]:
    """The steps not handled yet, by date."""
    return policy.ladder[bisect_right(policy.offsets, (item.handled_on - item.due_on).days) :]


def steps_due(policy: Policy, item: Item, through: date) -> tuple[Step, ...]:
    """The steps not handled yet that are dated up to `through`, by date."""
    offsets = policy.offsets
    due = item.due_on
    return policy.ladder[bisect_right(offsets, (item.handled_on - due).days) : bisect_right(offsets, (through - due).days)]


def next_day(policy: Policy, item: Item, free: date) -> date | None:
    """The date of the next step; of one deferred already, the first day on which the account may be contacted again (`free`)."""
    place = bisect_right(policy.offsets, (item.handled_on - item.due_on).days)
    if place == len(policy.offsets):
        return None
    day = item.due_on + timedelta(days=policy.offsets[place])
    return max(day, free) if day <= item.deferred_on else day


def hold(account: Account, item: Item, moment: Moment) -> str:
    """The first reason why nothing may be chased on this item now; empty if it may."""
    if item.open_minor <= 0:
        return "settled"
    if item.disputes and item.disputed:
        return "disputed"
    if account.pauses and paused(account, item.invoice_id, moment.today):
        return "paused"
    return "creditor_suspended" if moment.standing.suspended else ""


def never_counted(item: Item, on: date, moment: Moment) -> str:
    """Why a step of this date never counted: it came before the invoice did, before the creditor went live, or after its recall."""
    if on < item.issued_on:
        return "before_issue"
    standing = moment.standing
    if standing.live_from is not None and on < standing.live_from:
        return "before_live"
    return "after_recall" if standing.live_until is not None and on > standing.live_until else ""


def not_sent(item: Item, step: Step, reason: str, moment: Moment, policy: Policy, details: str = "") -> Decided:
    """The record of a step that is not sent."""
    on = step_date(item, step)
    return Decided(moment.now, item.invoice_id, step.when, on, "not_sent", policy.name, policy.version, reason, details=details)


def pass_before_issue(item: Item, moment: Moment) -> tuple[Item, tuple[Decided, ...]]:
    """Put the steps dated before the invoice was issued behind it."""
    policy = moment.standing.policy
    if policy is None:
        return item, ()
    last = item.issued_on - timedelta(days=1)
    passed = steps_due(policy, item, last)
    rows = tuple(not_sent(item, step, "before_issue", moment, policy) for step in passed)
    return (replace(item, handled_on=step_date(item, passed[-1])) if passed else item), rows


def pass_settled(item: Item, moment: Moment) -> tuple[Item, tuple[Decided, ...]]:
    """Put the steps whose window opened while nothing was owed behind an invoice that is owed again."""
    policy = moment.standing.policy
    if policy is None:
        return item, ()
    passed = steps_due(policy, item, opened_through(policy, moment.zone, moment.now))
    rows = tuple(not_sent(item, step, "settled", moment, policy) for step in passed)
    return (replace(item, handled_on=step_date(item, passed[-1])) if passed else item), rows


def settled_ahead(item: Item, moment: Moment) -> tuple[Decided, ...]:
    """The records of the steps that a settled invoice will not get. They stay ahead of it: should it reopen, they count again."""
    policy = moment.standing.policy
    return tuple(not_sent(item, step, "settled", moment, policy) for step in steps_ahead(policy, item)) if policy else ()
