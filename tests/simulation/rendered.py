"""What a message says, read back from the bytes that left as a mail program reads them."""

import email
import email.policy
from functools import lru_cache

from services.notifier.domain.calls import ProviderCall


def text_of(call: ProviderCall) -> str:
    """Its text, without the separators of thousands; of a mail with its sender's name."""
    return _text(call.raw) if call.raw else call.body.replace(",", "")


@lru_cache(maxsize=256)
def _text(raw: bytes) -> str:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return f"{message['From']} {text}".replace(",", "")
