"""The days a replay covers, and which step of which invoice falls on which of them."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import msgspec

from paycue.ledger import InvoiceRow, Ledger

_WHEN = re.compile(r"due(?:([+-])(\d+)d)?")


class Step(msgspec.Struct, frozen=True):
    """A step of the policy by its name, and its days from the due date."""

    name: str
    days: int


class Span(msgspec.Struct, frozen=True):
    """From the first day to the last, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def steps_of(form: dict[str, Any]) -> list[Step]:
    """The steps of a policy as the scheduler's API shows it, in policy order."""
    return [_step(step["when"].replace(" ", "")) for step in form["steps"]]


def _step(name: str) -> Step:
    match = _WHEN.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not a step relative to the due date")
    sign, days = match.groups()
    return Step(name, int(f"{sign}{days}") if sign else 0)


def first_day(ledger: Ledger, from_: date | None) -> date:
    """The day asked for, or that of the first fact."""
    return from_ or min(fact.on for fact in ledger.facts)


def last_day(ledger: Ledger, to: date | None, steps: Sequence[Step]) -> date:
    """The day asked for, or that of the latest fact or step."""
    if to is not None:
        return to
    latest = max((step.days for step in steps), default=0)
    return max(*(fact.on for fact in ledger.facts), *(row.due + timedelta(days=latest) for row in ledger.invoices))


def step_days(row: InvoiceRow, steps: Sequence[Step]) -> list[tuple[Step, date]]:
    """When each step of an invoice falls."""
    return [(step, row.due + timedelta(days=step.days)) for step in steps]
