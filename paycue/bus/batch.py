"""One batch while it is folded: the pure middle between loading and saving.

Handlers are pure, so an exception names its own event without a search: that event is poison, its account is parked from
there on, and the rest of the batch goes on.
"""

from datetime import datetime
from typing import Any

import msgspec
from google.protobuf.message import Message

from paycue.bus.envelope import Envelope
from paycue.bus.outbox import Pending
from paycue.bus.topics import topic_of
from paycue.db.accounts import Key, Loaded
from paycue.db.bulk import Owned
from paycue.decision import Context, Decision, Handlers, Refused
from paycue.ids import account_key, derived_id


class Input(msgspec.Struct, frozen=True):
    """Something to fold: an event of the bus (then with its envelope), a command, or a timer."""

    tenant: str
    account: str
    event: Any
    cause: str
    time: datetime
    trace: str | None = None
    envelope: Envelope | None = None
    command: bool = False

    @property
    def key(self) -> Key:
        return self.tenant, self.account


class Poison(msgspec.Struct, frozen=True):
    """An input whose handler raised, and what it raised."""

    input: Input
    reason: str


class Batch:
    """Accounts under lock, and what folding does to them."""

    def __init__(self, now: datetime, loaded: dict[Key, Loaded], references: dict[str, Any], handlers: Handlers) -> None:
        self.now, self.loaded, self.references, self.handlers = now, loaded, references, handlers
        self.changed: dict[Key, Any] = {}
        self.events: list[Pending] = []
        self.rows: list[Owned] = []
        self.calls: list[Any] = []
        self.answers: list[Any] = []
        self.poison: list[Poison] = []
        self.parked: list[Input] = []

    def fold(self, inputs: list[Input]) -> None:
        """Fold in order. Refused commands raise; what raises anything else is poison and parks its account."""
        for one in inputs:
            account = self.loaded[one.key]
            if account.parked and not one.command:
                self.parked.append(one)
                continue
            context = Context(self.now, one.tenant, one.account, one.cause, self.references.get(one.tenant))
            try:
                decision = self.handlers[type(one.event)](account.state, one.event, context)
                self._take(one, account, decision)
            except Refused:
                raise
            except Exception as error:
                if one.command:
                    raise
                self.poison.append(Poison(one, f"{type(error).__name__}: {error}"))
                account.parked = True

    def _take(self, one: Input, account: Loaded, decision: Decision[Any]) -> None:
        events = [self._pending(one, account.lane, index, event) for index, event in enumerate(decision.events)]
        if decision.state is not account.state:
            account.state = self.changed[one.key] = decision.state
        self.events += events
        self.rows += [Owned(one.tenant, one.account, row) for row in decision.rows]
        self.calls += decision.calls
        self.answers.append(decision.answer)

    def _pending(self, one: Input, lane: int, index: int, event: Message) -> Pending:
        kind = event.DESCRIPTOR.full_name
        if (event.tenant_id, event.account_id) != one.key:  # type: ignore[attr-defined]
            raise AssertionError(f"{kind} names another account than the one that was folded")
        event_id = derived_id(one.time, one.cause, kind, index)
        value = event.SerializeToString(deterministic=True)
        return Pending(topic_of(type(event)).name, lane, account_key(*one.key), kind, event_id, self.now, one.trace, value)
