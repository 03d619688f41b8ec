"""What a run intended and what the providers received: the two sides that are compared in the end. No service is asked here.

Every instant is time.monotonic() of this process.
"""

import random
import re
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from paycue.local.inbox import Received

Channel = Literal["email", "sms"]
_LINE = re.compile(r"nvoice (\S+)(?: \|)? open (.+?)(?: \|)? due ")
_FIRST_GUESS = 0.5
"""Seconds from an invoice to its message, until messages tell."""
_LONGEST = 15.0
"""Seconds; after a standstill nobody waits as long with his stop as the standstill lasted."""
CALM = "calm"
"""What a reminder of a quiet moment is counted under."""


@dataclass
class Stop:
    """Something that has to keep a message from leaving."""

    path: str
    reasons: frozenset[str]
    """What a service may give as the reason of the silence that follows; none: a message is still to come, of what is left open."""
    left: dict[str, int]
    """Invoice -> what is open once it took effect, in minor units; 0: not to be mentioned any more. Empty: nothing at all may leave."""
    stop_id: str = ""
    fired: float = 0.0
    acknowledged: float | None = None
    in_flight: frozenset[str] = frozenset()
    none_started_after: float = 0.0

    def acknowledge(self, at: float, in_flight: Iterable[str], none_started_after: datetime) -> None:
        """Its receipt came; whoever has it first has it."""
        if self.acknowledged is None or at < self.acknowledged:
            self.acknowledged, self.in_flight = at, frozenset(in_flight)
            self.none_started_after = none_started_after.timestamp() - (time.time() - time.monotonic())


@dataclass
class Debt:
    """An account that is to be reminded once, of all its invoices together."""

    tenant: str
    account: str
    channel: Channel
    address: str
    invoices: dict[str, int]
    """Invoice -> open minor units."""
    scenario: str
    published: float = 0.0
    stop: Stop | None = None
    poisoned: bool = False
    """A record of it cannot be folded: it waits for a person."""


@dataclass(frozen=True)
class Seen:
    """A message as it reached a provider, which took it or not."""

    to: str
    call_id: str
    arrived_at: float
    lines: dict[str, int]
    """Invoice -> what the message says is open, in minor units."""
    accepted: bool = True


def seen(message: Received, accepted: bool = True) -> Seen:
    """What a message says, in the few words that judgement needs."""
    lines = {invoice: int(re.sub(r"\D", "", amount)) for invoice, amount in _LINE.findall(message.text)}
    return Seen(message.to, message.call_id, message.arrived_at, lines, accepted)


@dataclass
class Book:
    """Both sides. `rng` decides what is drawn for the load, so that a seed gives the same one."""

    rng: random.Random
    debts: dict[str, Debt] = field(default_factory=dict)
    """By address."""
    stops: dict[tuple[str, str], Stop] = field(default_factory=dict)
    """By tenant and account."""
    messages: list[Seen] = field(default_factory=list)
    scenario: str = CALM
    drawn: Counter[str] = field(default_factory=Counter)
    """How often each scenario ran."""
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=200))

    def receive(self, message: Received) -> None:
        """A provider took a message. Called on the providers' thread."""
        one = seen(message)
        self.messages.append(one)
        debt = self.debts.get(one.to)
        if debt is not None and debt.published:
            self._latencies.append(min(one.arrived_at - debt.published, _LONGEST))

    def moment(self) -> float:
        """Seconds after an invoice at which its message may just be leaving: around what the last ones took."""
        latencies = tuple(self._latencies) or (_FIRST_GUESS,)
        return self.rng.choice(latencies) * self.rng.uniform(0.1, 1.1)

    def race(self, debt: Debt, stop: Stop) -> None:
        """A stop is to be fired at a debt."""
        debt.stop = stop
        self.stops[debt.tenant, debt.account] = stop

    @property
    def races(self) -> list[Debt]:
        return [debt for debt in self.debts.values() if debt.stop is not None]
