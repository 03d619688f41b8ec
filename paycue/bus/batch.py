"""One batch while it is folded: the pure middle between loading and saving.

Handlers are pure, so an exception names its own event without a search: that event is poison, its account is parked from
there on, and the rest of the batch goes on.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal

import msgspec
from google.protobuf.message import Message

from paycue.bus.envelope import MAX_VALUE, Envelope, Pending, Record, Undecodable
from paycue.bus.topics import topic_of
from paycue.db.accounts import Key, Loaded
from paycue.db.bulk import Owned
from paycue.decision import Context, Decision, Handlers
from paycue.ids import account_key, derived_id


class Input(msgspec.Struct, frozen=True):
    """Something to fold: an event of the bus (then with its record), a command, a timer; or Undecodable, which is set aside in its turn."""

    tenant: str
    account: str
    """Empty with Undecodable that belongs to nobody."""
    event: Any
    cause: str
    time: datetime
    trace: str | None = None
    record: Record | None = None
    envelope: Envelope | None = None
    """What it came in. Two sources may use the same event id: ids of derived events build on the envelope's identity, else on `cause`."""
    command: bool = False

    @property
    def key(self) -> Key:
        return self.tenant, self.account


Outcome = Literal["applied", "parked", "buried"]


class Aside(msgspec.Struct, frozen=True):
    """An input that was not folded: poison, with its reason, or one that waits behind its parked account (None)."""

    input: Input
    reason: str | None


class Batch:
    """Accounts under lock, and what folding does to them."""

    def __init__(
        self,
        now: datetime,
        loaded: dict[Key, Loaded],
        references: dict[str, Any],
        handlers: Handlers,
        *,
        began: float = 0.0,
        fresh: Callable[[int], bool] = lambda lane: True,
        room: int = 0,
    ) -> None:
        self.now, self.loaded, self.references, self.handlers = now, loaded, references, handlers
        self.began = began
        """Of the event loop's clock, before anything was locked: what is claimed here is at least this old once it is committed."""
        self._fresh, self._room = lru_cache(maxsize=None)(fresh), room
        self.changed: dict[Key, Any] = {}
        self.events: list[Pending] = []
        self.rows: list[Owned] = []
        self.calls: list[Any] = []
        self.answers: list[Any] = []
        self.aside: list[Aside] = []
        self.outcomes: list[tuple[Input, Outcome]] = []
        """What became of each input, in order."""
        self.misplaced: Counter[str] = Counter()
        """By topic: records on another partition than their account's lane."""

    @property
    def poison(self) -> list[Aside]:
        """What raised or could not be decoded."""
        return [one for one in self.aside if one.reason is not None]

    @property
    def verdicts(self) -> list[bool]:
        """In order, whether an input was folded or is poison; one that waits is neither good nor bad."""
        return [outcome == "applied" for _, outcome in self.outcomes if outcome != "parked"]

    def fold(self, inputs: list[Input]) -> None:
        """Fold in order. What raises is poison and parks its account; a command that raises, or is refused, raises here."""
        for one in inputs:
            if isinstance(one.event, Undecodable):
                self._set_aside(one, one.event.reason)
            elif (account := self.loaded[one.key]).parked and not one.command:
                self.aside.append(Aside(one, None))
                self.outcomes.append((one, "parked"))
            else:
                self._fold_one(one, account)

    def _fold_one(self, one: Input, account: Loaded) -> None:
        reference, room = self.references.get(one.tenant), self._room - len(self.calls)
        context = Context(self.now, one.tenant, one.account, one.cause, reference, self._fresh(account.lane), room)
        try:
            decision = self.handlers[type(one.event)](account.state, one.event, context)
            self._take(one, account, decision)
        except Exception as error:
            if one.command:
                raise
            self._set_aside(one, f"{type(error).__name__}: {error}")
            return
        self.outcomes.append((one, "applied"))
        if one.record is not None and one.record.partition != account.lane:
            self.misplaced[one.record.topic] += 1

    def _set_aside(self, one: Input, reason: str) -> None:
        self.aside.append(Aside(one, reason))
        self.outcomes.append((one, "buried"))
        if one.account:
            self.loaded[one.key].parked = True

    def _take(self, one: Input, account: Loaded, decision: Decision[Any]) -> None:
        if decision.events:
            self.events += [self._pending(one, account.lane, index, event) for index, event in enumerate(decision.events)]
        if decision.state is not account.state:
            account.state = self.changed[one.key] = decision.state
        if decision.rows:
            self.rows += [Owned(one.tenant, one.account, row) for row in decision.rows]
        self.calls += decision.calls
        self.answers.append(decision.answer)

    def _pending(self, one: Input, lane: int, index: int, event: Message) -> Pending:
        kind, topic = _carried(type(event))  # type: ignore[arg-type]  # a class is hashable, whatever Message says of its instances
        if event.tenant_id != one.tenant or event.account_id != one.account:  # type: ignore[attr-defined]
            raise AssertionError(f"{kind} names another account than the one that was folded")
        event_id = derived_id(one.time, one.envelope.inbox_id.hex() if one.envelope else one.cause, kind, index)
        value = event.SerializeToString(deterministic=True)
        if len(value) > MAX_VALUE:
            # Nobody could read it, and the relay would stand before it for ever.
            raise ValueError(f"{kind} would have {len(value)} bytes, at most {MAX_VALUE} are read")
        return Pending(topic, lane, account_key(one.tenant, one.account), kind, event_id, self.now, one.trace, value)


@cache
def _carried(event: type[Message]) -> tuple[str, str]:
    """The full name of an event's type, and the topic that carries it."""
    return event.DESCRIPTOR.full_name, topic_of(event).name
