"""What the notifier's API takes and gives: addresses in full for those who may read them, ids as the creditor's ERP writes them.

The document's own shape stays inside. What is absent is null, never an empty text.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationInfo, field_validator

from paycue.http.fields import Note, RequestBody, Text, Worded
from paycue.stops import Stopping
from services.notifier.domain.addresses import normalise_email, normalise_phone, suppression_key
from services.notifier.domain.gate import Gate, Message
from services.notifier.domain.stops import awaiting_credit

Channel = Literal["email", "sms"]
Status = Literal["pending", "claimed", "sent", "failed", "skipped", "expired", "unknown"]
Evidence = Annotated[Note, Worded]
"""What a later dispute will be answered with: which form, call or letter, and when."""
AnyAddress = Annotated[str, StringConstraints(max_length=320), AfterValidator(lambda text: _normalised(text))]


def channel_of(address: str) -> Channel:
    """The channel that an address is for: only mail has an @."""
    return "email" if "@" in address else "sms"


def _normalised(text: str) -> str:
    return normalise_email(text) if channel_of(text) == "email" else normalise_phone(text)


class ContactPointIn(RequestBody):
    """An address of an account, and why it may be used."""

    channel: Channel
    address: Annotated[str, StringConstraints(max_length=320)] = Field(
        description="One e-mail address, or a phone number in E.164.", examples=["ann@example.com", "+12025550123"]
    )
    basis: Literal["consent", "contract"] = Field(description="What it rests on.")
    evidence: Evidence = Field(description="How that can be shown.", examples=["order form 4711 of 2013-02-01, box ticked"])

    @field_validator("address")
    @classmethod
    def _one_spelling(cls, text: str, info: ValidationInfo) -> str:
        # A channel that was refused already is the one problem to tell of.
        match info.data.get("channel"):
            case "sms":
                return normalise_phone(text)
            case "email":
                return normalise_email(text)
            case _:
                return text


class OptIn(RequestBody):
    """Somebody may, or may no longer, be written to."""

    address: AnyAddress | None = Field(default=None, description="One address; absent: the whole account, whatever its addresses become.")
    evidence: Evidence = Field(examples=["call of 2013-03-01, 10:15"])


class OptOut(OptIn):
    """Nobody may write to an address, or to an account, any more."""


class AddressOptOut(RequestBody):
    """Nobody may write to an address any more, for whichever account of the creditor."""

    address: AnyAddress
    evidence: Evidence


class ResendIn(RequestBody):
    """A person answers for it that the message may arrive twice."""

    reason: Evidence


class ReleaseIn(RequestBody):
    """A person ends a stop that no service resolves."""

    cause: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(description="As the gate names it.")
    reason: Evidence


class ContactPointOut(BaseModel):
    """An address of an account."""

    channel: Channel
    address: str
    basis: str
    suppressed: Text = Field(description="Why nobody may write to it: opted_out or undeliverable.")


class OptedOut(BaseModel):
    """What was recorded."""

    address: Text = Field(description="Null: the whole account.")
    opted_out: bool


class OptOutRecorded(OptedOut, Stopping):
    """What was recorded, and the stop it is."""


class AddressOptedOut(Stopping):
    """What was recorded, and for how many accounts."""

    address: str
    accounts: int


class Resent(BaseModel):
    """The message goes through the gate again."""

    reminder_id: str
    status: Status


class Released(BaseModel):
    """The stop is ended."""

    cause: str
    released: bool


class MessageOut(BaseModel):
    """A reminder's message as it stands now."""

    account_id: str
    reminder_id: str
    status: Status
    reason: Text
    stage: str
    channel: Text
    recipient: Text
    invoice_ids: list[str] = Field(description="What it covers: as of the claim; before it, what the scheduler named.")
    planned_on: date
    valid_until: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls(invoice_ids=json.loads(row["invoice_ids"]), updated_at=row["at"], **_same(row, cls, "invoice_ids", "updated_at"))


class AttemptOut(BaseModel):
    """Something that happened to a message."""

    at: datetime
    what: str
    call_id: Text
    channel: Text
    recipient: Text
    reference: Text = Field(description="The provider's own id.")
    reason: Text
    content_sha256: Text = Field(description="Of the bytes that left.")

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls(content_sha256=row["content_digest"].hex(), reason=row["note"], **_same(row, cls, "content_sha256", "reason"))


class ReportOut(BaseModel):
    """What a provider reported of a call."""

    at: datetime
    call_id: str
    status: str
    reference: Text
    error_code: Text

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls(**_same(row, cls))


class MessageDetail(MessageOut):
    """A message with all that happened to it, oldest first."""

    attempts: list[AttemptOut] = []
    reports: list[ReportOut] = []

    @classmethod
    def told(cls, row: Any, attempts: Sequence[Any], reports: Sequence[Any]) -> Self:
        return cls(
            **MessageOut.of(row).model_dump(),
            attempts=[AttemptOut.of(each) for each in attempts],
            reports=[ReportOut.of(each) for each in reports],
        )


class StopOut(BaseModel):
    """A fact in sight that may mean that a message is out of date."""

    cause: str
    invoice_ids: list[str] = Field(description="None: the whole account.")
    since: datetime
    overdue: bool = Field(description="Nobody resolved it for an hour.")


class HoldOut(BaseModel):
    """A dispute that keeps its invoice from being chased."""

    dispute_id: str
    invoice_id: str
    status: Literal["open", "awaiting_credit"]


class SuppressionOut(BaseModel):
    """An address that nobody may write to."""

    address: Text = Field(description="Null: the whole account.")
    reason: str


class OpenMessageOut(BaseModel):
    """A message on its way."""

    reminder_id: str
    status: Status
    waiting: bool = Field(description="For a fact that opens the gate.")
    next_at: datetime = Field(description="When it is looked at next.")
    valid_until: datetime
    attempts: int
    channel: Text
    recipient: Text
    invoice_ids: list[str]

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(
            next_at=message.at,
            attempts=message.attempt,
            invoice_ids=[line.invoice_id for line in message.covered or message.lines],
            **_same({name: getattr(message, name) for name in message.__struct_fields__}, cls, "next_at", "attempts", "invoice_ids"),
        )


class GateOut(BaseModel):
    """Whether anything may leave to an account, and what is on its way."""

    account_id: str
    name: Text
    locale: str
    zone: Text
    paused: bool
    paused_invoice_ids: list[str]
    contact_points: list[ContactPointOut]
    suppressed: list[SuppressionOut]
    stops: list[StopOut]
    holds: list[HoldOut]
    messages: list[OpenMessageOut]

    @classmethod
    def of(cls, account: str, gate: Gate) -> Self:
        contacts = [{**_plain(c), "suppressed": gate.suppression(suppression_key(c.address))} for c in gate.contacts]
        return cls(
            account_id=account,
            name=gate.name,
            locale=gate.locale,
            zone=gate.zone,
            paused=gate.paused,
            paused_invoice_ids=list(gate.paused_invoices),
            contact_points=[ContactPointOut(**each) for each in contacts],
            suppressed=[SuppressionOut(address="" if s.address == "*" else s.address, reason=s.why) for s in gate.suppressed],
            stops=[StopOut(cause=s.cause, invoice_ids=list(s.invoice_ids), since=s.since, overdue=s.overdue) for s in gate.stops],
            holds=_holds(gate),
            messages=[OpenMessageOut.of(message) for message in gate.messages],
        )


def _holds(gate: Gate) -> list[HoldOut]:
    disputed = [HoldOut(dispute_id=h.dispute_id, invoice_id=h.invoice_id, status="open") for h in gate.holds if h.open]
    return disputed + [HoldOut(dispute_id=h.dispute_id, invoice_id=h.invoice_id, status="awaiting_credit") for h in awaiting_credit(gate)]


def _plain(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _same(row: Any, model: type[BaseModel], *others: str) -> dict[str, Any]:
    """The columns that are fields of the model by the same name."""
    return {name: row[name] for name in model.model_fields if name not in others}
