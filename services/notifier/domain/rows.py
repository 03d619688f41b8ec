"""The notifier's rows: messages as they are listed, and what happened to each, appended."""

from datetime import date, datetime

import msgspec


class MessageRow(msgspec.Struct, frozen=True):
    """Something that happened to a reminder's message, and how it stands since. Appended only: of those that say so the last one counts."""

    reminder_id: str
    at: datetime
    status: str = ""
    """pending, claimed, sent, failed, skipped, expired or unknown; empty: it stands as before."""
    reason: str = ""
    stage: str = ""
    channel: str = ""
    recipient: str = ""
    invoice_ids: str = "[]"
    """What it covers, as a JSON array: at the claim, or before it what the scheduler named."""
    planned_on: date | None = None
    valid_until: datetime | None = None
    opens: bool = False
    """The message's first row: every message has one."""
    what: str = ""
    """claimed, accepted, retry, failed, unknown, found_accepted, resend ...; empty: only its standing changed."""
    call_id: str = ""
    note: str = ""
    """A reason that came with `what`, of a provider or a person."""
    reference: str = ""
    """The provider's own id of the message, where it gave one."""
    content_digest: bytes = b""
    """SHA-256 of the bytes that left; empty where nothing did."""


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
