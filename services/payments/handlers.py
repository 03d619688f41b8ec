"""One function per event and per command: (account, event, ctx) -> Decision. The rules live in `domain`; here they meet the contracts.

A payment gets exactly one answer under its cause, PaymentApplied or PaymentRejected, and gets it after the balances that follow:
whoever stopped reminding on sight of the money must not resume before it knows what the money paid.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import msgspec
from google.protobuf.message import Message

from paycue.decision import Context, Decision, Handlers, Refused
from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from paycue.ids import derived_id
from paycue.money import Money
from services.payments.domain import commands, ledger, links, posting
from services.payments.domain.account import DisputeCredit, Invoice, Payment, PaymentAccount, Return
from services.payments.domain.oddities import oddities
from services.payments.domain.rows import PaymentLinkRow

REALLOCATED = "reallocated"
"""Why an invoice opens again when nothing was returned: an earlier fact came late, and the money went where it belongs."""

_INVOICE_KINDS = {
    invoice_pb2.INVOICE_KIND_DEPOSIT_BALANCE: "deposit_balance",
    invoice_pb2.INVOICE_KIND_SCHEDULED_PAYMENT: "scheduled_payment",
    invoice_pb2.INVOICE_KIND_PREPAYMENT: "prepayment",
    invoice_pb2.INVOICE_KIND_SUBSCRIPTION_CYCLE: "subscription_cycle",
}
_RETURN_KINDS = {
    payment_pb2.RETURN_KIND_DECLINED_CHEQUE: "declined_cheque",
    payment_pb2.RETURN_KIND_RETURNED_DIRECT_DEBIT: "returned_direct_debit",
    payment_pb2.RETURN_KIND_CHARGEBACK: "chargeback",
}


def invoice_issued(account: PaymentAccount, event: invoice_pb2.InvoiceIssued, ctx: Context) -> Decision[PaymentAccount]:
    """Nothing to say unless money or credit was waiting for it: consumers take version 0 as wholly open."""
    issued_on, due_on = date.fromisoformat(event.issued_on), date.fromisoformat(event.due_on)
    invoice = ledger.new_invoice(event.currency, event.amount_minor, issued_on, due_on, _INVOICE_KINDS.get(event.kind, "invoice"))
    known = account.invoices.get(event.invoice_id)
    notes = _clash(f"invoice {event.invoice_id}", known and known.fact, invoice.fact)
    return _decide(account, ledger.issue(account, event.invoice_id, invoice), ctx, notes=notes)


def credit_note_issued(account: PaymentAccount, event: invoice_pb2.CreditNoteIssued, ctx: Context) -> Decision[PaymentAccount]:
    note = ledger.new_credit_note(event.invoice_id, event.currency, event.amount_minor, event.reason)
    notes = _clash(f"credit note {event.credit_note_id}", account.credit_notes.get(event.credit_note_id), note)
    after, applied = ledger.credit(account, event.credit_note_id, note), _credited(event.credit_note_id, note.invoice_id, ctx)
    return _decide(account, after, ctx, fact=event.credit_note_id, last=(applied,), notes=notes)


def payment_received(account: PaymentAccount, event: payment_pb2.PaymentReceived, ctx: Context) -> Decision[PaymentAccount]:
    try:
        payment = ledger.new_payment(event.currency, event.amount_minor, date.fromisoformat(event.received_on), event.invoice_ids)
    except ValueError as error:
        return _rejected(account, event.payment_id, str(error), ctx)
    known = account.payments.get(event.payment_id)
    if clash := _clash(f"payment {event.payment_id}", known and known.fact, payment.fact):
        return _rejected(account, event.payment_id, clash[0], ctx)
    return _applied(account, event.payment_id, payment, ctx)


def payment_returned(account: PaymentAccount, event: payment_pb2.PaymentReturned, ctx: Context) -> Decision[PaymentAccount]:
    kind = _RETURN_KINDS.get(event.kind, "returned_payment")
    back = Return(event.payment_id, event.currency, event.amount_minor, kind, event.reason_code)
    notes = _clash(f"return {event.return_id}", account.returns.get(event.return_id), back)
    return _decide(account, ledger.give_back(account, event.return_id, back), ctx, fact=event.return_id, notes=notes, reason=back.reason)


def dispute_resolved(account: PaymentAccount, event: dispute_pb2.DisputeResolved, ctx: Context) -> Decision[PaymentAccount]:
    """Credits a dispute found valid, in part or whole; one found otherwise takes back what an earlier resolution credited."""
    credits = event.outcome in (dispute_pb2.DISPUTE_OUTCOME_VALID, dispute_pb2.DISPUTE_OUTCOME_PARTLY_VALID)
    minor, whole = (event.credit_minor, event.credit_whole) if credits else (0, False)
    outcome = DisputeCredit(event.invoice_id, event.currency, minor, whole, event.version)
    after = ledger.resolve_dispute(account, event.dispute_id, outcome)
    return _decide(account, after, ctx, fact=event.dispute_id, reason="dispute no longer credited")


def record_payment(account: PaymentAccount, command: commands.RecordPayment, ctx: Context) -> Decision[PaymentAccount]:
    with _refusing("Payment not possible"):
        payment = ledger.new_payment(command.currency, command.amount_minor, command.received_on, command.invoice_ids)
    known = account.payments.get(command.payment_id)
    _refuse_clash(f"payment {command.payment_id}", known and known.fact, payment.fact)
    for invoice_id in payment.invoice_ids:
        _refuse_currency(f"invoice {invoice_id}", account.invoices.get(invoice_id), payment.currency)
    return _applied(account, command.payment_id, payment, ctx)


def record_return(account: PaymentAccount, command: commands.RecordReturn, ctx: Context) -> Decision[PaymentAccount]:
    payment = account.payments.get(command.payment_id)
    if not payment:
        raise Refused(404, "Payment not found", f"there is no payment {command.payment_id!r} on this account; record it first")
    back = Return(command.payment_id, command.currency or payment.currency, command.amount_minor, command.kind, command.reason_code)
    known = account.returns.get(command.return_id)
    _refuse_clash(f"return {command.return_id}", known, back)
    _refuse_currency(f"payment {command.payment_id}", payment, back.currency)
    left = payment.amount_minor - payment.returned_minor
    if not known and not 0 < (back.amount_minor or payment.amount_minor) <= left:
        detail = f"{Money(payment.currency, left)} of payment {command.payment_id} was not returned yet; ask for that much at most"
        raise Refused(422, "Return exceeds the payment", detail)
    after = ledger.give_back(account, command.return_id, back)
    view = posting.payment_view(command.payment_id, after.payments[command.payment_id])
    return _decide(account, after, ctx, fact=command.return_id, reason=back.reason, answer=view)


def issue_credit_note(account: PaymentAccount, command: commands.IssueCreditNote, ctx: Context) -> Decision[PaymentAccount]:
    with _refusing("Credit note not possible"):
        note = ledger.new_credit_note(command.invoice_id, command.currency, command.amount_minor, command.reason)
    invoice = account.invoices.get(note.invoice_id)
    if not invoice:
        raise Refused(404, "Invoice not found", f"there is no invoice {note.invoice_id!r} on this account; a credit note needs one")
    known = account.credit_notes.get(command.credit_note_id)
    _refuse_clash(f"credit note {command.credit_note_id}", known, note)
    _refuse_currency(f"invoice {note.invoice_id}", invoice, note.currency)
    left = invoice.amount_minor - invoice.credited_minor
    if not known and note.amount_minor > left:
        detail = f"{Money(invoice.currency, left)} of invoice {note.invoice_id} was not credited yet; credit that much at most"
        raise Refused(422, "Credit exceeds the invoice", detail)
    after = ledger.credit(account, command.credit_note_id, note)
    row = posting.invoice_row(note.invoice_id, after.invoices[note.invoice_id])
    view = commands.CreditNoteView(command.credit_note_id, note.amount_minor, note.reason, row)
    applied = _credited(command.credit_note_id, note.invoice_id, ctx)
    return _decide(account, after, ctx, fact=command.credit_note_id, last=(applied,), answer=view)


def create_payment_link(account: PaymentAccount, command: commands.CreatePaymentLink, ctx: Context) -> Decision[PaymentAccount]:
    """Choose what the link shows; the API signs it. No balance changes."""
    if not 1 <= command.valid_days <= 90:
        raise Refused(422, "Link not possible", f"valid_days is {command.valid_days}, expected 1 to 90")
    if missing := [invoice_id for invoice_id in command.invoice_ids if invoice_id not in account.invoices]:
        raise Refused(404, "Invoice not found", f"there is no invoice {missing[0]!r} on this account; name its own, or none for all")
    invoice_ids = links.open_items(account, command.invoice_ids)
    if not invoice_ids:
        raise Refused(409, "Nothing to pay", "nothing is open on these invoices; a link needs at least one that is")
    link_id = derived_id(ctx.now, ctx.tenant, ctx.account, ctx.cause, "link")
    expires_at = ctx.now + timedelta(days=command.valid_days)
    terms = commands.PaymentLinkTerms(link_id, invoice_ids, expires_at, links.open_by_currency(account, invoice_ids))
    return Decision(account, rows=(PaymentLinkRow(link_id, ctx.now, expires_at, "\n".join(invoice_ids)),), answer=terms)


HANDLERS: Handlers = {
    invoice_pb2.InvoiceIssued: invoice_issued,
    invoice_pb2.CreditNoteIssued: credit_note_issued,
    payment_pb2.PaymentReceived: payment_received,
    payment_pb2.PaymentReturned: payment_returned,
    dispute_pb2.DisputeResolved: dispute_resolved,
    commands.RecordPayment: record_payment,
    commands.RecordReturn: record_return,
    commands.IssueCreditNote: issue_credit_note,
    commands.CreatePaymentLink: create_payment_link,
}


def _applied(account: PaymentAccount, payment_id: str, payment: Payment, ctx: Context) -> Decision[PaymentAccount]:
    """Also for a payment that is in the ledger already: a stop that waits for this cause must be released."""
    after = ledger.receive(account, payment_id, payment)
    booked = after.payments[payment_id]
    applied = payment_pb2.PaymentApplied(
        tenant_id=ctx.tenant,
        account_id=ctx.account,
        payment_id=payment_id,
        cause_id=ctx.cause,
        currency=booked.currency,
        allocations=[payment_pb2.Allocation(invoice_id=key, amount_minor=minor) for key, minor in booked.allocations],
        reserved=[payment_pb2.Allocation(invoice_id=key, amount_minor=minor) for key, minor in posting.waiting(after, booked)],
        unallocated_minor=booked.unallocated_minor,
    )
    return _decide(account, after, ctx, fact=payment_id, last=(applied,), answer=posting.payment_view(payment_id, booked))


def _credited(credit_note_id: str, invoice_id: str, ctx: Context) -> Message:
    """Also of a note that is in the ledger already: whoever tells it waits for the answer."""
    whose = {"tenant_id": ctx.tenant, "account_id": ctx.account}
    return payment_pb2.CreditNoteApplied(**whose, credit_note_id=credit_note_id, cause_id=ctx.cause, invoice_id=invoice_id)


def _rejected(account: PaymentAccount, payment_id: str, reason: str, ctx: Context) -> Decision[PaymentAccount]:
    whose = {"tenant_id": ctx.tenant, "account_id": ctx.account}
    rejected = payment_pb2.PaymentRejected(**whose, payment_id=payment_id, cause_id=ctx.cause, reason=reason)
    return _decide(account, account, ctx, last=(rejected,), notes=[f"payment {payment_id} rejected: {reason}"])


def _decide(
    before: PaymentAccount,
    after: PaymentAccount,
    ctx: Context,
    *,
    fact: str = "",
    last: tuple[Message, ...] = (),
    notes: list[str] | None = None,
    reason: str = REALLOCATED,
    answer: msgspec.Struct | None = None,
) -> Decision[PaymentAccount]:
    """The decision that leads from one state to the other: its balances as events, its entries, notes and projections as rows."""
    identity = (ctx.tenant, ctx.account, ctx.cause)
    odd = [] if after is before else sorted(oddities(after) - oddities(before))
    rows = (
        *posting.entries(before, after, ctx.now, *identity),
        *posting.notes((notes or []) + odd, ctx.now, *identity),
        *posting.projections(before, after),
    )
    return Decision(after, (*_balance_events(before, after, ctx, fact, reason), *last), rows, answer=answer)


def _balance_events(before: PaymentAccount, after: PaymentAccount, ctx: Context, fact: str, reason: str) -> Iterator[Message]:
    """Settled, then reopened, then one event for what changed and stays open, each by invoice id.

    `fact` is the id of what changed them; empty: the invoice itself came, and money that waited was spent on it.
    """
    whose = {"tenant_id": ctx.tenant, "account_id": ctx.account}
    moved = [(was_open, _balance(key, invoice, fact)) for key, was_open, invoice in posting.changed_balances(before, after)]
    for _, balance in moved:
        if not balance.open_minor:
            yield payment_pb2.InvoiceSettled(**whose, balance=balance)
    for was_open, balance in moved:
        if not was_open:
            yield payment_pb2.InvoiceReopened(**whose, balance=balance, reason=reason)
    if changed := [balance for was_open, balance in moved if was_open and balance.open_minor]:
        yield payment_pb2.BalanceChanged(**whose, balances=changed)


def _balance(invoice_id: str, invoice: Invoice, fact: str) -> payment_pb2.InvoiceBalance:
    numbers = {"open_minor": invoice.open_minor, "version": invoice.version, "reopening": invoice.reopening}
    return payment_pb2.InvoiceBalance(invoice_id=invoice_id, currency=invoice.currency, **numbers, cause_id=fact)


def _clash(name: str, known: object, told: object) -> list[str]:
    """What to say of the same id told again with other content: the first stays."""
    if known is None or known == told:
        return []
    return [f"{name} is in the ledger with other content, which stays; what was told now needs an id of its own"]


def _refuse_clash(name: str, known: object, told: object) -> None:
    if clash := _clash(name, known, told):
        raise Refused(409, "Told before with other content", clash[0])


def _refuse_currency(name: str, concerned: Invoice | Payment | None, currency: str) -> None:
    if concerned and concerned.currency != currency:
        raise Refused(422, "Another currency", f"{name} is of {concerned.currency}, this is of {currency}; amounts never cross currencies")


@contextmanager
def _refusing(title: str) -> Iterator[None]:
    """What cannot be is refused with its reason."""
    try:
        yield
    except ValueError as error:
        raise Refused(422, title, str(error)) from None
