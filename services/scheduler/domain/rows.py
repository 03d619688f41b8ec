"""What the scheduler writes down: each decision on each step, each outcome it hears of, each pause. Rows are only ever added.

A later row of the same invoice and step (by `seq`) takes the place of an earlier one in reports.
"""

from datetime import date, datetime

import msgspec


class Decided(msgspec.Struct, frozen=True):
    """One decision on one step of one invoice: `due`, `not_sent` or `deferred`, with its one reason."""

    at: datetime
    invoice_id: str
    step: str
    """Empty: covered by a contact of that day without a step of its own."""
    on: date
    """The step's own date; the contact's date if there is no step."""
    outcome: str
    policy: str
    policy_version: int
    reason: str = ""
    reminder_id: str = ""
    planned_on: date | None = None
    """The local date of the contact, if there is one."""
    details: str = ""
    seq: int = 0
    """Counts the account's decisions."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a reminder other than being sent: `failed`, `skipped`, `expired` or `unknown`."""

    at: datetime
    reminder_id: str
    outcome: str
    reason: str


class PauseNoted(msgspec.Struct, frozen=True):
    """A person paused or resumed the account (empty `invoice_id`) or one invoice, or a pause came to its end."""

    at: datetime
    invoice_id: str
    action: str
    """`paused`, `resumed` or `ended`."""
    reason: str
    until: date | None
