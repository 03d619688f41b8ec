"""What a handler takes and gives: facts and a context in, a decision out.

A handler is a plain function `(state, event, ctx) -> Decision`. It does no I/O, reads no clock and draws no random number:
everything it may know stands in its arguments, so that it can be tested with values and replayed for ever.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec


class Context(msgspec.Struct, frozen=True):
    """What a handler may know besides state and event. `reference` is what the service keeps per tenant (a policy, a creditor)."""

    now: datetime
    """Business time, UTC; taken once per batch."""
    tenant: str
    account: str
    cause: str
    """The id of the event, command or timer that is folded; derived ids build on it."""
    reference: Any = None
    fresh: bool = True
    """Whether this process owns the account's lane and has read all of its stop feeds; without that nothing may be claimed."""
    room: int = 0
    """How many provider calls an event may still claim in the transaction that folds it; what finds no room waits for its timer."""


class State(Protocol):
    """An aggregate's packed document. Every service keeps one per account."""

    @property
    def next_action_at(self) -> datetime | None:
        """When the account's one timer fires (UTC); None: no timer."""


S = TypeVar("S", bound=State)


class Decision(msgspec.Struct, Generic[S], frozen=True):
    """What follows from one event."""

    state: S
    events: tuple[Any, ...] = ()
    """Protobuf messages for the outbox, in order; each topic follows from the message's type."""
    rows: tuple[msgspec.Struct, ...] = ()
    """Rows the service's store appends or upserts: the decision log, the ledger, projections for lists."""
    calls: tuple[msgspec.Struct, ...] = ()
    """Calls to third parties, made only after this decision is committed."""
    answer: Any = None
    """What the API answers to a command; None for events and timers."""


class TimerFired(msgspec.Struct, frozen=True):
    """The account's one timer is due."""


class Refused(Exception):
    """A command that cannot be obeyed: `status` 404, 409 or 422, a short title, and a detail that says what to do.

    Only handlers of commands raise it, before anything changes; an event is never refused, it becomes a recorded fact.
    """

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}")
        self.status, self.title, self.detail = status, title, detail


Handler = Callable[[Any, Any, Context], Decision[Any]]
Handlers = Mapping[type, Handler]
"""Event or command class (or `TimerFired`) -> the one function that folds it."""
