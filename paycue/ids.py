"""Identities. Random ones come from here alone; derived ones are the same on every replay.

A derived id is a UUIDv8 (RFC 9562, 5.8): 48 bits of its moment in milliseconds, so that indexes stay local, then 74 bits of hash.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

from uuid_utils.compat import uuid7

TENANT = re.compile(r"[a-z0-9-]{1,32}")
_VARIANT = {digit: f"{int(digit, 16) & 3 | 8:x}" for digit in "0123456789abcdef"}
_UNHASHED = blake2b(digest_size=16)
ACCOUNT = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}")


_sources: list[Callable[[], UUID]] = [uuid7]


def new_id() -> str:
    """A fresh UUIDv7, time-ordered."""
    return str(_sources[-1]())


@contextmanager
def drawn_from(source: Callable[[], UUID]) -> Iterator[None]:
    """Fresh ids come from `source` meanwhile: a simulation draws them from its seed."""
    _sources.append(source)
    try:
        yield
    finally:
        _sources.remove(source)


def new_secret() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def derived_id(at: datetime, *parts: object) -> str:
    """The UUIDv8 of `parts` at the instant `at`: equal parts and instants give equal ids."""
    # Written digit by digit: several of them are made for each reminder, and a UUID object costs as much again as the hash. So does
    # making a hash anew, and asking a text for itself.
    hashed = _UNHASHED.copy()
    hashed.update("\x1f".join([part if type(part) is str else str(part) for part in parts]).encode())
    rest = hashed.hexdigest()
    return f"{_millis(at)}-8{rest[13:16]}-{_VARIANT[rest[16]]}{rest[17:20]}-{rest[20:]}"


@lru_cache(maxsize=4096)
def _millis(at: datetime) -> str:
    """The first 48 bits."""
    digits = f"{int(at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def digest16(*parts: bytes) -> bytes:
    """16 bytes of BLAKE2b over length-prefixed parts."""
    return _hashed(parts).digest()


def digest16_after(known: tuple[bytes, ...], last: bytes) -> bytes:
    """The same as `digest16(*known, last)`, for `known` parts that are short and come again and again: their hash is remembered."""
    hashed = _remembered(known).copy()
    hashed.update(len(last).to_bytes(4, "big") + last)
    return hashed.digest()


def _hashed(parts: tuple[bytes, ...]) -> blake2b:
    return blake2b(b"".join([len(part).to_bytes(4, "big") + part for part in parts]), digest_size=16)


_remembered = lru_cache(maxsize=1024)(_hashed)


@lru_cache(maxsize=4096)
def is_tenant(text: str) -> bool:
    """Whether it is a slug that a tenant may have."""
    return TENANT.fullmatch(text) is not None


def is_account(text: str) -> bool:
    """Whether an account or an invoice may have this id: 1 to 64 characters, no control characters."""
    # Nearly all are of printable ASCII, which is a question in C.
    return 0 < len(text) <= 64 and ((text.isascii() and text.isprintable()) or ACCOUNT.fullmatch(text) is not None)


def account_key(tenant: str, account: str) -> bytes:
    """The Kafka key of an account. Tenants are slugs, so the first colon ends the tenant and accounts need no escaping."""
    return f"{tenant}:{account}".encode()


def split_key(key: bytes | None) -> tuple[str, str]:
    """Tenant and account of a Kafka key. Raises ValueError when it is not `tenant:account`."""
    try:
        tenant, _, account = (key or b"").decode().partition(":")
    except UnicodeDecodeError:
        tenant = account = ""
    if not is_tenant(tenant) or not is_account(account):
        raise ValueError(f"the key {key!r} is not tenant:account, with a tenant of [a-z0-9-]{{1,32}} and an account of 1 to 64 characters")
    return tenant, account
