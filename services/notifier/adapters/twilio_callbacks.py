"""What Twilio posts to us: delivery reports and debtors' answers, once their signature is checked.

Nothing of a request may be used before `verify_callback` said yes. It keeps no state: order and repetition are the handlers' matter.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from twilio.request_validator import RequestValidator

from services.notifier.domain.replies import Delivery, DeliveryReport, InboundMessage, is_opt_out

_STATUSES: dict[str, Delivery] = {
    "accepted": "queued",
    "scheduled": "queued",
    "queued": "queued",
    "sending": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "undelivered",
    "failed": "failed",
    "canceled": "failed",
}


class CallbackVerifier:
    """Checks that a request comes from the account whose token signs it."""

    def __init__(self, auth_token: str) -> None:
        self._validator = RequestValidator(auth_token)

    def verify_callback(self, url: str, params: Mapping[str, str], signature: str) -> bool:
        """Whether `signature` (X-Twilio-Signature) fits the public `url`, query included, and the posted form."""
        return bool(signature) and bool(self._validator.validate(url, dict(params), signature))


def call_of(url: str) -> str:
    """The call id that `TwilioSms` put into a status callback's address. Raises ValueError if it is not there."""
    calls = parse_qs(urlsplit(url).query).get("call", [])
    if len(calls) != 1:
        raise ValueError(f"the address names {len(calls)} calls; expected one, as ?call=<call id>")
    return calls[0]


def delivery_report(call_id: str, params: Mapping[str, str]) -> DeliveryReport:
    """A status callback. Raises ValueError on a form without MessageSid or with a status that Twilio does not document."""
    status = _STATUSES.get(params.get("MessageStatus", ""))
    if status is None:
        raise ValueError(f"MessageStatus is {params.get('MessageStatus')!r}; expected one of {', '.join(_STATUSES)}")
    return DeliveryReport(call_id, _needed(params, "MessageSid"), status, params.get("ErrorCode", ""))


def inbound_message(params: Mapping[str, str]) -> InboundMessage:
    """A debtor's answer. Raises ValueError on a form without MessageSid, From or To."""
    body = params.get("Body", "")
    return InboundMessage(
        reference=_needed(params, "MessageSid"),
        sender=_needed(params, "From"),
        recipient=_needed(params, "To"),
        body=body,
        opt_out=params.get("OptOutType") == "STOP" or is_opt_out(body),
    )


def _needed(params: Mapping[str, str], name: str) -> str:
    value = params.get(name, "")
    if not value:
        raise ValueError(f"{name} is missing; expected the form that Twilio posts")
    return value
