"""W3C trace context: which request or record led to which. `traceparent` comes in and goes out; the span in force is a context variable.

A trace never decides anything: an unreadable header begins a new trace.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from paycue.ids import new_id

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(msgspec.Struct, frozen=True):
    """One span: lower-case hex ids of 16 and 8 bytes, and whether the caller records it."""

    trace_id: str
    span_id: str
    sampled: bool = True

    def header(self) -> str:
        """The `traceparent` of what this span causes."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> "Trace":
        """A new span of the same trace."""
        return Trace(self.trace_id, _span_id(), self.sampled)


_current: ContextVar[Trace | None] = ContextVar("paycue_trace", default=None)


def new() -> Trace:
    """The first span of a new trace."""
    return Trace(new_id().replace("-", ""), _span_id())


def parse(header: str | None) -> Trace | None:
    """The span a `traceparent` names; None when it is absent or not valid (Trace Context, 3.2)."""
    match = _HEADER.fullmatch(header or "")
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & 1))


def continued(header: str | None) -> Trace:
    """A span under the caller's, or the first of a new trace."""
    caller = parse(header)
    return caller.child() if caller else new()


def current() -> Trace | None:
    """The span in force here; None outside of one."""
    return _current.get()


@contextmanager
def within(span: Trace) -> Iterator[Trace]:
    """`span` is in force inside the block."""
    token = _current.set(span)
    try:
        yield span
    finally:
        _current.reset(token)


def _span_id() -> str:
    # The second half of a UUIDv7 is random but for its variant bits, so it is never zero.
    return new_id().replace("-", "")[16:]
