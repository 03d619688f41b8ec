"""A message's way through the gate: pending, claimed, and then sent, failed, unknown, skipped or expired - each with its event.

Only what certainly did not leave may be tried again. An unknown call is looked for on a schedule and never resent blindly.
"""

import json
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.message import Message as Event
from msgspec.structs import replace

from paycue.decision import Context, Decision
from paycue.events.v1 import message_pb2 as events
from paycue.events.v1.common_pb2 import CHANNEL_EMAIL, CHANNEL_SMS
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.calls import CallResult, Found
from services.notifier.domain.claim import Find, claimed, judge, reach, send_of
from services.notifier.domain.commands import DeliveryReported
from services.notifier.domain.gate import Gate, Message, Standing
from services.notifier.domain.rows import AttemptRow, CallRow, MessageRow

RETRY_AFTER = (30, 120, 600, 1800, 3600)
"""Seconds until the next try after what certainly did not leave; the last one repeats until the reminder expires."""
_DONE_KEPT = timedelta(days=120)
_ADDRESS_IS_DEAD = ("opted_out", "invalid_number", "smtp_550_5.1.1")
CHANNEL_NUMBERS = {"email": CHANNEL_EMAIL, "sms": CHANNEL_SMS}


class Draft:
    """A decision in the making: the gate as it changes, and what follows. Lives for one handler call."""

    def __init__(self, gate: Gate, ctx: Context) -> None:
        self.gate, self.ctx = gate, ctx
        self.standing: Standing = ctx.reference or Standing()
        self.events: list[Event] = []
        self.rows: list[Any] = []
        self.calls: list[Any] = []

    def decision(self, answer: Any = None) -> Decision[Gate]:
        """What was drafted, with the gate's timer set to the first message that wants attention."""
        at = min((m.at for m in self.gate.messages), default=None)
        gate = self.gate if self.gate.next_action_at == at else replace(self.gate, next_action_at=at)
        return Decision(gate, tuple(self.events), tuple(self.rows), tuple(self.calls), answer)

    def put(self, message: Message, reason: str = "") -> None:
        """Add or replace an open message and its row."""
        others = tuple(m for m in self.gate.messages if m.reminder_id != message.reminder_id)
        self.gate = replace(self.gate, messages=(*others, message))
        self.rows.append(self._row(message, message.status, reason))

    def end(self, message: Message, status: str, why: str, event: type[Event], **fields: object) -> None:
        """The message has come to its end."""
        now = self.ctx.now
        done = (*(d for d in self.gate.done if d[1] > now - _DONE_KEPT), (message.reminder_id, now))
        self.gate = replace(self.gate, messages=tuple(m for m in self.gate.messages if m.reminder_id != message.reminder_id), done=done)
        self.rows.append(self._row(message, status, why))
        self.tell(event, message, **fields)

    def tell(self, event: type[Event], message: Message, **fields: object) -> None:
        """Append an outcome event."""
        self.events.append(event(tenant_id=self.ctx.tenant, account_id=self.ctx.account, reminder_id=message.reminder_id, **fields))

    def note(self, message: Message, what: str, reason: str = "", reference: str = "", digest: bytes = b"") -> None:
        """Append to the message's history."""
        self.rows.append(
            AttemptRow(message.reminder_id, message.call_id, message.attempt, self.ctx.now, what, message.channel, reference, reason, digest)
        )

    def _row(self, m: Message, status: str, reason: str) -> MessageRow:
        invoices = json.dumps([line.invoice_id for line in (m.covered or m.lines)])
        return MessageRow(m.reminder_id, status, reason, m.stage, m.channel, m.recipient, invoices, m.planned_on, m.valid_until, self.ctx.now)


def attend(draft: Draft) -> None:
    """Do what is due: claim what may leave, end what may not, look for calls whose outcome nobody recorded."""
    for message in draft.gate.messages:
        if message.at > draft.ctx.now:
            continue
        if message.status == "pending":
            _try(draft, message)
        elif message.status == "claimed":
            draft.note(message, "unknown", "owner_died")
            become_unknown(draft, message)
        else:
            draft.calls.append(Find(send_of(draft.gate, message, draft.standing, draft.ctx.tenant, draft.ctx.account)))
            draft.put(_next_find(draft, message))


def _try(draft: Draft, message: Message) -> None:
    ctx, verdict = draft.ctx, judge(draft.gate, message, draft.standing, draft.ctx.now)
    if verdict.what == "go":
        taken, send = claimed(draft.gate, message, verdict, draft.standing, ctx.tenant, ctx.account, ctx.now)
        draft.put(taken)
        draft.note(taken, "claimed")
        draft.rows.append(CallRow(taken.call_id, taken.reminder_id))
        draft.calls.append(send)
    elif verdict.what == "wait":
        draft.put(replace(message, at=verdict.at), verdict.reason)
    elif verdict.what == "skip":
        draft.end(message, "skipped", verdict.reason, events.ReminderSkipped, reason=verdict.reason)
    else:
        draft.end(message, "expired", verdict.reason, events.ReminderExpired, reason=verdict.reason)


def finish(draft: Draft, message: Message, result: CallResult, digest: bytes) -> None:
    """Record what a provider call came to."""
    draft.note(message, result.outcome, result.reason, result.reference, digest)
    if result.outcome == "accepted":
        sent(draft, message)
    elif result.outcome == "unknown":
        become_unknown(draft, message)
    elif result.outcome == "failed":
        _fail(draft, message, result.reason)
    elif result.outcome == "not_started":
        draft.put(replace(message, status="pending", at=draft.ctx.now, covered=()), result.reason)
    else:
        draft.put(replace(message, status="pending", at=_retry_at(draft.ctx.now, message, result), retries=message.retries + 1), result.reason)


def sent(draft: Draft, message: Message) -> None:
    """The provider has it."""
    fields = {"message_id": message.call_id, "channel": CHANNEL_NUMBERS[message.channel]}
    draft.end(message, "sent", "", events.ReminderSent, invoice_ids=[line.invoice_id for line in message.covered], **fields)


def become_unknown(draft: Draft, message: Message) -> None:
    """Nobody can tell: it counts as sent until the provider says otherwise."""
    at = draft.ctx.now + timedelta(seconds=draft.standing.find_after[0])
    draft.put(replace(message, status="unknown", at=at, finds=0))
    draft.tell(events.ReminderUnknown, message, message_id=message.call_id, channel=CHANNEL_NUMBERS[message.channel])


def found(draft: Draft, message: Message, answer: Found) -> None:
    """A provider answered whether it has an unknown call's message."""
    draft.note(message, f"found_{answer}")
    if answer == "accepted":
        sent(draft, message)
    elif answer == "not_accepted":
        draft.put(replace(message, status="pending", at=draft.ctx.now, covered=()))
    elif message.finds >= len(draft.standing.find_after):
        draft.end(message, "unknown", "cannot_tell", events.ReminderUnknown, message_id=message.call_id, channel=CHANNEL_NUMBERS[message.channel])


def _next_find(draft: Draft, message: Message) -> Message:
    """When to look again, should this time tell nothing; after the last time only a person or the provider ends it."""
    schedule = draft.standing.find_after
    finds = message.finds + 1
    wait = schedule[min(finds, len(schedule) - 1)]
    return replace(message, finds=finds, at=draft.ctx.now + timedelta(seconds=wait))


def _fail(draft: Draft, message: Message, reason: str) -> None:
    """A definite failure: the next channel, or the end."""
    if reason in _ADDRESS_IS_DEAD:
        suppress(draft, message.recipient)
    rest = message.channels[message.channels.index(message.channel) + 1 :] if message.channel in message.channels else ()
    onward = replace(message, status="pending", at=draft.ctx.now, channels=rest or message.channels, retries=0, covered=())
    if rest and reach(draft.gate, onward, draft.standing)[0]:
        draft.put(onward, reason)
    else:
        draft.end(message, "failed", reason, events.ReminderFailed, reason=reason)


def suppress(draft: Draft, address: str) -> None:
    """Never write to an address again, and look at every open message anew."""
    key = suppression_key(address)
    if key not in draft.gate.suppressed:
        draft.gate = replace(draft.gate, suppressed=tuple(sorted((*draft.gate.suppressed, key))))


def reported(event: DeliveryReported, now: datetime) -> AttemptRow:
    """A provider's report, as a line of the message's history."""
    what = f"reported_{event.status}"
    return AttemptRow(event.reminder_id, event.call_id, 0, now, what, "", event.reference, event.error_code, b"")


def _retry_at(now: datetime, message: Message, result: CallResult) -> datetime:
    wait = result.retry_after if result.retry_after is not None else RETRY_AFTER[min(message.retries, len(RETRY_AFTER) - 1)]
    # Never past the end: an expired message has to be seen to expire.
    return min(now + timedelta(seconds=wait), max(message.valid_until, now))
