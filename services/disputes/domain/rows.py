"""What a decision leaves in tables: disputes for lists (upserted) and the notes on them (appended).

Every row belongs to one account; the store adds tenant and account. Amounts are minor units of the currency beside them.
"""

from datetime import datetime

import msgspec


class CaseRow(msgspec.Struct, frozen=True):
    """A dispute as it stands. Key: dispute_id."""

    dispute_id: str
    invoice_id: str
    reason: str
    currency: str
    """Empty while neither dispute nor invoice has told it."""
    disputed_minor: int
    """Zero: the whole invoice."""
    status: str
    """`opened`, `in_review`, `resolved` or `refused`."""
    outcome: str
    """`valid`, `partly_valid`, `invalid` or `withdrawn`; empty until resolved."""
    credit_minor: int
    credit_whole: bool
    refusal: str
    """Why it is refused."""
    reopened: bool
    version: int
    opened_at: datetime
    decided_at: datetime | None
    invoice_state: str
    """Of the invoice when the dispute was opened: `unknown`, `open` or `settled`."""


class NoteRow(msgspec.Struct, frozen=True):
    """A note on a dispute: what a person wrote, what an ERP said, or what did not count and why. Never changed."""

    note_id: str
    dispute_id: str
    at: datetime
    cause: str
    author: str
    """Who wrote it: a person's or key's name, `erp`, or `paycue`."""
    internal: bool
    """Not for the debtor's eyes."""
    text: str
    evidence: str
    """Where the evidence is kept, such as a link or a document's number; empty: none."""
