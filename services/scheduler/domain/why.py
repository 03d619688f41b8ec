"""What comes next for an account, when, and what holds it: the part of the answer to *why* that follows from its document.

What was decided before stands in the decision log; nothing here is recorded.
"""

from datetime import date, datetime

import msgspec
from msgspec.structs import replace

from services.scheduler.domain.account import NEVER, Account, Item
from services.scheduler.domain.ladder import hold, never_counted, next_day, step_date, steps_ahead
from services.scheduler.domain.plan import free_from, next_action
from services.scheduler.domain.policy import Policy
from services.scheduler.domain.standing import Moment
from services.scheduler.domain.window import wake_at


class NextStep(msgspec.Struct, frozen=True):
    """An item's next step: its own date, the instant it is decided, and why it would not be sent as things stand."""

    invoice_id: str
    step: str
    stage: str
    on: date
    opens_at: datetime
    held_by: str


class ItemHold(msgspec.Struct, frozen=True):
    """Everything that holds an item now."""

    invoice_id: str
    reasons: tuple[str, ...]


class Explanation(msgspec.Struct, frozen=True):
    """`silent_because` says why nothing comes, if nothing does: `no_policy`, `nothing_open`, `ladder_done`."""

    next_action_at: datetime | None
    zone: str
    policy: str
    policy_version: int
    last_contact_on: date | None
    free_from: date | None
    next_steps: tuple[NextStep, ...]
    holds: tuple[ItemHold, ...]
    silent_because: str


def alone(account: Account, invoice_id: str) -> Account:
    """The account as if this were the only invoice it has open."""
    return replace(account, items={key: item for key, item in account.items.items() if key == invoice_id})


def explain(account: Account, moment: Moment) -> Explanation:
    """What the account would do, were nothing to change."""
    policy = moment.standing.policy
    ordered = sorted((item for item in account.items.values() if item.known), key=lambda item: (item.due_on, item.invoice_id))
    steps = tuple(step for item in ordered if policy and (step := _next_step(account, item, policy, moment)))
    free = free_from(account, policy) if policy else NEVER
    return Explanation(
        next_action_at=next_action(account, moment),
        zone=moment.zone,
        policy=policy.name if policy else "",
        policy_version=policy.version if policy else 0,
        last_contact_on=_or_none(account.last_contact_on),
        free_from=_or_none(free),
        next_steps=steps,
        holds=_holds(account, moment),
        silent_because="" if steps else "no_policy" if policy is None else "ladder_done" if ordered else "nothing_open",
    )


def _next_step(account: Account, item: Item, policy: Policy, moment: Moment) -> NextStep | None:
    ahead = steps_ahead(policy, item)
    day = next_day(policy, item, free_from(account, policy))
    if day is None:
        return None
    on = step_date(item, ahead[0])
    held_by = never_counted(item, on, moment) or hold(account, item, moment)
    return NextStep(item.invoice_id, ahead[0].when, ahead[0].stage, on, wake_at(policy, moment.zone, day, moment.now), held_by)


def _holds(account: Account, moment: Moment) -> tuple[ItemHold, ...]:
    held = [(item.invoice_id, _reasons(account, item, moment)) for item in account.items.values()]
    return tuple(ItemHold(invoice_id, reasons) for invoice_id, reasons in sorted(held) if reasons)


def _reasons(account: Account, item: Item, moment: Moment) -> tuple[str, ...]:
    pauses = [key for key in ("", item.invoice_id) if (pause := account.pauses.get(key)) is not None and pause.holds(moment.today)]
    return (
        *(() if item.known else ("not_issued_yet",)),
        *(f"dispute {dispute.dispute_id}" for dispute in item.disputes if dispute.open),
        *(f"{'invoice' if key else 'account'} paused: {account.pauses[key].reason}" for key in pauses),
        *((f"creditor suspended: {moment.standing.suspended}",) if moment.standing.suspended else ()),
    )


def _or_none(day: date) -> date | None:
    return None if day == NEVER else day
