"""A decision in the making: the gate as it changes, and the events, rows and calls that follow. It decides nothing itself."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import Message as Event
from msgspec.structs import replace

from paycue.decision import Context, Decision
from paycue.events.v1.common_pb2 import CHANNEL_EMAIL, CHANNEL_SMS
from services.notifier.domain import fence, marks
from services.notifier.domain.gate import EVERYTHING, Gate, Message, Standing, StopTold
from services.notifier.domain.rows import AttemptRow, MessageRow
from services.notifier.domain.stops import OVERDUE

CHANNEL_NUMBERS = {"email": CHANNEL_EMAIL, "sms": CHANNEL_SMS}
_json = msgspec.json.Encoder().encode
E = TypeVar("E", bound=Event)


class Draft:
    """Lives for one handler call."""

    def __init__(self, gate: Gate, ctx: Context) -> None:
        self.gate, self.ctx, self.now = gate, ctx, ctx.now
        self.standing: Standing = ctx.reference or Standing()
        self.events: list[Event] = []
        self.rows: list[Any] = []
        self.calls: list[Any] = []

    def decision(self, answer: Any = None) -> Decision[Gate]:
        """What was drafted, stops acknowledged as far as they can be, and the gate's timer set to the first thing that wants attention."""
        self._acknowledge()
        at = self._next_action_at()
        gate = self.gate if self.gate.next_action_at == at else replace(self.gate, next_action_at=at)
        return Decision(gate, tuple(self.events), tuple(self.rows), tuple(self.calls), answer)

    def _next_action_at(self) -> datetime | None:
        gate = self.gate
        wanted = [message.at for message in gate.messages]
        if gate.stops or gate.closures:
            wanted += [stop.since + OVERDUE for stop in gate.stops if not stop.overdue]
            wanted += [closure.accepted_at + fence.WITHIN for closure in gate.closures]
        return min(wanted, default=None)

    def close(self, stop: StopTold, address: str = EVERYTHING) -> None:
        """Something closed the gate: it will be acknowledged."""
        self.gate = fence.close(self.gate, self.now, self.standing, stop, address)

    def _acknowledge(self) -> None:
        if not self.gate.closures:
            return
        self.gate, over = fence.acknowledge(self.gate, self.now, self.standing)
        self.events += [fence.receipt_event(self.ctx.tenant, self.ctx.account, closure, self.now) for closure in over]
        self.rows += [fence.receipt_row(closure, self.now) for closure in over if closure.told.taken_by == fence.OWN]

    def put(self, message: Message, reason: str = "") -> None:
        """Add or replace an open message and its row."""
        self.gate = replace(self.gate, messages=(*self._others(message), message))
        self.rows.append(self._row(message, message.status, reason))

    def end(self, message: Message, status: str, why: str, event: Event | None) -> None:
        """The message has come to its end, and its reminder will never be taken up again."""
        done = marks.add(self.gate.marks, "done", message.reminder_id, self.now)
        self.gate = replace(self.gate, messages=tuple(self._others(message)), marks=done)
        self.rows.append(self._row(message, status, why))
        if event is not None:
            self.events.append(event)

    def _others(self, message: Message) -> list[Message]:
        return [other for other in self.gate.messages if other.reminder_id != message.reminder_id]

    def outcome(self, kind: type[E], message: Message, **fields: object) -> E:
        """An outcome event of a message."""
        return kind(tenant_id=self.ctx.tenant, account_id=self.ctx.account, reminder_id=message.reminder_id, **fields)

    def note(self, message: Message, what: str, reason: str = "", reference: str = "", digest: bytes = b"") -> None:
        """Append to the message's history."""
        call = (message.reminder_id, message.call_id, message.attempt)
        self.rows.append(AttemptRow(*call, self.now, what, message.channel, message.recipient, reference, reason, digest))

    def _row(self, m: Message, status: str, reason: str) -> MessageRow:
        invoices = _json([line.invoice_id for line in (m.covered or m.lines)]).decode()
        return MessageRow(m.reminder_id, status, reason, m.stage, m.channel, m.recipient, invoices, m.planned_on, m.valid_until, self.now)
