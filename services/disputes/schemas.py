"""What the API of disputes takes and gives: amounts as decimal text beside their currency, instants in UTC.

Minor units stay inside. A value that cannot be is refused here with the name of its field; what the dispute's present state
forbids is the handlers' to refuse.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from msgspec.structs import asdict
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from paycue.http.fields import AmountText, Identity, KnownCurrency, Printable, RequestBody, Slashed, Worded, above_zero
from paycue.http.paging import Page
from paycue.money import decimal_text, parse_minor
from paycue.stops import Stopping
from services.disputes.domain.commands import DisputeView
from services.disputes.domain.lifecycle import Reason
from services.disputes.domain.rows import CaseRow, NoteRow

Status = Literal["opened", "in_review", "resolved", "refused"]
Outcome = Literal["valid", "partly_valid", "invalid", "withdrawn"]
InvoiceStatus = Literal["unknown", "open", "settled"]


DisputeId = Annotated[
    str,
    Slashed,
    Path(min_length=1, max_length=128, description="The dispute's id on its account. A slash in it is sent as %2F."),
]
"""A path parameter."""
Reference = Annotated[str, StringConstraints(min_length=1, max_length=128), Printable]
"""The id of a dispute in a body: events hold it to the same."""
Amount = Annotated[AmountText | None, AfterValidator(above_zero)]
"""Stands after the field `currency`."""
Words = Annotated[str, StringConstraints(max_length=4000)]


class DisputeIn(RequestBody):
    """What is contested, and why."""

    invoice_id: Identity = Field(description="The invoice, known or not, settled or not.", examples=["INV-1041"])
    reason: Reason
    dispute_id: Reference | None = Field(default=None, description="Unique on the account; absent: one is given.")
    currency: KnownCurrency | None = Field(default=None, description="The invoice's, by ISO 4217; absent: taken from the invoice.")
    disputed_amount: Amount = Field(default=None, description="With its currency; absent: the whole invoice.", examples=["40.00"])
    note: Words = Field(default="", description="What the debtor says; kept as an internal note.")

    @property
    def disputed_minor(self) -> int:
        """Zero: the whole invoice."""
        return _minor(self.disputed_amount, self.currency)


class ReviewIn(RequestBody):
    """Somebody looks at it from now on."""

    note: Words = Field(default="", description="Kept as an internal note.")


class ResolutionIn(RequestBody):
    """How it ends."""

    outcome: Outcome
    currency: KnownCurrency | None = Field(default=None, description="Of the credit: the dispute's.")
    credit_amount: Amount = Field(
        default=None,
        description="What is credited, with its currency; needed when partly valid. Absent when valid: all that is disputed.",
        examples=["15.00"],
    )
    reason: Words = Field(default="", description="Why it ends so; kept as an internal note.")

    @property
    def credit_minor(self) -> int:
        """Zero: none given."""
        return _minor(self.credit_amount, self.currency)


class ReopeningIn(RequestBody):
    """Why it was not the end."""

    reason: Words = Field(default="", description="Kept as an internal note.")


class NoteIn(RequestBody):
    """A note, with or without evidence."""

    text: Annotated[Words, Worded] = Field(description="What is noted, or what the evidence shows.")
    internal: bool = Field(default=True, strict=True, description="Not for the debtor's eyes.")
    evidence: Annotated[str, StringConstraints(max_length=2000)] = Field(
        default="", description="Where the evidence is kept: a link, or a document's number.", examples=["dms:4711"]
    )


class NoteOut(BaseModel):
    """A note as it was written. It never changes."""

    note_id: str
    at: datetime
    author: str = Field(description="`key:` and the API key's id, `erp`, or `paycue`.")
    internal: bool = Field(description="Not for the debtor's eyes.")
    text: str
    evidence: str | None = Field(description="Where the evidence is kept.")
    cause: str = Field(description="The id of the event or command it follows from.")


class DisputeOut(BaseModel):
    """A dispute as it stands."""

    account_id: str
    dispute_id: str
    invoice_id: str
    reason: Reason
    currency: str | None = Field(description="Null while neither the dispute nor its invoice has told it.")
    disputed_whole: bool = Field(description="The whole invoice is contested.")
    disputed_amount: str | None = Field(description="Null when the whole invoice is contested, or while the currency is not known.")
    status: Status = Field(description="The first two hold the invoice; a refused dispute contradicts it and never counts.")
    outcome: Outcome | None = Field(description="Null until resolved.")
    credit_whole: bool = Field(description="Whatever is open on the invoice is credited.")
    credit_amount: str | None = Field(description="What is credited; null when that is all or nothing, or while the currency is not known.")
    refusal: str | None = Field(description="Why it is refused.")
    reopened: bool
    version: int = Field(description="Grows with every step that others hear of.")
    opened_at: datetime
    decided_at: datetime | None
    invoice_status_when_opened: InvoiceStatus


class DisputeNow(DisputeOut):
    """A dispute with its invoice as it stands now."""

    invoice_status: InvoiceStatus
    invoice_currency: str | None = Field(description="Null while the invoice is not known; a refused dispute may name another.")
    invoice_open: str | None = Field(description="What is open on the invoice; null while it is not known.")


class DisputeDone(DisputeNow):
    """The answer to a command."""

    notes: list[NoteOut] = Field(description="What this command noted.")


class DisputeStopped(DisputeDone, Stopping):
    """The answer to a command that stops reminders of the invoice."""


class DisputeFound(DisputeNow):
    """A dispute with the first of its notes."""

    notes: Page[NoteOut] = Field(description="In the order written; `next` continues in the list of notes.")


def dispute_out(account_id: str, row: CaseRow) -> DisputeOut:
    """A dispute for a list."""
    return DisputeOut.model_validate(_dispute(account_id, row))


def dispute_done(account_id: str, view: DisputeView) -> DisputeDone:
    """What a command is answered."""
    return DisputeDone.model_validate({**_now(account_id, view), "notes": [note_out(row) for row in view.notes]})


def dispute_found(account_id: str, view: DisputeView, notes: Page[NoteOut]) -> DisputeFound:
    """One dispute's page."""
    return DisputeFound.model_validate({**_now(account_id, view), "notes": notes})


def note_out(row: NoteRow) -> NoteOut:
    """A note as it is shown."""
    return NoteOut.model_validate({**asdict(row), "evidence": row.evidence or None})


def _now(account_id: str, view: DisputeView) -> dict[str, Any]:
    return {
        **_dispute(account_id, view.dispute),
        "invoice_status": view.invoice_state,
        "invoice_currency": view.invoice_currency or None,
        "invoice_open": None if view.open_minor is None else _amount(view.open_minor, view.invoice_currency),
    }


def _dispute(account_id: str, row: CaseRow) -> dict[str, Any]:
    return {
        **asdict(row),
        "account_id": account_id,
        "currency": row.currency or None,
        "disputed_whole": not row.disputed_minor,
        "disputed_amount": _amount(row.disputed_minor, row.currency) if row.disputed_minor else None,
        "outcome": row.outcome or None,
        "credit_amount": _amount(row.credit_minor, row.currency) if row.credit_minor else None,
        "refusal": row.refusal or None,
        "invoice_status_when_opened": row.invoice_state,
    }


def _amount(minor: int, currency: str) -> str | None:
    """Text of an amount; there is none without its currency."""
    return decimal_text(minor, currency) if currency else None


def _minor(amount: str | None, currency: str | None) -> int:
    return parse_minor(amount, currency) if amount and currency else 0
