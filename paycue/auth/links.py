"""Signed links for debtors: what a link is for and about stands in it, under a MAC of 128 bits, and it ends at its own time.

A token is one word of lower-case letters and digits 2 to 7 that begins with a letter, so that no mail reader breaks it and nobody
takes it, or a part of it, for an invoice's number. It is a key to a page: it must never be logged.
"""

import base64
import hmac
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

_MARK = "k"
_MAC = 16
_LONGEST = 2048


class BadLink(Exception):
    """Not a link of ours for this purpose, or not any more."""


class ExpiredLink(BadLink):
    """A link of ours whose time is over."""


class _Content(msgspec.Struct, array_like=True, frozen=True):
    expires: int
    """Seconds since 1970, UTC."""
    fields: tuple[str, ...]


def sign(secret: bytes, purpose: str, fields: tuple[str, ...], expires: datetime) -> str:
    """The token of `fields` for a purpose such as `payment`; equal inputs give equal tokens. `expires` counts in whole seconds."""
    content = msgspec.msgpack.encode(_Content(int(expires.timestamp()), fields))
    token = _MARK + _text(_mac(secret, purpose, content) + content)
    if len(token) > _LONGEST:
        raise ValueError(f"the fields make a link of {len(token)} characters; expected {_LONGEST} at most")
    return token


def open_link(secret: bytes, purpose: str, token: str, now: datetime) -> tuple[str, ...]:
    """The fields of a token that holds at `now`. Raises BadLink, or ExpiredLink if it held once."""
    raw = _bytes(token)
    mac, content = raw[:_MAC], raw[_MAC:]
    if not hmac.compare_digest(mac, _mac(secret, purpose, content)):
        raise BadLink("the link is not one of ours for this purpose")
    signed = msgspec.msgpack.decode(content, type=_Content)
    if now.timestamp() >= signed.expires:
        raise ExpiredLink(f"the link ended at {datetime.fromtimestamp(signed.expires, UTC).isoformat()}")
    return signed.fields


def _mac(secret: bytes, purpose: str, content: bytes) -> bytes:
    return hmac.digest(_key(secret, purpose), content, "sha256")[:_MAC]


@lru_cache(maxsize=64)
def _key(secret: bytes, purpose: str) -> bytes:
    """Each purpose has a key of its own, so that a token of one never opens another."""
    return hmac.digest(secret, b"paycue link\0" + purpose.encode(), "sha256")


def _text(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _bytes(token: str) -> bytes:
    """The bytes of a token, only if it is written exactly as `sign` writes it."""
    if not token.startswith(_MARK) or not token.isascii() or not _MAC * 8 // 5 < len(token) <= _LONGEST:
        raise BadLink("the link is not whole")
    body = token[len(_MARK) :]
    try:
        raw = base64.b32decode(body.upper() + "=" * (-len(body) % 8))
    except ValueError:
        raise BadLink("the link is not whole") from None
    if _text(raw) != body:
        raise BadLink("the link is not whole")
    return raw
