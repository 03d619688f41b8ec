"""A message's way through the gate: pending, claimed, and then sent, failed, unknown, skipped or expired - each with its event.

Only what certainly did not leave may be tried again. An unknown call is looked for on a schedule and never resent blindly.
"""

import json
from datetime import datetime, timedelta

from msgspec.structs import replace

from paycue.events.v1 import message_pb2 as events
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.calls import CallResult
from services.notifier.domain.claim import Find, Verdict, claimed, judge, reach, send_of
from services.notifier.domain.commands import CallFinished, CallFound, DeliveryReported
from services.notifier.domain.draft import CHANNEL_NUMBERS, Draft
from services.notifier.domain.gate import Message, Suppression
from services.notifier.domain.rows import MessageRow, OverdueStopRow
from services.notifier.domain.stops import mark_overdue

RETRY_AFTER = (30, 120, 600, 1800, 3600)
"""Seconds until the next try after what certainly did not leave. Then the next recipient; the last one hourly until it expires."""
STALE = "stop_feed_stale"
LOOK_AGAIN = timedelta(seconds=10)
"""While a stop feed is stale, nothing is claimed; the message is looked at again this much later."""
RESEND_WITHIN = timedelta(hours=1)
"""A person who has an unknown message sent again wants it to leave now, not whenever."""
_DEAD = ("invalid_number", "twilio_30005", "twilio_30006")
_DEAD_MAILBOX = ("_5.1.1", "_5.1.2", "_5.1.3", "_5.1.6", "_5.1.10", "_5.2.1")
_REFUSED = ("opted_out", "twilio_21610")


def receive(draft: Draft, message: Message) -> None:
    """A new message: judged at once if a call may be claimed now, else when its timer fires."""
    if draft.ctx.fresh and draft.ctx.room > 0:
        _try(draft, message)
    else:
        draft.put(message)


def attend(draft: Draft) -> None:
    """Do what is due: claim what may leave, end what may not, look for calls whose outcome nobody recorded."""
    draft.gate, overdue = mark_overdue(draft.gate, draft.now)
    draft.rows += [OverdueStopRow(stop.cause, json.dumps(stop.invoice_ids), stop.since, None) for stop in overdue]
    for message in draft.gate.messages:
        if message.at > draft.now:
            continue
        if message.status == "pending":
            _try(draft, message)
        elif message.status == "claimed":
            draft.note(message, "unknown", "owner_died")
            _become_unknown(draft, message)
        else:
            _look(draft, message)


def reconsider(draft: Draft) -> None:
    """The gate changed: end what may not leave any more, wake what only waited. Who waits for another try goes on waiting."""
    for message in draft.gate.messages:
        if message.status != "pending" or message.at <= draft.now:
            continue
        verdict = judge(draft.gate, message, draft.standing, draft.now)
        if verdict.what in ("skip", "expire"):
            _end_unsent(draft, message, verdict)
        elif verdict.what == "go" and message.waiting:
            draft.put(replace(message, at=draft.now, waiting=False))
        elif verdict.at is not None and message.waiting:
            draft.put(_waiting(message, verdict), verdict.reason)


def finished(draft: Draft, event: CallFinished) -> None:
    """A provider call came to its end, in time or late. That the provider has a message counts whenever it is heard."""
    message, result = draft.gate.message(event.reminder_id), event.result
    if message is None or message.call_id != event.call_id:
        draft.rows.append(_late(event, draft.now))
        return
    draft.note(message, result.outcome, result.reason, result.reference, event.content_digest)
    if result.outcome == "accepted":
        _sent(draft, message)
    elif message.status == "claimed" or (message.status == "unknown" and result.outcome != "unknown"):
        _not_accepted(draft, message, result)


def _not_accepted(draft: Draft, message: Message, result: CallResult) -> None:
    match result.outcome:
        case "unknown":
            _become_unknown(draft, message)
        case "failed":
            _fail(draft, message, result.reason)
        case "not_started":
            draft.put(_again(message, draft.now), result.reason)
        case _:
            _retry(draft, message, result)


def found(draft: Draft, event: CallFound) -> None:
    """A provider answered whether it has an unknown call's message.

    That it has counts whenever it is heard, also by a message that is to go again. That it has not counts only once the message could not
    be under way any more; until then the next look decides.
    """
    message = draft.gate.message(event.reminder_id)
    if message is None or message.call_id != event.call_id or message.claimed_at is None:
        return
    if message.status != "unknown" and event.found != "accepted":
        return
    draft.note(message, f"found_{event.found}")
    settled_at = message.claimed_at + timedelta(seconds=draft.standing.lease_seconds)
    if event.found == "accepted":
        _sent(draft, message)
    elif event.found == "not_accepted" and event.asked_at >= settled_at:
        draft.put(_again(message, draft.now), "not_accepted")


def reported(draft: Draft, event: DeliveryReported) -> None:
    """A provider reports on a call, which proves that it took it. An address that it calls dead is never written to again."""
    message = draft.gate.message(event.reminder_id)
    failed = event.status in ("undelivered", "failed")
    reason = f"twilio_{event.error_code or event.status}"
    if failed and event.recipient and (why := _why_dead(reason)):
        suppress(draft, event.recipient, why)
    if message is None or message.call_id != event.call_id:
        return
    if failed and message.status != "claimed":
        _fail(draft, message, reason)
    else:
        draft.note(message, "reported", event.status, event.reference)
        _sent(draft, message)


def resend(draft: Draft, message: Message, reason: str) -> None:
    """A person takes it upon them that an unknown message may arrive twice."""
    draft.note(message, "resend", reason)
    valid_until = max(message.valid_until, draft.now + RESEND_WITHIN)
    draft.put(replace(_again(message, draft.now), valid_until=valid_until, hours=None), "resend")


def suppress(draft: Draft, address: str, why: str) -> None:
    """Never write to an address (or to EVERYTHING) again, and look at every open message anew. An opt-out outranks a bounce."""
    key = suppression_key(address)
    if Suppression(key, why) in draft.gate.suppressed or (why == "undeliverable" and draft.gate.suppression(key)):
        return
    others = (s for s in draft.gate.suppressed if s.address != key)
    draft.gate = replace(draft.gate, suppressed=tuple(sorted((*others, Suppression(key, why)), key=lambda s: s.address)))
    reconsider(draft)


def _try(draft: Draft, message: Message) -> None:
    verdict = judge(draft.gate, message, draft.standing, draft.now)
    if not draft.ctx.fresh:
        verdict = _unheard(verdict)
    if verdict.reason == STALE and verdict.what == "wait":
        draft.put(replace(message, at=min(draft.now + LOOK_AGAIN, message.valid_until)), STALE)
    elif verdict.what == "go":
        taken, send = claimed(draft.gate, message, verdict, draft.standing, draft.ctx)
        draft.note(taken, "claimed")
        draft.put(taken)
        draft.calls.append(send)
    elif verdict.what == "wait":
        draft.put(_waiting(message, verdict), verdict.reason)
    else:
        _end_unsent(draft, message, verdict)


def _waiting(message: Message, verdict: Verdict) -> Message:
    return replace(message, at=min(verdict.at or message.valid_until, message.valid_until), waiting=True)


def _unheard(verdict: Verdict) -> Verdict:
    """What was decided without knowing what the stop feeds may hold: nothing leaves, and a message that expires has this reason."""
    if verdict.what == "go":
        return Verdict("wait", STALE)
    return Verdict("expire", STALE) if verdict.what == "expire" and verdict.reason == "too_late" else verdict


def _end_unsent(draft: Draft, message: Message, verdict: Verdict) -> None:
    if verdict.what == "skip":
        draft.end(message, "skipped", verdict.reason, draft.outcome(events.ReminderSkipped, message, reason=verdict.reason))
    else:
        draft.end(message, "expired", verdict.reason, draft.outcome(events.ReminderExpired, message, reason=verdict.reason))


def _sent(draft: Draft, message: Message) -> None:
    """The provider has it."""
    covered = [line.invoice_id for line in message.covered]
    fields = {"message_id": message.call_id, "channel": CHANNEL_NUMBERS[message.channel]}
    draft.end(message, "sent", "", draft.outcome(events.ReminderSent, message, invoice_ids=covered, **fields))


def _become_unknown(draft: Draft, message: Message) -> None:
    """Nobody can tell: it counts as sent until the provider says otherwise."""
    at = draft.now + timedelta(seconds=draft.standing.find_after[0])
    draft.put(replace(message, status="unknown", at=at, finds=0, unknown_since=draft.now))
    fields = {"message_id": message.call_id, "channel": CHANNEL_NUMBERS[message.channel]}
    draft.events.append(draft.outcome(events.ReminderUnknown, message, **fields))


def _look(draft: Draft, message: Message) -> None:
    """Ask the provider on the schedule; a while after the last time it stays unknown for good, and only history can be added."""
    schedule, since = draft.standing.find_after, message.unknown_since or draft.now
    if message.finds >= len(schedule):
        draft.end(message, "unknown", "cannot_tell", None)
        return
    draft.calls.append(Find(send_of(draft.gate, message, draft.standing, draft.ctx), draft.now))
    finds = message.finds + 1
    wait = schedule[finds] if finds < len(schedule) else schedule[-1] + draft.standing.lease_seconds
    # Whoever slept through several looks makes up for none of them.
    at = max(since + timedelta(seconds=wait), draft.now + timedelta(seconds=schedule[0]))
    draft.put(replace(message, finds=finds, at=at))


def _again(message: Message, now: datetime) -> Message:
    """Back to the gate: it certainly did not leave, or somebody takes the risk."""
    return replace(message, status="pending", at=now, waiting=False, covered=(), unknown_since=None)


def _retry(draft: Draft, message: Message, result: CallResult) -> None:
    """What may go later: to the same recipient, until somebody else can be reached instead."""
    onward = _onward(message, draft.now)
    if message.retries >= len(RETRY_AFTER) and reach(draft.gate, onward, draft.standing)[0]:
        draft.put(onward, result.reason)
        return
    wait = result.retry_after if result.retry_after is not None else RETRY_AFTER[min(message.retries, len(RETRY_AFTER) - 1)]
    # Never past the end: an expired message has to be seen to expire.
    at = min(draft.now + timedelta(seconds=wait), max(message.valid_until, draft.now))
    draft.put(replace(_again(message, at), retries=message.retries + 1), result.reason)


def _fail(draft: Draft, message: Message, reason: str) -> None:
    """A definite failure: the next recipient in the order of channels, or the end."""
    if why := _why_dead(reason):
        suppress(draft, message.recipient, why)
    onward = _onward(message, draft.now)
    if reach(draft.gate, onward, draft.standing)[0]:
        draft.put(onward, reason)
    else:
        draft.end(message, "failed", reason, draft.outcome(events.ReminderFailed, message, reason=reason))


def _onward(message: Message, now: datetime) -> Message:
    """The message for whoever else can be reached."""
    return replace(_again(message, now), tried=(*message.tried, suppression_key(message.recipient)), retries=0)


def _why_dead(reason: str) -> str:
    """Why a refusal means that the address must not be written to again; nothing if it may."""
    if reason in _REFUSED:
        return "opted_out"
    return "undeliverable" if reason in _DEAD or (reason.startswith("smtp_5") and reason.endswith(_DEAD_MAILBOX)) else ""


def _late(event: CallFinished, now: datetime) -> MessageRow:
    """An outcome that nobody waits for any more, as a line of the message's history."""
    result = event.result
    return MessageRow(
        event.reminder_id,
        now,
        what=f"late_{result.outcome}",
        call_id=event.call_id,
        note=result.reason,
        reference=result.reference,
        content_digest=event.content_digest,
    )
