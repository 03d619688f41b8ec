"""One function per event, timer and command: (account, event, ctx) -> Decision. The rules live in `domain`; here they meet the contracts.

`ctx.reference` is the creditor's Standing. Every decision ends with the account's next timer. An event is never refused, only a command.
"""

from collections.abc import Iterable
from datetime import date

import msgspec
from google.protobuf.message import Message
from msgspec.structs import replace

from paycue.decision import Context, Decision, Handlers, Refused, TimerFired
from paycue.events.v1 import account_pb2, dispute_pb2, invoice_pb2, message_pb2, payment_pb2
from services.scheduler.domain import commands, facts, manual, pauses
from services.scheduler.domain.account import Account, Dispute, Item
from services.scheduler.domain.announce import reminder_due
from services.scheduler.domain.contact import due_rows
from services.scheduler.domain.fire import Fired, fire
from services.scheduler.domain.plan import next_action
from services.scheduler.domain.rows import Decided, Outcome
from services.scheduler.domain.standing import Moment, moment_of
from services.scheduler.domain.window import is_open


def account_registered(account: Account, event: account_pb2.AccountRegistered, ctx: Context) -> Decision[Account]:
    if event.version <= account.facts_version:
        return Decision(account)
    return _decide(replace(account, zone=event.zone, locale=event.locale, facts_version=event.version), ctx)


def invoice_issued(account: Account, event: invoice_pb2.InvoiceIssued, ctx: Context) -> Decision[Account]:
    issued_on, due_on = facts.day(event.issued_on), facts.day(event.due_on)
    invoice = Item(event.invoice_id, event.currency, event.amount_minor, issued_on=issued_on, due_on=due_on)
    moment = _moment(account, ctx)
    changed, rows = facts.issue(account, invoice, moment)
    return Decision(account) if changed is account else _decide(changed, ctx, rows, moment=moment)


def invoice_settled(account: Account, event: payment_pb2.InvoiceSettled, ctx: Context) -> Decision[Account]:
    return _rebalance(account, [event.balance], ctx)


def invoice_reopened(account: Account, event: payment_pb2.InvoiceReopened, ctx: Context) -> Decision[Account]:
    return _rebalance(account, [event.balance], ctx)


def balance_changed(account: Account, event: payment_pb2.BalanceChanged, ctx: Context) -> Decision[Account]:
    return _rebalance(account, event.balances, ctx)


def dispute_registered(account: Account, event: dispute_pb2.DisputeRegistered, ctx: Context) -> Decision[Account]:
    return _contest(account, event.invoice_id, Dispute(event.dispute_id, event.version, True), ctx)


def dispute_reviewed(account: Account, event: dispute_pb2.DisputeReviewed, ctx: Context) -> Decision[Account]:
    return _contest(account, event.invoice_id, Dispute(event.dispute_id, event.version, True), ctx)


def dispute_resolved(account: Account, event: dispute_pb2.DisputeResolved, ctx: Context) -> Decision[Account]:
    return _contest(account, event.invoice_id, Dispute(event.dispute_id, event.version, False), ctx)


def reminder_failed(account: Account, event: message_pb2.ReminderFailed, ctx: Context) -> Decision[Account]:
    return Decision(account, rows=(Outcome(ctx.now, event.reminder_id, "failed", event.reason),))


def reminder_skipped(account: Account, event: message_pb2.ReminderSkipped, ctx: Context) -> Decision[Account]:
    return Decision(account, rows=(Outcome(ctx.now, event.reminder_id, "skipped", event.reason),))


def reminder_expired(account: Account, event: message_pb2.ReminderExpired, ctx: Context) -> Decision[Account]:
    return Decision(account, rows=(Outcome(ctx.now, event.reminder_id, "expired", event.reason),))


def reminder_unknown(account: Account, event: message_pb2.ReminderUnknown, ctx: Context) -> Decision[Account]:
    return Decision(account, rows=(Outcome(ctx.now, event.reminder_id, "unknown", ""),))


def timer_fired(account: Account, event: TimerFired, ctx: Context) -> Decision[Account]:
    """Ended pauses first, then every step whose window is open now; an early or late timer only plans again."""
    moment = _moment(account, ctx)
    lifted, noted = pauses.end_pauses(account, moment)
    policy = moment.standing.policy
    fired = fire(lifted, moment, policy) if policy and is_open(policy, moment.zone, ctx.now) else Fired(lifted)
    events = [*_state_events(account, lifted, ctx), *[reminder_due(contact, moment) for contact in fired.contacts]]
    return _decide(fired.account, ctx, fired.rows, events, noted, moment=moment)


def pause_account(account: Account, command: commands.PauseAccount, ctx: Context) -> Decision[Account]:
    return _pause(account, pauses.WHOLE_ACCOUNT, command.reason, command.until, ctx)


def pause_invoice(account: Account, command: commands.PauseInvoice, ctx: Context) -> Decision[Account]:
    return _pause(account, command.invoice_id, command.reason, command.until, ctx)


def resume_account(account: Account, command: commands.ResumeAccount, ctx: Context) -> Decision[Account]:
    return _resume(account, pauses.WHOLE_ACCOUNT, command.reason, ctx)


def resume_invoice(account: Account, command: commands.ResumeInvoice, ctx: Context) -> Decision[Account]:
    return _resume(account, command.invoice_id, command.reason, ctx)


def remind_now(account: Account, command: commands.RemindNow, ctx: Context) -> Decision[Account]:
    """Raises Refused: 404 for what is not known, 409 when nothing may be chased."""
    for invoice_id in command.invoice_ids or [pauses.WHOLE_ACCOUNT]:
        _must_know(account, invoice_id, ctx)
    moment = _moment(account, ctx)
    asked = manual.ask(account, command.invoice_ids, moment)
    policy, reason = moment.standing.policy, manual.why_not(asked, command, moment)
    if policy is None or reason:
        raise Refused(409, "Nothing may be sent now", reason)
    changed, contact = manual.remind(account, asked, ctx.cause, policy, moment)
    rows, events = due_rows(contact, moment, policy), [reminder_due(contact, moment)]
    return _decide(changed, ctx, rows, events, answer=manual.answer(contact, asked))


HANDLERS: Handlers = {
    account_pb2.AccountRegistered: account_registered,
    invoice_pb2.InvoiceIssued: invoice_issued,
    payment_pb2.InvoiceSettled: invoice_settled,
    payment_pb2.InvoiceReopened: invoice_reopened,
    payment_pb2.BalanceChanged: balance_changed,
    dispute_pb2.DisputeRegistered: dispute_registered,
    dispute_pb2.DisputeReviewed: dispute_reviewed,
    dispute_pb2.DisputeResolved: dispute_resolved,
    message_pb2.ReminderFailed: reminder_failed,
    message_pb2.ReminderSkipped: reminder_skipped,
    message_pb2.ReminderExpired: reminder_expired,
    message_pb2.ReminderUnknown: reminder_unknown,
    TimerFired: timer_fired,
    commands.PauseAccount: pause_account,
    commands.PauseInvoice: pause_invoice,
    commands.ResumeAccount: resume_account,
    commands.ResumeInvoice: resume_invoice,
    commands.RemindNow: remind_now,
}


def _moment(account: Account, ctx: Context) -> Moment:
    return moment_of(ctx.now, ctx.tenant, ctx.account, account.zone, ctx.reference)


def _decide(
    account: Account,
    ctx: Context,
    rows: tuple[Decided, ...] = (),
    events: Iterable[Message] = (),
    notes: tuple[msgspec.Struct, ...] = (),
    answer: object = None,
    moment: Moment | None = None,
) -> Decision[Account]:
    """The account with its next timer, its decisions numbered. `moment` is the account's, where it is known already."""
    numbered = [replace(row, seq=place) for place, row in enumerate(rows, account.decisions + 1)]
    at = next_action(account, moment or _moment(account, ctx))
    planned = replace(account, decisions=account.decisions + len(rows), next_action_at=at)
    return Decision(planned, tuple(events), (*numbered, *notes), answer=answer)


def _rebalance(account: Account, balances: Iterable[payment_pb2.InvoiceBalance], ctx: Context) -> Decision[Account]:
    changed, rows, moment = account, list[Decided](), _moment(account, ctx)
    for each in balances:
        balance = facts.Balance(each.invoice_id, each.currency, each.open_minor, each.version, each.reopening)
        changed, more = facts.rebalance(changed, balance, moment)
        rows += more
    return Decision(account) if changed is account else _decide(changed, ctx, tuple(rows))


def _contest(account: Account, invoice_id: str, dispute: Dispute, ctx: Context) -> Decision[Account]:
    changed = facts.contest(account, invoice_id, dispute)
    return Decision(account) if changed is account else _decide(changed, ctx)


def _must_know(account: Account, invoice_id: str, ctx: Context) -> None:
    if not account.known:
        raise Refused(404, "Unknown account", f"no fact of account {ctx.account!r} has come yet")
    if invoice_id and ((item := account.find(invoice_id)) is None or not item.known):
        raise Refused(404, "Unknown invoice", f"account {ctx.account!r} has no invoice {invoice_id!r}")


def _pause(account: Account, invoice_id: str, reason: str, until: date | None, ctx: Context) -> Decision[Account]:
    _must_know(account, invoice_id, ctx)
    moment = _moment(account, ctx)
    if until is not None and until <= moment.today:
        raise Refused(422, "The pause would be over", f"until is {until}, expected a day after {moment.today}, the debtor's today")
    # Told even if it was paused before: whoever asks is to hear that nothing leaves any more.
    return _paused(account, *pauses.pause(account, invoice_id, reason, until, moment), ctx, stop_id=ctx.cause)


def _resume(account: Account, invoice_id: str, reason: str, ctx: Context) -> Decision[Account]:
    _must_know(account, invoice_id, ctx)
    if invoice_id not in account.pauses:
        raise Refused(409, "Not paused", f"{f'invoice {invoice_id!r}' if invoice_id else 'the account'} is not paused by itself")
    return _paused(account, *pauses.resume(account, invoice_id, reason, _moment(account, ctx)), ctx)


def _paused(before: Account, after: Account, note: msgspec.Struct, ctx: Context, *, stop_id: str = "") -> Decision[Account]:
    decision = _decide(after, ctx, (), _state_events(before, after, ctx, stop_id), (note,))
    return replace(decision, answer=pauses.answer(decision.state))


def _state_events(before: Account, after: Account, ctx: Context, stop_id: str = "") -> list[Message]:
    if before.state_version == after.state_version and not stop_id:
        return []
    state = account_pb2.AccountState(tenant_id=ctx.tenant, account_id=ctx.account, version=after.state_version, stop_id=stop_id)
    state.paused = pauses.WHOLE_ACCOUNT in after.pauses
    state.paused_invoice_ids.extend(pauses.paused_invoices(after))
    return [state]
