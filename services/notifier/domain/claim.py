"""The claim: whether a message may leave now, by which channel, covering what, with the amounts of this moment.

Everything is read again here, under the gate's lock: stops, open amounts, opt-outs, pauses, the creditor. What it allows has
`start_by_seconds` to begin; it never renders and never calls.
"""

from datetime import datetime, timedelta
from typing import Literal, cast

import msgspec
from msgspec.structs import replace

from paycue.decision import Context
from paycue.ids import derived_id
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.calls import Channel
from services.notifier.domain.gate import Gate, Line, Message, Standing
from services.notifier.domain.hours import opens_at
from services.notifier.domain.rendering.facts import Stage
from services.notifier.domain.stops import held, stopped


class Send(msgspec.Struct, frozen=True):
    """A claimed call with everything its message says. Made into bytes and sent only after the claim is committed."""

    tenant: str
    account: str
    reminder_id: str
    call_id: str
    channel: Channel
    recipient: str
    sender: str
    claimed_at: datetime
    start_by_seconds: float
    stage: Stage
    lines: tuple[Line, ...]
    debtor_name: str
    locale: str
    zone: str
    creditor_name: str
    sender_name: str


class Find(msgspec.Struct, frozen=True):
    """Ask the provider whether it has the message of this call."""

    send: Send
    asked_at: datetime


class Verdict(msgspec.Struct, frozen=True):
    """What a claim decided: `go`, `wait` (for something to change), `skip` or `expire`, with the reason."""

    what: Literal["go", "wait", "skip", "expire"]
    reason: str = ""
    lines: tuple[Line, ...] = ()
    channel: str = ""
    recipient: str = ""
    at: datetime | None = None
    """When what it waits for comes, if that is known."""


def judge(gate: Gate, message: Message, standing: Standing, now: datetime) -> Verdict:
    """Whether a pending message may leave at `now`."""
    covered, reason, stopped_ = _coverable(gate, message)
    if standing.suspended:
        return Verdict("skip", "creditor_suspended")
    if not covered and not stopped_:
        return Verdict("skip", reason)
    channel, recipient, unreached = reach(gate, message, standing)
    waits_for = _waits_for(gate, standing, bool(covered), channel)
    if now >= message.valid_until:
        return Verdict("expire", waits_for or "too_late")
    if waits_for:
        return Verdict("wait", waits_for)
    if not channel:
        return Verdict("skip", unreached)
    if message.hours is not None and (at := opens_at(message.hours, gate.zone or standing.zone, now)) > now:
        return Verdict("wait", "outside_hours", at=at)
    return Verdict("go", lines=covered, channel=channel, recipient=recipient)


def _waits_for(gate: Gate, standing: Standing, covers: bool, channel: str) -> str:
    """What may still come and let the message leave; nothing when it need not wait."""
    if not standing.registered:
        return "creditor_unknown"
    if not covers:
        return "stop_unresolved"
    return "no_contact" if not channel and gate.contact_version < 0 and not gate.suppressed else ""


def _coverable(gate: Gate, message: Message) -> tuple[tuple[Line, ...], str, bool]:
    """The lines that may be chased now with their present amounts, why the first of the others may not, and whether some only wait."""
    covered, reasons, waiting = [], [], False
    for line in message.lines:
        present = _present(gate, line)
        why = "settled" if present.open_minor <= 0 else held(gate, line.invoice_id)
        if why:
            reasons.append(why)
        elif stopped(gate, line.invoice_id):
            waiting = True
        else:
            covered.append(present)
    return tuple(covered), reasons[0] if reasons else "settled", waiting


def _present(gate: Gate, line: Line) -> Line:
    """The line with what is open now: the newer of what the scheduler saw and what payments said since."""
    balance = gate.balance(line.invoice_id)
    if balance is None or balance.version <= line.balance_version:
        return line
    return replace(line, open_minor=balance.open_minor, balance_version=balance.version)


def reach(gate: Gate, message: Message, standing: Standing) -> tuple[str, str, str]:
    """The first channel of the message that reaches the account and its address; or neither, and why."""
    why = "no_contact"
    for channel in message.channels:
        for contact in gate.contacts:
            key = suppression_key(contact.address)
            if contact.channel != channel or key in message.tried:
                continue
            if channel not in standing.channels:
                why = "channel_unavailable"
            elif suppressed := gate.suppression(key):
                why = suppressed
            else:
                return channel, contact.address, ""
    return "", "", why


def claimed(gate: Gate, message: Message, verdict: Verdict, standing: Standing, ctx: Context) -> tuple[Message, Send]:
    """The message under claim, and the call that its commit allows."""
    attempt = message.attempt + 1
    taken = replace(
        message,
        status="claimed",
        waiting=False,
        at=ctx.now + timedelta(seconds=standing.lease_seconds),
        attempt=attempt,
        finds=0,
        unknown_since=None,
        channel=verdict.channel,
        recipient=verdict.recipient,
        sender=standing.sender_email if verdict.channel == "email" else standing.sender_phone,
        call_id=derived_id(ctx.now, ctx.tenant, ctx.account, message.reminder_id, attempt),
        claimed_at=ctx.now,
        covered=verdict.lines,
    )
    return taken, send_of(gate, taken, standing, ctx)


def send_of(gate: Gate, message: Message, standing: Standing, ctx: Context) -> Send:
    """The call of a claimed message; the same struct names the call when it has to be found again."""
    assert message.claimed_at is not None, "only a claimed message has a call"
    return Send(
        tenant=ctx.tenant,
        account=ctx.account,
        reminder_id=message.reminder_id,
        call_id=message.call_id,
        channel=cast(Channel, message.channel),
        recipient=message.recipient,
        sender=message.sender,
        claimed_at=message.claimed_at,
        start_by_seconds=standing.start_by_seconds,
        stage=cast(Stage, message.stage),
        lines=message.covered,
        debtor_name=gate.name,
        locale=gate.locale,
        zone=gate.zone or standing.zone,
        creditor_name=standing.creditor_name or ctx.tenant,
        sender_name=standing.sender_name,
    )
