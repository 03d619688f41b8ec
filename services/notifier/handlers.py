"""What the notifier makes of each event, command and timer. One function per event, named like it.

Every stop feed is folded here, the raw facts of ERPs too, so that a stop waits for no other service. Nothing here renders,
looks anything up or calls out.
"""

import json

from msgspec.structs import replace

from paycue.decision import Context, Decision, Handlers, Refused, TimerFired
from paycue.events.v1 import account_pb2, dispute_pb2, payment_pb2, reminder_pb2
from services.notifier.domain import commands, fence, marks, sending, stops
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.draft import Draft
from services.notifier.domain.gate import EVERYTHING, Balance, Contact, Gate, Hold, StopTold
from services.notifier.domain.incoming import contact_points, message_of
from services.notifier.domain.rows import AddressRow, ConsentRow, OverdueStopRow, ReportRow

Gated = Decision[Gate]
_MOST_CONTACTS = 50


def account_registered(gate: Gate, event: account_pb2.AccountRegistered, ctx: Context) -> Gated:
    """Who the account is and how it is reached; addresses that consent was recorded for stay."""
    if gate.contact_version >= event.version:
        return Decision(gate)
    contacts = contact_points(gate, event)
    who = {"name": event.name, "locale": event.locale or "en", "zone": event.zone}
    draft = _changed(gate, replace(gate, contact_version=event.version, contacts=contacts, **who), ctx)
    added = [contact for contact in contacts if contact not in gate.contacts]
    draft.rows += [AddressRow(suppression_key(contact.address), contact.channel) for contact in added]
    _heard_before(draft, added)
    return draft.decision()


def account_state(gate: Gate, event: account_pb2.AccountState, ctx: Context) -> Gated:
    draft = _changed(gate, stops.set_paused(gate, event.version, event.paused, tuple(event.paused_invoice_ids)), ctx)
    if event.stop_id:
        draft.close(StopTold(event.stop_id, "pause", "", "scheduler", () if event.paused else tuple(event.paused_invoice_ids)))
    return draft.decision()


def payment_received(gate: Gate, event: payment_pb2.PaymentReceived, ctx: Context) -> Gated:
    """Money in sight closes the gate for the invoices it names, or for the whole account."""
    cause, invoice_ids = stops.cause_of("payment", event.payment_id, ctx.cause), tuple(event.invoice_ids)
    draft = _changed(gate, stops.raise_stop(gate, cause, invoice_ids, ctx.now), ctx)
    draft.close(StopTold(ctx.cause, "payment", event.payment_id, invoice_ids=invoice_ids))
    return draft.decision()


def payment_applied(gate: Gate, event: payment_pb2.PaymentApplied, ctx: Context) -> Gated:
    """The stop ends; but money kept for an invoice that is still to come stops it until the ledger has met it."""
    after = gate
    for kept in event.reserved:
        after = stops.raise_stop(after, stops.reserved(kept.invoice_id), (kept.invoice_id,), ctx.now)
    after = stops.resolve_stop(after, stops.cause_of("payment", event.payment_id, event.cause_id), ctx.now)
    draft = _changed(gate, after, ctx)
    paid = tuple(part.invoice_id for part in (*event.allocations, *event.reserved))
    draft.close(StopTold(event.cause_id, "payment", event.payment_id, "payments", paid))
    return draft.decision()


def credit_note_applied(gate: Gate, event: payment_pb2.CreditNoteApplied, ctx: Context) -> Gated:
    """The balances that follow from it came before: nothing is left but to acknowledge it."""
    draft = Draft(gate, ctx)
    draft.close(StopTold(event.cause_id, "credit_note", event.credit_note_id, "payments", (event.invoice_id,)))
    return draft.decision()


def payment_rejected(gate: Gate, event: payment_pb2.PaymentRejected, ctx: Context) -> Gated:
    return _resolved(gate, "payment", event.payment_id, event.cause_id, ctx)


def invoice_settled(gate: Gate, event: payment_pb2.InvoiceSettled, ctx: Context) -> Gated:
    return _balanced(gate, [event.balance], ctx)


def invoice_reopened(gate: Gate, event: payment_pb2.InvoiceReopened, ctx: Context) -> Gated:
    return _balanced(gate, [event.balance], ctx)


def balance_changed(gate: Gate, event: payment_pb2.BalanceChanged, ctx: Context) -> Gated:
    return _balanced(gate, list(event.balances), ctx)


def dispute_raised(gate: Gate, event: dispute_pb2.DisputeRaised, ctx: Context) -> Gated:
    """A dispute in sight closes the gate for its invoice."""
    cause = stops.cause_of("dispute", event.dispute_id, ctx.cause)
    draft = _changed(gate, stops.raise_stop(gate, cause, (event.invoice_id,), ctx.now), ctx)
    draft.close(StopTold(ctx.cause, "dispute", event.dispute_id, invoice_ids=(event.invoice_id,)))
    return draft.decision()


def dispute_registered(gate: Gate, event: dispute_pb2.DisputeRegistered, ctx: Context) -> Gated:
    after = stops.set_hold(gate, Hold(event.dispute_id, event.invoice_id, event.version, open=True, credits=False, at=ctx.now))
    after = stops.resolve_stop(after, stops.cause_of("dispute", event.dispute_id, event.cause_id), ctx.now)
    draft = _changed(gate, after, ctx)
    draft.close(StopTold(event.cause_id, "dispute", event.dispute_id, "disputes", (event.invoice_id,)))
    return draft.decision()


def dispute_refused(gate: Gate, event: dispute_pb2.DisputeRefused, ctx: Context) -> Gated:
    return _resolved(gate, "dispute", event.dispute_id, event.cause_id, ctx)


def dispute_reviewed(gate: Gate, event: dispute_pb2.DisputeReviewed, ctx: Context) -> Gated:
    hold = Hold(event.dispute_id, event.invoice_id, event.version, open=True, credits=False, at=ctx.now)
    return _changed(gate, stops.set_hold(gate, hold), ctx).decision()


def dispute_resolved(gate: Gate, event: dispute_pb2.DisputeResolved, ctx: Context) -> Gated:
    """The hold ends; where a credit follows, the gate stays closed until the ledger has it."""
    credits = event.credit_whole or event.credit_minor > 0
    hold = Hold(event.dispute_id, event.invoice_id, event.version, open=False, credits=credits, at=ctx.now)
    return _changed(gate, stops.set_hold(gate, hold), ctx).decision()


def reminder_due(gate: Gate, event: reminder_pb2.ReminderDue, ctx: Context) -> Gated:
    """A reminder becomes a message, once, whatever comes again; it leaves with this transaction where it may."""
    message = message_of(event, ctx.now)
    # What is older than our marks cannot be told from a replay, and nobody would send it any more.
    stale = message.valid_until < ctx.now - marks.KEPT
    if stale or gate.message(event.reminder_id) or marks.has(gate.marks, "done", event.reminder_id):
        return Decision(gate)
    draft = Draft(gate, ctx)
    sending.receive(draft, message)
    return draft.decision()


def timer_fired(gate: Gate, event: TimerFired, ctx: Context) -> Gated:
    # A copy, so that it is saved even if nothing changes: the timer in the account's row has to move on.
    draft = Draft(replace(gate), ctx)
    if draft.standing.suspension_id and gate.messages:
        # All accounts of a creditor are woken when it is suspended; from the directory's word on none of them claimed anything.
        draft.close(StopTold(draft.standing.suspension_id, "suspension", "", fence.OWN))
    sending.attend(draft)
    sending.reconsider(draft)
    return draft.decision()


def call_finished(gate: Gate, event: commands.CallFinished, ctx: Context) -> Gated:
    draft = Draft(gate, ctx)
    sending.finished(draft, event)
    return draft.decision()


def call_found(gate: Gate, event: commands.CallFound, ctx: Context) -> Gated:
    draft = Draft(gate, ctx)
    sending.found(draft, event)
    return draft.decision()


def delivery_reported(gate: Gate, event: commands.DeliveryReported, ctx: Context) -> Gated:
    draft = Draft(gate, ctx)
    sending.reported(draft, event)
    draft.rows.append(ReportRow(event.call_id, event.status, event.reminder_id, event.reference, event.error_code, ctx.now))
    return draft.decision()


def set_contact_point(gate: Gate, event: commands.SetContactPoint, ctx: Context) -> Gated:
    contact, key = Contact(event.channel, event.address, event.basis), suppression_key(event.address)
    others = tuple(c for c in gate.contacts if (c.channel, c.address) != (event.channel, event.address))
    if len(others) >= _MOST_CONTACTS:
        raise Refused(409, "Too many contact points", f"the account has {len(others)} contact points; {_MOST_CONTACTS} are the most")
    draft = _changed(gate, replace(gate, contacts=(contact, *others)), ctx)
    draft.rows += [AddressRow(key, event.channel), ConsentRow(ctx.now, key, event.channel, True, event.basis, event.evidence)]
    _heard_before(draft, [contact])
    answer = {"channel": event.channel, "address": event.address, "basis": event.basis, "suppressed": draft.gate.suppression(key)}
    return draft.decision(answer)


def opt_out(gate: Gate, event: commands.OptOut, ctx: Context) -> Gated:
    """Heard once, however often a provider repeats it: a later consent is not undone by the same reply coming again."""
    answer, key = {"address": _shown(event.address), "opted_out": True}, suppression_key(event.address)
    heard = marks.add(gate.marks, "heard", ctx.cause, ctx.now) if event.basis == "reply" else gate.marks
    draft = Draft(gate if heard is gate.marks else replace(gate, marks=heard), ctx)
    if not gate.opted_out(key) and (event.basis != "reply" or heard is not gate.marks):
        sending.suppress(draft, event.address, "opted_out")
        draft.rows.append(ConsentRow(ctx.now, key, event.channel, False, event.basis, event.evidence))
    draft.close(StopTold(ctx.cause, "opt_out", event.basis, fence.OWN), key)
    return draft.decision(answer)


def _heard_before(draft: Draft, contacts: list[Contact]) -> None:
    """Who asked us to stop before this account had the address is heard with the one that has it now, once: a later consent stands."""
    for contact in contacts:
        key = suppression_key(contact.address)
        said = draft.standing.refused.get(key)
        if said is None or (heard := marks.add(draft.gate.marks, "heard", said.cause, draft.now)) is draft.gate.marks:
            continue
        draft.gate = replace(draft.gate, marks=heard)
        if not draft.gate.opted_out(key):
            sending.suppress(draft, contact.address, "opted_out")
            draft.rows.append(ConsentRow(draft.now, key, contact.channel, False, said.basis, said.evidence))


def opt_in(gate: Gate, event: commands.OptIn, ctx: Context) -> Gated:
    key = suppression_key(event.address)
    kept = tuple(s for s in gate.suppressed if s.address != key)
    if kept == gate.suppressed:
        what = "this account is" if key == EVERYTHING else "this address is"
        raise Refused(409, "Not opted out", f"{what} not opted out here; nothing is to be taken back")
    draft = _changed(gate, replace(gate, suppressed=kept), ctx)
    draft.rows.append(ConsentRow(ctx.now, key, event.channel, True, event.basis, event.evidence))
    return draft.decision({"address": _shown(event.address), "opted_out": False})


def resend(gate: Gate, event: commands.Resend, ctx: Context) -> Gated:
    message = gate.message(event.reminder_id)
    if message is None or message.status != "unknown":
        detail = "only a message whose outcome is unknown, and that was not given up yet, can be sent again"
        raise Refused(409, "Outcome not unknown", detail)
    draft = Draft(gate, ctx)
    sending.resend(draft, message, event.reason)
    return draft.decision({"reminder_id": event.reminder_id, "status": "pending"})


def release_stop(gate: Gate, event: commands.ReleaseStop, ctx: Context) -> Gated:
    """A person ends what no service resolves; the reason stands in the audit of overdue stops."""
    stop = next((stop for stop in gate.stops if stop.cause == event.cause), None)
    if stop is None:
        raise Refused(404, "Stop not found", f"no stop of this account has the cause {event.cause!r}; read the gate for those there are")
    draft = _changed(gate, stops.resolve_stop(gate, event.cause, ctx.now), ctx)
    draft.rows.append(OverdueStopRow(stop.cause, json.dumps(stop.invoice_ids), stop.since, ctx.now, event.reason))
    return draft.decision({"cause": event.cause, "released": True})


def _shown(address: str) -> str | None:
    return None if address == EVERYTHING else address


def _resolved(gate: Gate, kind: str, own_id: str, event_id: str, ctx: Context) -> Gated:
    return _changed(gate, stops.resolve_stop(gate, stops.cause_of(kind, own_id, event_id), ctx.now), ctx).decision()


def _balanced(gate: Gate, told: list[payment_pb2.InvoiceBalance], ctx: Context) -> Gated:
    after = gate
    for one in told:
        after = stops.set_balance(after, Balance(one.invoice_id, one.open_minor, one.version, ctx.now), one.cause_id)
        if not one.cause_id:
            after = stops.resolve_stop(after, stops.reserved(one.invoice_id), ctx.now)
    return _changed(gate, after, ctx).decision()


def _changed(before: Gate, after: Gate, ctx: Context) -> Draft:
    """What closes or opens the gate changed: every pending message is looked at now, and who was alerted hears of the end."""
    draft = Draft(after, ctx)
    if after is not before:
        still = {stop.cause for stop in after.stops}
        ended = [stop for stop in before.stops if stop.overdue and stop.cause not in still]
        draft.rows += [OverdueStopRow(s.cause, json.dumps(s.invoice_ids), s.since, ctx.now) for s in ended]
        sending.reconsider(draft)
    return draft


HANDLERS: Handlers = {
    account_pb2.AccountRegistered: account_registered,
    account_pb2.AccountState: account_state,
    payment_pb2.PaymentReceived: payment_received,
    payment_pb2.PaymentApplied: payment_applied,
    payment_pb2.PaymentRejected: payment_rejected,
    payment_pb2.CreditNoteApplied: credit_note_applied,
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
    commands.ReleaseStop: release_stop,
}
