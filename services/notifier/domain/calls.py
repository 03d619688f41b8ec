"""One request to a provider, and what can be known about it afterwards.

These structs travel between the handlers, which decide, and the adapters, which call. They must never be logged whole: they
carry addresses and the text of a message.
"""

from typing import Literal

import msgspec

Channel = Literal["email", "sms"]


class ProviderCall(msgspec.Struct, frozen=True):
    """One message to one recipient, ready to leave."""

    call_id: str
    message_id: str
    """The UUID that a mail's Message-ID begins with."""
    channel: Channel
    recipient: str
    """The one address: an e-mail address, or a phone number in E.164."""
    sender: str
    start_by_loop: float
    """Event-loop time, in seconds, from which on nothing irrevocable may start any more."""
    raw: bytes = b""
    """A mail's bytes; empty for SMS."""
    body: str = ""
    """An SMS's text; empty for mail."""
    link_token: str = ""
    """What stands in this message's text and in no other message to this recipient; `find` looks for it."""


class CallResult(msgspec.Struct, frozen=True):
    """What became of a call.

    `accepted`: the provider has it. `failed`: it refused for good. `retry`: it certainly does not have it, and may take it later.
    `unknown`: nobody can tell yet; only `find` may resolve it. `not_started`: it was too late to start.
    """

    outcome: Literal["accepted", "failed", "retry", "unknown", "not_started"]
    reference: str = ""
    """The provider's own id of an accepted message, where it gives one."""
    reason: str = ""
    """A code such as `smtp_550_5.1.1`, `opted_out` or `twilio_30006`; never an address."""
    retry_after: float | None = None
    """Seconds the provider asked us to wait."""


Found = Literal["accepted", "not_accepted", "cannot_tell"]
