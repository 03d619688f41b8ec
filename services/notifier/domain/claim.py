"""The claim: whether a message may leave now, by which channel, covering what, with the amounts of this moment.

Everything is read again here, under the gate's lock: stops, open amounts, opt-outs, pauses, the creditor. What it allows has
`start_by_seconds` to begin; it never renders and never calls.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace

from paycue.ids import derived_id
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.gate import Gate, Line, Message, Standing
from services.notifier.domain.rendering.facts import Stage
from services.notifier.domain.stops import held, stopped


class Send(msgspec.Struct, frozen=True):
    """A claimed call with everything its message says. Made into bytes and sent only after the claim is committed."""

    tenant: str
    account: str
    reminder_id: str
    call_id: str
    channel: str
    recipient: str
    claimed_at: datetime
    start_by_seconds: float
    stage: Stage
    lines: tuple[Line, ...]
    debtor_name: str
    locale: str
    zone: str
    creditor_name: str
    sender_email: str
    sender_name: str
    sender_phone: str


class Find(msgspec.Struct, frozen=True):
    """Ask the provider whether it has the message of this call."""

    send: Send


class Verdict(msgspec.Struct, frozen=True):
    """What a claim decided: `go`, `wait` (until `at`), `skip` or `expire`, with the reason."""

    what: Literal["go", "wait", "skip", "expire"]
    reason: str = ""
    lines: tuple[Line, ...] = ()
    channel: str = ""
    recipient: str = ""
    at: datetime | None = None


def judge(gate: Gate, message: Message, standing: Standing, now: datetime) -> Verdict:
    """Whether a pending message may leave at `now`."""
    covered, reasons, waiting = _coverable(gate, message)
    if now >= message.valid_until:
        return Verdict("expire", "stop_unresolved" if waiting else "too_late")
    if standing.suspended:
        return Verdict("skip", "creditor_suspended")
    if not covered:
        return Verdict("wait", "stop_unresolved", at=message.valid_until) if waiting else Verdict("skip", reasons[0] if reasons else "settled")
    channel, recipient, why = reach(gate, message, standing)
    if not channel:
        return Verdict("skip", why)
    return Verdict("go", lines=covered, channel=channel, recipient=recipient)


def _coverable(gate: Gate, message: Message) -> tuple[tuple[Line, ...], list[str], bool]:
    """The lines that may be chased now with their present amounts, why others may not, and whether some only wait."""
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
    return tuple(covered), reasons, waiting


def _present(gate: Gate, line: Line) -> Line:
    """The line with what is open now: the newer of what the scheduler saw and what payments said since."""
    balance = gate.balance(line.invoice_id)
    if balance is None or balance.version <= line.balance_version:
        return line
    return replace(line, open_minor=balance.open_minor, balance_version=balance.version)


def reach(gate: Gate, message: Message, standing: Standing) -> tuple[str, str, str]:
    """The first channel of the message that reaches the account, its address, or neither and why."""
    why = "no_contact"
    for channel in message.channels:
        for contact in gate.contacts:
            if contact.channel != channel or channel not in standing.channels:
                continue
            if suppression_key(contact.address) not in gate.suppressed:
                return channel, contact.address, ""
            why = "opted_out"
    return "", "", why


def claimed(gate: Gate, message: Message, verdict: Verdict, standing: Standing, tenant: str, account: str, now: datetime) -> tuple[Message, Send]:
    """The message under claim, and the call that its commit allows."""
    attempt = message.attempt + 1
    call_id = derived_id(now, tenant, account, message.reminder_id, attempt)
    taken = replace(
        message,
        status="claimed", attempt=attempt, channel=verdict.channel, recipient=verdict.recipient, covered=verdict.lines,
        call_id=call_id, claimed_at=now, at=now + timedelta(seconds=standing.lease_seconds), finds=0,
    )
    return taken, send_of(gate, taken, standing, tenant, account)


def send_of(gate: Gate, message: Message, standing: Standing, tenant: str, account: str) -> Send:
    """The call of a claimed message; the same struct names the call when it has to be found again."""
    assert message.claimed_at is not None, "only a claimed message has a call"
    return Send(
        *(tenant, account, message.reminder_id, message.call_id, message.channel, message.recipient),
        *(message.claimed_at, standing.start_by_seconds, message.stage, message.covered),  # type: ignore[arg-type]
        *(gate.name, gate.locale, gate.zone or standing.zone, standing.creditor_name or tenant),
        *(standing.sender_email, standing.sender_name, standing.sender_phone),
    )
