"""The notifier's rows: messages as they are listed, and what happened to each, appended."""

from datetime import date, datetime

import msgspec


class MessageRow(msgspec.Struct, frozen=True):
    """A reminder's message as it stands now."""

    reminder_id: str
    status: str
    """pending, claimed, sent, failed, skipped, expired or unknown."""
    reason: str
    stage: str
    channel: str
    recipient: str
    invoice_ids: str
    """What it covers, as a JSON array: at the claim, or before it what the scheduler named."""
    planned_on: date
    valid_until: datetime
    updated_at: datetime


class AttemptRow(msgspec.Struct, frozen=True):
    """Something that happened to a message: claimed, accepted, retry, failed, unknown, found_accepted, resend ... Appended only."""

    reminder_id: str
    call_id: str
    attempt: int
    at: datetime
    what: str
    channel: str
    recipient: str
    reference: str
    """The provider's own id of the message, where it gave one."""
    reason: str
    content_digest: bytes
    """SHA-256 of the bytes that left; empty where nothing did."""


class CallRow(msgspec.Struct, frozen=True):
    """Where a provider's callback finds its message."""

    call_id: str
    reminder_id: str


class ReportRow(msgspec.Struct, frozen=True):
    """What a provider reported of a call, each status once however often it comes."""

    call_id: str
    status: str
    reminder_id: str
    reference: str
    error_code: str
    at: datetime


class OverdueStopRow(msgspec.Struct, frozen=True):
    """A raw fact that nobody resolved within an hour, or that a person ended; `resolved_at` once it was."""

    cause: str
    invoice_ids: str
    """A JSON array; empty: the whole account."""
    since: datetime
    resolved_at: datetime | None
    reason: str = ""
    """A person's, if it was a person who ended it."""


class AddressRow(msgspec.Struct, frozen=True):
    """Which accounts an address belongs to, for replies that name nobody. `address` is its suppression key."""

    address: str
    channel: str


class ConsentRow(msgspec.Struct, frozen=True):
    """Evidence that an address may, or may no longer, be written to. Appended only."""

    at: datetime
    address: str
    """Its suppression key, or `*` for the whole account."""
    channel: str
    """Empty for the whole account."""
    granted: bool
    basis: str
    evidence: str
