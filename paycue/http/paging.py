"""Lists in pages, by keyset: a page continues after the last key of the one before, whatever was inserted or removed meanwhile.

A cursor is opaque and belongs to its listing. It names a place in an order and grants nothing: what may be seen is decided elsewhere.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import HTTPException, Query, Response
from pydantic import BaseModel, Field

MOST = 500
_USUAL = 50
_CHECK = 6
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TEXT = Annotated[str, msgspec.Meta(max_length=256, pattern=r"\A[^\x00]*\Z")]

Key = tuple[Any, ...]
"""The values of the listing's order, in order: str, int, date or datetime, never None."""

T = TypeVar("T")
R = TypeVar("R")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(default=None, description="The cursor of the next page; absent or null on the last.")


class Asked(msgspec.Struct, frozen=True):
    """What a caller wants: `limit` items that come after the key `after` (None: from the start)."""

    limit: int
    after: Key | None = None


class Listing:
    """A list with an order, such as `Listing("invoices", date, str)`.

    A route depends on `asked`, reads `asked.limit + 1` rows after `asked.after`, and answers with `page`.
    """

    def __init__(self, name: str, *types: type) -> None:
        self._name = name.encode()
        bounded = [_INT64 if kind is int else _TEXT if kind is str else kind for kind in types]
        self._decoder = msgspec.msgpack.Decoder(GenericAlias(tuple, tuple(bounded)))

    async def asked(
        self,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Items per page.")] = _USUAL,
        cursor: Annotated[str | None, Query(max_length=1024, description="`next` of the page before.")] = None,
    ) -> Asked:
        """The dependency of a route. Raises 400 on a cursor that is not this listing's."""
        return Asked(limit, None if cursor is None else self.key(cursor))

    def page(self, asked: Asked, rows: Sequence[R], key: Callable[[R], Key], item: Callable[[R], T]) -> Page[T]:
        """The page of up to `asked.limit + 1` rows; the one too many tells that there is a next page."""
        return Page(items=[item(row) for row in rows[: asked.limit]], next=self._next(asked, rows, key))

    def answer(self, asked: Asked, rows: Sequence[R], key: Callable[[R], Key], item: Callable[[R], dict[str, Any]]) -> Response:
        """The same page as JSON, of items that are plain values: in a long list a model of each costs most of the answer."""
        page = {"items": [item(row) for row in rows[: asked.limit]], "next": self._next(asked, rows, key)}
        return Response(msgspec.json.encode(page), media_type="application/json")

    def _next(self, asked: Asked, rows: Sequence[R], key: Callable[[R], Key]) -> str | None:
        return self.cursor(key(rows[asked.limit - 1])) if len(rows) > asked.limit else None

    def cursor(self, key: Key) -> str:
        """The cursor after `key`."""
        raw = msgspec.msgpack.encode(key)
        return base64.urlsafe_b64encode(self._check(raw) + raw).decode().rstrip("=")

    def key(self, cursor: str) -> Key:
        """The key of a cursor. Raises 400 when it is not one of this listing's."""
        try:
            bytes_ = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            check, raw = bytes_[:_CHECK], bytes_[_CHECK:]
            if check != self._check(raw):
                raise ValueError(cursor)
            key: Key = tuple(_utc(value) for value in self._decoder.decode(raw))
        except (ValueError, OverflowError, msgspec.MsgspecError):
            raise HTTPException(400, "The cursor is not one of this list; pass `next` of the page before as it is, or none.") from None
        return key

    def _check(self, raw: bytes) -> bytes:
        return hashlib.blake2b(raw, digest_size=_CHECK, key=self._name[:64]).digest()


def _utc(value: Any) -> Any:
    """An instant as PostgreSQL takes it. Raises OverflowError for one that its offset puts outside the calendar."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value
