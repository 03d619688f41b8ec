"""A decision in the making: the gate as it changes, and the events, rows and calls that follow. It decides nothing itself."""

import json
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message as Event
from msgspec.structs import replace

from paycue.decision import Context, Decision
from paycue.events.v1.common_pb2 import CHANNEL_EMAIL, CHANNEL_SMS
from services.notifier.domain import marks
from services.notifier.domain.gate import Gate, Message, Standing
from services.notifier.domain.rows import AttemptRow, MessageRow
from services.notifier.domain.stops import OVERDUE

CHANNEL_NUMBERS = {"email": CHANNEL_EMAIL, "sms": CHANNEL_SMS}
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
        """What was drafted, with the gate's timer set to the first thing that wants attention."""
        at = self._next_action_at()
        gate = self.gate if self.gate.next_action_at == at else replace(self.gate, next_action_at=at)
        return Decision(gate, tuple(self.events), tuple(self.rows), tuple(self.calls), answer)

    def _next_action_at(self) -> datetime | None:
        wanted = [message.at for message in self.gate.messages]
        wanted += [stop.since + OVERDUE for stop in self.gate.stops if not stop.overdue]
        return min(wanted, default=None)

    def put(self, message: Message, reason: str = "") -> None:
        """Add or replace an open message and its row."""
        others = tuple(m for m in self.gate.messages if m.reminder_id != message.reminder_id)
        self.gate = replace(self.gate, messages=(*others, message))
        self.rows.append(self._row(message, message.status, reason))

    def end(self, message: Message, status: str, why: str, event: Event | None) -> None:
        """The message has come to its end, and its reminder will never be taken up again."""
        others = tuple(m for m in self.gate.messages if m.reminder_id != message.reminder_id)
        done = marks.add(self.gate.marks, "done", message.reminder_id, self.now)
        self.gate = replace(self.gate, messages=others, marks=done)
        self.rows.append(self._row(message, status, why))
        if event is not None:
            self.events.append(event)

    def outcome(self, kind: type[E], message: Message, **fields: object) -> E:
        """An outcome event of a message."""
        return kind(tenant_id=self.ctx.tenant, account_id=self.ctx.account, reminder_id=message.reminder_id, **fields)

    def note(self, message: Message, what: str, reason: str = "", reference: str = "", digest: bytes = b"") -> None:
        """Append to the message's history."""
        call = (message.reminder_id, message.call_id, message.attempt)
        self.rows.append(AttemptRow(*call, self.now, what, message.channel, message.recipient, reference, reason, digest))

    def _row(self, m: Message, status: str, reason: str) -> MessageRow:
        invoices = json.dumps([line.invoice_id for line in (m.covered or m.lines)])
        return MessageRow(m.reminder_id, status, reason, m.stage, m.channel, m.recipient, invoices, m.planned_on, m.valid_until, self.now)
