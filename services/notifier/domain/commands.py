"""What the notifier is told by people, by providers and by its own calls."""

from datetime import datetime
from typing import Literal

import msgspec

from services.notifier.domain.calls import CallResult, Found
from services.notifier.domain.replies import Delivery


class SetContactPoint(msgspec.Struct, frozen=True):
    """A person adds an address, with the consent it stands on. The address is normalised already."""

    channel: Literal["email", "sms"]
    address: str
    basis: str
    evidence: str


class OptOut(msgspec.Struct, frozen=True):
    """Nobody may write to an address any more; or to the account at all, if the address is EVERYTHING."""

    address: str
    channel: Literal["email", "sms", ""]
    basis: str
    """Where it came from: `one_click`, `reply`, `person`."""
    evidence: str


class OptIn(msgspec.Struct, frozen=True):
    """An address (or the account, if it is EVERYTHING) may be written to again, by the debtor's own consent."""

    address: str
    channel: Literal["email", "sms", ""]
    basis: str
    evidence: str


class CallFinished(msgspec.Struct, frozen=True):
    """A provider call came to an end."""

    reminder_id: str
    call_id: str
    result: CallResult
    content_digest: bytes = b""


class CallFound(msgspec.Struct, frozen=True):
    """A provider was asked, not before `asked_at`, whether it has the message of an unknown call."""

    reminder_id: str
    call_id: str
    found: Found
    asked_at: datetime


class DeliveryReported(msgspec.Struct, frozen=True):
    """A provider's report on a message it took."""

    reminder_id: str
    call_id: str
    recipient: str
    reference: str
    status: Delivery
    error_code: str


class Resend(msgspec.Struct, frozen=True):
    """A person has an unknown message sent again, and says why."""

    reminder_id: str
    reason: str


class ReleaseStop(msgspec.Struct, frozen=True):
    """A person ends a provisional stop that nobody resolves, and says why."""

    cause: str
    reason: str
