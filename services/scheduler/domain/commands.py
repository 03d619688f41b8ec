"""What people ask of an account, and what they are answered. Commands are folded like events.

They carry values only: whether an account may be chased is for the handlers to say. Answers go out as JSON as they are.
"""

from datetime import date, datetime

import msgspec


class PauseAccount(msgspec.Struct, frozen=True):
    """Hold everything of the account, until the day `until` begins or a person resumes it."""

    reason: str
    until: date | None = None


class ResumeAccount(msgspec.Struct, frozen=True):
    """End the account's pause; invoices paused one by one stay paused."""

    reason: str = ""


class PauseInvoice(msgspec.Struct, frozen=True):
    """Hold one invoice, until the day `until` begins or a person resumes it."""

    invoice_id: str
    reason: str
    until: date | None = None


class ResumeInvoice(msgspec.Struct, frozen=True):
    """End the pause of one invoice."""

    invoice_id: str
    reason: str = ""


class RemindNow(msgspec.Struct, frozen=True):
    """Remind the account of what is open, or of these invoices, now and outside the ladder."""

    invoice_ids: tuple[str, ...] = ()
    any_hour: bool = False
    """Although the policy's window is closed: a person answers for it."""


class Pauses(msgspec.Struct, frozen=True):
    """Answer to pausing and resuming: what a person holds now."""

    paused: bool
    paused_invoice_ids: tuple[str, ...]
    next_action_at: datetime | None


class LeftOut(msgspec.Struct, frozen=True):
    """An invoice that a manual reminder does not cover, and why."""

    invoice_id: str
    reason: str


class Reminded(msgspec.Struct, frozen=True):
    """Answer to RemindNow: the reminder as it was decided. Whether it leaves is the notifier's gate to say."""

    reminder_id: str
    planned_on: date
    valid_until: datetime
    stage: str
    channels: tuple[str, ...]
    invoice_ids: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
