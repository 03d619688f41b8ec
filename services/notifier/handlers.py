"""What the notifier makes of each event, command and timer. One function per event, named like it.

Every stop feed is folded here, the raw facts of ERPs too, so that a stop waits for no other service. Nothing here renders,
looks anything up or calls out.
"""

from typing import Any

from msgspec.structs import replace

from paycue.decision import Context, Decision, Handlers, Refused, TimerFired
from paycue.events.v1 import account_pb2, dispute_pb2, payment_pb2, reminder_pb2
from services.notifier.domain import commands, sending, stops
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.gate import Contact, Gate
from services.notifier.domain.incoming import contact_points, message_of
from services.notifier.domain.rows import AddressRow, ConsentRow
from services.notifier.domain.sending import Draft

Gated = Decision[Gate]


def account_registered(gate: Gate, event: account_pb2.AccountRegistered, ctx: Context) -> Gated:
    """Who the account is and how it is reached; addresses that consent was recorded for stay."""
    if gate.contact_version >= event.version:
        return Decision(gate)
    consented = tuple(c for c in gate.contacts if c.basis != "account_fact")
    contacts = (*consented, *(c for c in contact_points(event) if c not in consented))
    gate = replace(gate, contact_version=event.version, name=event.name, locale=event.locale, zone=event.zone, contacts=contacts)
    return Decision(gate, rows=tuple(AddressRow(suppression_key(c.address), c.channel) for c in contacts))


def account_state(gate: Gate, event: account_pb2.AccountState, ctx: Context) -> Gated:
    return _again(stops.set_paused(gate, event.version, event.paused, tuple(event.paused_invoice_ids)), gate, ctx)


def payment_received(gate: Gate, event: payment_pb2.PaymentReceived, ctx: Context) -> Gated:
    """Money in sight closes the gate for the invoices it names, or for the whole account."""
    return Decision(stops.raise_stop(gate, ctx.cause, tuple(event.invoice_ids), ctx.now))


def payment_applied(gate: Gate, event: payment_pb2.PaymentApplied, ctx: Context) -> Gated:
    return _again(stops.resolve_stop(gate, event.cause_id, ctx.now), gate, ctx)


def payment_rejected(gate: Gate, event: payment_pb2.PaymentRejected, ctx: Context) -> Gated:
    return _again(stops.resolve_stop(gate, event.cause_id, ctx.now), gate, ctx)


def invoice_settled(gate: Gate, event: payment_pb2.InvoiceSettled, ctx: Context) -> Gated:
    return _again(_balances(gate, [event.balance], ctx), gate, ctx)


def invoice_reopened(gate: Gate, event: payment_pb2.InvoiceReopened, ctx: Context) -> Gated:
    return _again(_balances(gate, [event.balance], ctx), gate, ctx)


def balance_changed(gate: Gate, event: payment_pb2.BalanceChanged, ctx: Context) -> Gated:
    return _again(_balances(gate, list(event.balances), ctx), gate, ctx)


def _balances(gate: Gate, balances: list[payment_pb2.InvoiceBalance], ctx: Context) -> Gate:
    for balance in balances:
        gate = stops.set_balance(gate, balance.invoice_id, balance.open_minor, balance.version, ctx.now)
        if any(stop.cause == _credit(balance.cause_id) for stop in gate.stops) or _is_dispute(gate, balance.cause_id):
            gate = stops.resolve_stop(gate, _credit(balance.cause_id), ctx.now)
    return gate


def _credit(dispute_id: str) -> str:
    """The cause of the stop between a dispute that credits its invoice and the credit in the ledger."""
    return f"credit:{dispute_id}"


def _is_dispute(gate: Gate, cause_id: str) -> bool:
    return any(hold.dispute_id == cause_id for hold in gate.holds)


def dispute_raised(gate: Gate, event: dispute_pb2.DisputeRaised, ctx: Context) -> Gated:
    """A dispute in sight closes the gate for its invoice."""
    return Decision(stops.raise_stop(gate, ctx.cause, (event.invoice_id,), ctx.now))


def dispute_registered(gate: Gate, event: dispute_pb2.DisputeRegistered, ctx: Context) -> Gated:
    after = stops.set_hold(gate, event.dispute_id, event.invoice_id, event.version, open_=True)
    return _again(stops.resolve_stop(after, event.cause_id, ctx.now), gate, ctx)


def dispute_refused(gate: Gate, event: dispute_pb2.DisputeRefused, ctx: Context) -> Gated:
    return _again(stops.resolve_stop(gate, event.cause_id, ctx.now), gate, ctx)


def dispute_reviewed(gate: Gate, event: dispute_pb2.DisputeReviewed, ctx: Context) -> Gated:
    return Decision(stops.set_hold(gate, event.dispute_id, event.invoice_id, event.version, open_=True))


def dispute_resolved(gate: Gate, event: dispute_pb2.DisputeResolved, ctx: Context) -> Gated:
    """The hold ends; where a credit follows, the gate stays closed until the ledger has it."""
    after = stops.set_hold(gate, event.dispute_id, event.invoice_id, event.version, open_=False)
    if after is not gate and (event.credit_whole or event.credit_minor > 0):
        after = stops.raise_stop(after, _credit(event.dispute_id), (event.invoice_id,), ctx.now)
    return _again(after, gate, ctx)


def reminder_due(gate: Gate, event: reminder_pb2.ReminderDue, ctx: Context) -> Gated:
    """A reminder becomes a message, once, whatever comes again."""
    if gate.message(event.reminder_id) or any(done == event.reminder_id for done, _ in gate.done):
        return Decision(gate)
    draft = Draft(gate, ctx)
    draft.put(message_of(event, ctx.now))
    return draft.decision()


def timer_fired(gate: Gate, event: TimerFired, ctx: Context) -> Gated:
    draft = Draft(gate, ctx)
    sending.attend(draft)
    return draft.decision()


def call_finished(gate: Gate, event: commands.CallFinished, ctx: Context) -> Gated:
    """A late outcome of a call that was given up as unknown still counts; of any other, it changes nothing."""
    draft = Draft(gate, ctx)
    message = gate.message(event.reminder_id)
    if message is not None and message.call_id == event.call_id and message.status != "pending":
        sending.finish(draft, message, event.result, event.content_digest)
    return draft.decision()


def call_found(gate: Gate, event: commands.CallFound, ctx: Context) -> Gated:
    draft = Draft(gate, ctx)
    message = gate.message(event.reminder_id)
    if message is not None and message.call_id == event.call_id and message.status == "unknown":
        sending.found(draft, message, event.found)
    return draft.decision()


def delivery_reported(gate: Gate, event: commands.DeliveryReported, ctx: Context) -> Gated:
    """A report on an unknown call resolves it; the rest is history, and a dead address is never written to again."""
    draft = Draft(gate, ctx)
    message = gate.message(event.reminder_id)
    if message is not None and message.call_id == event.call_id and message.status in ("claimed", "unknown"):
        sending.sent(draft, message)
    draft.rows.append(sending.reported(event, ctx.now))
    return draft.decision()


def set_contact_point(gate: Gate, event: commands.SetContactPoint, ctx: Context) -> Gated:
    contact = Contact(event.channel, event.address, event.basis)
    others = tuple(c for c in gate.contacts if (c.channel, c.address) != (event.channel, event.address))
    row = ConsentRow(ctx.now, suppression_key(event.address), event.channel, True, event.basis, event.evidence)
    rows = (AddressRow(suppression_key(event.address), event.channel), row)
    return Decision(replace(gate, contacts=(contact, *others)), rows=rows, answer=_view(contact))


def opt_out(gate: Gate, event: commands.OptOut, ctx: Context) -> Gated:
    draft = Draft(gate, ctx)
    sending.suppress(draft, event.address)
    draft.rows.append(ConsentRow(ctx.now, suppression_key(event.address), event.channel, False, event.basis, event.evidence))
    return draft.decision(answer={"address": event.address, "opted_out": True})


def opt_in(gate: Gate, event: commands.OptIn, ctx: Context) -> Gated:
    key = suppression_key(event.address)
    if key not in gate.suppressed:
        raise Refused(409, "not opted out", "this address is not opted out of this account; nothing is to be taken back")
    gate = replace(gate, suppressed=tuple(address for address in gate.suppressed if address != key))
    row = ConsentRow(ctx.now, key, event.channel, True, event.basis, event.evidence)
    return Decision(gate, rows=(row,), answer={"address": event.address, "opted_out": False})


def resend(gate: Gate, event: commands.Resend, ctx: Context) -> Gated:
    """A person takes it upon them that an unknown message may arrive twice."""
    message = gate.message(event.reminder_id)
    if message is None or message.status != "unknown":
        raise Refused(409, "not unknown", "only a message whose outcome is unknown, and not yet given up, can be sent again")
    draft = Draft(gate, ctx)
    draft.note(message, "resend", event.reason)
    draft.put(replace(message, status="pending", at=ctx.now, covered=()), "resend")
    return draft.decision(answer={"reminder_id": event.reminder_id, "status": "pending"})


def _again(after: Gate, before: Gate, ctx: Context) -> Gated:
    """Something that closes or opens the gate changed: look at every pending message now."""
    if after is before:
        return Decision(before)
    draft = Draft(after, ctx)
    waiting = tuple(replace(m, at=min(m.at, ctx.now)) if m.status == "pending" and not m.retries else m for m in after.messages)
    if waiting != after.messages:
        draft.gate = replace(after, messages=waiting)
    return draft.decision()


def _view(contact: Contact) -> dict[str, Any]:
    return {"channel": contact.channel, "address": contact.address, "basis": contact.basis}


HANDLERS: Handlers = {
    account_pb2.AccountRegistered: account_registered,
    account_pb2.AccountState: account_state,
    payment_pb2.PaymentReceived: payment_received,
    payment_pb2.PaymentApplied: payment_applied,
    payment_pb2.PaymentRejected: payment_rejected,
    payment_pb2.InvoiceSettled: invoice_settled,
    payment_pb2.InvoiceReopened: invoice_reopened,
    payment_pb2.BalanceChanged: balance_changed,
    dispute_pb2.DisputeRaised: dispute_raised,
    dispute_pb2.DisputeRegistered: dispute_registered,
    dispute_pb2.DisputeRefused: dispute_refused,
    dispute_pb2.DisputeReviewed: dispute_reviewed,
    dispute_pb2.DisputeResolved: dispute_resolved,
    reminder_pb2.ReminderDue: reminder_due,
    TimerFired: timer_fired,
    commands.CallFinished: call_finished,
    commands.CallFound: call_found,
    commands.DeliveryReported: delivery_reported,
    commands.SetContactPoint: set_contact_point,
    commands.OptOut: opt_out,
    commands.OptIn: opt_in,
    commands.Resend: resend,
}
