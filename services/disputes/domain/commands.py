"""What a person or system may ask about disputes over the API, and what it is answered.

A command takes the same steps as an event; the difference is that somebody waits for the answer and can be told to correct it.
`by` is who asks, as notes show it; the API fills it in and never takes it from a body.
"""

import msgspec

from services.disputes.domain.rows import CaseRow, NoteRow


class OpenDispute(msgspec.Struct, frozen=True):
    """Somebody contests an invoice, known or not."""

    invoice_id: str
    reason: str
    dispute_id: str = ""
    """Empty: a new one is given."""
    currency: str = ""
    """Empty: the invoice's."""
    disputed_minor: int = 0
    """Zero: the whole invoice."""
    note: str = ""
    by: str = ""


class StartReview(msgspec.Struct, frozen=True):
    """Somebody looks at it from now on."""

    dispute_id: str
    note: str = ""
    by: str = ""


class ResolveDispute(msgspec.Struct, frozen=True):
    """How it ends."""

    dispute_id: str
    outcome: str
    """`valid`, `partly_valid`, `invalid` or `withdrawn`."""
    credit_minor: int = 0
    """Needed when partly valid; zero when valid: the disputed amount."""
    reason: str = ""
    by: str = ""
    currency: str = ""
    """Of the credit; empty: the dispute's."""


class ReopenDispute(msgspec.Struct, frozen=True):
    """It was not the end after all. Once per dispute."""

    dispute_id: str
    reason: str = ""
    by: str = ""


class AddNote(msgspec.Struct, frozen=True):
    """A note, with or without evidence."""

    dispute_id: str
    text: str
    internal: bool = True
    """Not for the debtor's eyes."""
    evidence: str = ""
    """Where the evidence is kept, such as a link or a document's number."""
    by: str = ""


class DisputeView(msgspec.Struct, frozen=True):
    """The answer to every command: the dispute as it stands."""

    dispute: CaseRow
    invoice_state: str
    """Of its invoice now: `unknown`, `open` or `settled`."""
    open_minor: int | None
    """On its invoice now, in the invoice's currency; None while that is unknown."""
    notes: tuple[NoteRow, ...] = ()
    """What this command noted."""
    invoice_currency: str = ""
    """Empty while the invoice is unknown. A refused dispute may name another."""
