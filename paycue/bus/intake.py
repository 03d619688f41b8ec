"""What a lane's records become before they are folded: decoded one by one, claimed in the inbox, in the order they came.

A record that cannot be folded keeps its place among the others, for what comes after it of the same account has to wait.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from paycue.bus.batch import Input
from paycue.bus.envelope import Envelope, Record, Undecodable, decode, type_of
from paycue.bus.poison import not_buried
from paycue.bus.store import Unit
from paycue.bus.topics import topics
from paycue.observability import metrics


class Fault(msgspec.Struct, frozen=True):
    """A record that cannot be folded, and why."""

    record: Record
    why: Undecodable

    @property
    def tenant(self) -> str | None:
        return self.why.tenant

    @property
    def account(self) -> str | None:
        return self.why.account

    @property
    def type(self) -> str | None:
        return type_of(self.record)


Taken = Envelope | Fault


def take(service: str, handled: Collection[str], records: Sequence[Record]) -> list[Taken]:
    """Decode what the service handles. A type that stands in the topic by contract and is not handled is passed over, not buried."""
    taken: list[Taken] = []
    ignored: Counter[tuple[str, str]] = Counter()
    for record in records:
        kind = type_of(record)
        if kind is not None and kind not in handled and kind in topics()[record.topic].types:
            ignored[record.topic, kind] += 1
            continue
        try:
            taken.append(decode(record))
        except Undecodable as why:
            taken.append(Fault(record, why))
    for (topic, kind), count in ignored.items():
        metrics.RECORDS.labels(service, topic, kind, "ignored").inc(count)
    return taken


async def inputs_of(unit: Unit, taken: Sequence[Taken], now: datetime) -> list[Input]:
    """What there is to fold: events never seen, and faults never buried. Claims the events' ids."""
    claims = iter(await unit.claim([one for one in taken if isinstance(one, Envelope)]))
    inputs: list[Input] = []
    for one in taken:
        claim = next(claims) if isinstance(one, Envelope) else "fault"
        if isinstance(one, Fault):
            inputs.append(_fault(one, now))
        elif claim == "new":
            inputs.append(event_input(one))
        elif claim == "reused":
            why = Undecodable("the same event id came before with other content", one.tenant, one.account)
            inputs.append(_fault(Fault(one.record, why), now))
    return await not_buried(unit, inputs)


def event_input(e: Envelope) -> Input:
    """An event of the bus, to be folded."""
    return Input(e.tenant, e.account, e.event, e.id, e.time, e.trace, e.record, e)


def _fault(fault: Fault, now: datetime) -> Input:
    whom = (fault.tenant, fault.account) if fault.tenant and fault.account else ("", "")
    return Input(*whom, fault.why, "", now, record=fault.record)
