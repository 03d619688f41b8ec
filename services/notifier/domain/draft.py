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
from services.notifier.domain.rows import MessageRow
from services.notifier.domain.stops import OVERDUE

CHANNEL_NUMBERS = {"email": CHANNEL_EMAIL, "sms": CHANNEL_SMS}
_json = msgspec.json.Encoder().encode
E = TypeVar("E", bound=Event)
Note = tuple[str, str, str, str, bytes]
"""What happened to a message: the last columns of its row."""
_NOTHING: Note = ("", "", "", "", b"")


class Draft:
    """Lives for one handler call."""

    def __init__(self, gate: Gate, ctx: Context) -> None:
        self.gate, self.ctx, self.now = gate, ctx, ctx.now
        self.standing: Standing = ctx.reference or Standing()
        self.events: list[Event] = []
        self.rows: list[Any] = []
        self.calls: list[Any] = []
        self._noted: tuple[Message, Note] | None = None

    def decision(self, answer: Any = None) -> Decision[Gate]:
        """What was drafted, stops acknowledged as far as they can be, and the gate's timer set to the first thing that wants attention."""
        self._acknowledge()
        self._write_note()
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
        """Add or replace an open message, and say how it stands."""
        others = self._others(message)
        self._write(message, message.status, reason, others)
        self.gate = replace(self.gate, messages=(*others, message))

    def end(self, message: Message, status: str, why: str, event: Event | None) -> None:
        """The message has come to its end, and its reminder will never be taken up again."""
        others, done = self._others(message), marks.add(self.gate.marks, "done", message.reminder_id, self.now)
        self._write(message, status, why, others)
        self.gate = replace(self.gate, messages=others, marks=done)
        if event is not None:
            self.events.append(event)

    def _others(self, message: Message) -> tuple[Message, ...]:
        return tuple([m for m in self.gate.messages if m.reminder_id != message.reminder_id])

    def outcome(self, kind: type[E], message: Message, **fields: object) -> E:
        """An outcome event of a message."""
        return kind(tenant_id=self.ctx.tenant, account_id=self.ctx.account, reminder_id=message.reminder_id, **fields)

    def note(self, message: Message, what: str, reason: str = "", reference: str = "", digest: bytes = b"") -> None:
        """Something happened to the message. Where that changes how it stands, one row says both."""
        self._write_note()
        self._noted = message, (what, message.call_id, reason, reference, digest)

    def _write(self, message: Message, status: str, reason: str, others: tuple[Message, ...]) -> None:
        if self._noted is not None and self._noted[0].reminder_id != message.reminder_id:
            self._write_note()
        (_, note), self._noted = self._noted or (message, _NOTHING), None
        self.rows.append(self._row(message, status, reason, len(others) == len(self.gate.messages), note))

    def _write_note(self) -> None:
        """What happened and left the message standing as before."""
        if self._noted is not None:
            (message, note), self._noted = self._noted, None
            self.rows.append(self._row(message, "", "", False, note))

    def _row(self, m: Message, status: str, reason: str, opens: bool, note: Note) -> MessageRow:
        covers = _json([line.invoice_id for line in (m.covered or m.lines)]).decode()
        told = (m.reminder_id, self.now, status, reason, m.stage, m.channel, m.recipient, covers, m.planned_on, m.valid_until, opens)
        return MessageRow(*told, *note)
