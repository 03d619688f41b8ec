"""What the gate remembers having seen, in a dozen bytes each: reminders that ended, causes that were resolved, replies that were heard.

Marks only ever grow until they are too old to matter, so that any order of the same facts leaves the same ones.
"""

from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from paycue.ids import digest16_after

KEPT = timedelta(days=100)
"""Longer than our own topics keep their records, so that a replay of one from its start finds every mark."""
_EPOCH_DAYS = 86400


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Something that was seen, and on which day (since 1970)."""

    key: bytes
    day: int


Marks = tuple[Mark, ...]


def key_of(what: str, name: str) -> bytes:
    """Eight bytes for a thing of a kind."""
    return digest16_after((what.encode(),), name.encode())[:8]


def has(marks: Marks, what: str, name: str) -> bool:
    """Whether the thing was seen."""
    return bool(marks) and key_of(what, name) in [mark.key for mark in marks]


def add(marks: Marks, what: str, name: str, now: datetime) -> Marks:
    """The marks with one more, without those that are too old; the same object if it is there already."""
    key = key_of(what, name)
    if key in [mark.key for mark in marks]:
        return marks
    today = _day(now)
    return (*[mark for mark in marks if mark.day >= today - KEPT.days], Mark(key, today))


@lru_cache(maxsize=64)
def _day(at: datetime) -> int:
    return int(at.timestamp()) // _EPOCH_DAYS
