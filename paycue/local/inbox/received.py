"""One message as a provider received it. Bytes are kept as they came; everything else is read from them when somebody asks, so
that receiving costs next to nothing.
"""

from datetime import UTC, datetime
from email.utils import parseaddr, parsedate_to_datetime
from functools import cached_property
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from paycue.local.inbox import mail

Channel = Literal["email", "sms"]


class Sms(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A text message as its file keeps it: the fields of Twilio's own resource, and when it was sent, in business time."""

    sid: str
    to: str
    from_: str
    body: str
    sent_at: datetime
    messaging_service_sid: str | None = None
    status_callback: str | None = None


class Received(msgspec.Struct, frozen=True, dict=True):
    """A message with its running number; `raw` is the mail as it came over the wire, or the JSON of an `Sms`.

    `to` and `sender` are the envelope's: whom it was delivered to, and who answers for it.
    """

    number: int
    channel: Channel
    to: str
    sender: str
    raw: bytes
    arrived_at: float
    """time.monotonic() when the mail's final dot, or the first byte of the text message's request, was read; 0 from a file."""
    recipients: tuple[str, ...] = ()
    """All of the envelope; `to` is the first."""

    @property
    def id(self) -> str:
        """The number as its file is named: `000042`."""
        return f"{self.number:06d}"

    @cached_property
    def mail(self) -> mail.Mail:
        """The mail, read. Empty for a text message."""
        return mail.parse(self.raw if self.channel == "email" else b"")

    @cached_property
    def sms(self) -> Sms:
        """The text message. Raises msgspec.ValidationError on a mail."""
        return msgspec.json.decode(self.raw, type=Sms)

    @property
    def subject(self) -> str:
        """The mail's subject, or a text message's first line."""
        return self.mail.header("subject") if self.channel == "email" else self.text.partition("\n")[0]

    @property
    def text(self) -> str:
        """The decoded text part, or the text message's body."""
        return self.mail.text if self.channel == "email" else self.sms.body

    @cached_property
    def sent_at(self) -> datetime | None:
        """When it was sent in business time: the Date header with the offset it was written with; None when it cannot be read."""
        if self.channel == "sms":
            return self.sms.sent_at
        try:
            date = parsedate_to_datetime(self.mail.header("date"))
        except ValueError:
            return None
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @property
    def message_id(self) -> str:
        """The Message-ID without its angle brackets, or the text message's sid."""
        return self.mail.header("message-id").strip("<> \t") if self.channel == "email" else self.sms.sid

    @property
    def call_id(self) -> str:
        """What the sender calls this call: before the @ of the Message-ID, or in the text message's StatusCallback."""
        if self.channel == "email":
            return self.message_id.partition("@")[0]
        return parse_qs(urlsplit(self.sms.status_callback or "").query).get("call", [""])[0]


def read_back(number: int, channel: Channel, raw: bytes, at: float) -> Received:
    """A message from its file; the envelope is gone, so the headers tell who it was for."""
    if channel == "sms":
        sms = msgspec.json.decode(raw, type=Sms)
        return Received(number, channel, sms.to, sms.from_, raw, at, (sms.to,))
    read = mail.parse(raw)
    to, sender = parseaddr(read.header("to"))[1], parseaddr(read.header("from"))[1]
    return Received(number, channel, to, sender, raw, at, (to,))
