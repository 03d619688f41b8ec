"""One function per event and per command: (account, event, ctx) -> Decision. The rules live in `domain`; here they meet the contracts.

A DisputeRaised gets exactly one answer under its cause, DisputeRegistered or DisputeRefused: whoever stopped reminding on sight of
the dispute waits for it. What an ERP tells badly or late becomes a note and must never be an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from google.protobuf.message import Message

from paycue.decision import Context, Decision, Handlers, Refused
from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from paycue.ids import derived_id
from paycue.money import Money, known_currency
from services.disputes.domain import account as documents
from services.disputes.domain import commands, docket, lifecycle
from services.disputes.domain.account import IN_REVIEW, REFUSED, RESOLVED, Case, Claim, DisputeAccount, Invoice, Told
from services.disputes.domain.change import Change, Declined, Note, Registered, Said
from services.disputes.domain.projection import changed_rows, note_rows, view

_REASON_NAMES = {dispute_pb2.DisputeReason.Value(f"DISPUTE_REASON_{name.upper()}"): name for name in lifecycle.REASONS}
_OUTCOME_NAMES = {dispute_pb2.DisputeOutcome.Value(f"DISPUTE_OUTCOME_{name.upper()}"): name for name in lifecycle.OUTCOMES}


def dispute_raised(account: DisputeAccount, event: dispute_pb2.DisputeRaised, ctx: Context) -> Decision[DisputeAccount]:
    claim = Claim(event.invoice_id, _REASON_NAMES.get(event.reason, "other"), event.currency, event.disputed_minor)
    note = Note(event.dispute_id, event.note, docket.ERP)
    return _decide(account, docket.raise_dispute(account, claim, note, ctx.cause, ctx.now), ctx)


def dispute_review_started(account: DisputeAccount, event: dispute_pb2.DisputeReviewStarted, ctx: Context) -> Decision[DisputeAccount]:
    return _decide(account, docket.hear(account, event.dispute_id, Told(ctx.cause, event.note), ctx.now), ctx)


def dispute_decided(account: DisputeAccount, event: dispute_pb2.DisputeDecided, ctx: Context) -> Decision[DisputeAccount]:
    outcome = _OUTCOME_NAMES.get(event.outcome, f"number {event.outcome}")
    told = Told(ctx.cause, event.reason, outcome, event.credit_minor)
    return _decide(account, docket.hear(account, event.dispute_id, told, ctx.now), ctx)


def invoice_issued(account: DisputeAccount, event: invoice_pb2.InvoiceIssued, ctx: Context) -> Decision[DisputeAccount]:
    after = documents.issue(account, event.invoice_id, event.currency, event.amount_minor)
    return _decide(account, docket.contradict(account, after), ctx)


def invoice_settled(account: DisputeAccount, event: payment_pb2.InvoiceSettled, ctx: Context) -> Decision[DisputeAccount]:
    return _balanced(account, (event.balance,), ctx)


def invoice_reopened(account: DisputeAccount, event: payment_pb2.InvoiceReopened, ctx: Context) -> Decision[DisputeAccount]:
    return _balanced(account, (event.balance,), ctx)


def balance_changed(account: DisputeAccount, event: payment_pb2.BalanceChanged, ctx: Context) -> Decision[DisputeAccount]:
    return _balanced(account, tuple(event.balances), ctx)


def open_dispute(account: DisputeAccount, command: commands.OpenDispute, ctx: Context) -> Decision[DisputeAccount]:
    dispute_id = command.dispute_id or derived_id(ctx.now, ctx.tenant, ctx.account, ctx.cause, "dispute")
    claim = _claim(account, command)
    known = account.cases.get(dispute_id)
    if known and known.claim != claim:
        raise Refused(409, "Raised before with other content", f"dispute {dispute_id} is on file with other content; take another id")
    if known and known.status == RESOLVED:
        raise Refused(409, "Dispute resolved", f"dispute {dispute_id} was resolved as {known.outcome}; {_what_next(known)}")
    if why := documents.contradiction(account, claim):
        raise Refused(422, "Dispute not possible", why)
    change = docket.raise_dispute(account, claim, Note(dispute_id, command.note, command.by), ctx.cause, ctx.now)
    return _decide(account, change, ctx, answer_for=dispute_id)


def start_review(account: DisputeAccount, command: commands.StartReview, ctx: Context) -> Decision[DisputeAccount]:
    case = _open_case(account, command.dispute_id)
    change = docket.move(account, lifecycle.review(case), Note(case.dispute_id, command.note, command.by))
    return _decide(account, change, ctx, answer_for=case.dispute_id)


def resolve_dispute(account: DisputeAccount, command: commands.ResolveDispute, ctx: Context) -> Decision[DisputeAccount]:
    case = _open_case(account, command.dispute_id)
    _check_credit(account, case, command)
    with _refusing("Resolution not possible"):
        resolved = lifecycle.resolve(case, command.outcome, command.credit_minor, ctx.now)
    change = docket.move(account, resolved, Note(case.dispute_id, command.reason, command.by))
    return _decide(account, change, ctx, answer_for=case.dispute_id)


def reopen_dispute(account: DisputeAccount, command: commands.ReopenDispute, ctx: Context) -> Decision[DisputeAccount]:
    """Once: it is registered anew under a higher version, with this command as its cause."""
    case = _case(account, command.dispute_id)
    if case.status != RESOLVED:
        raise Refused(409, "Dispute not resolved", f"dispute {case.dispute_id} is {case.status}; only a resolved dispute can be reopened")
    if case.reopened:
        raise Refused(409, "Reopened before", f"dispute {case.dispute_id} was resolved again as {case.outcome}; {_what_next(case)}")
    after = lifecycle.reopen(case, ctx.cause)
    change = Change(documents.put(account, after), (Registered(after),), (Note(case.dispute_id, command.reason, command.by),))
    return _decide(account, change, ctx, answer_for=case.dispute_id)


def add_note(account: DisputeAccount, command: commands.AddNote, ctx: Context) -> Decision[DisputeAccount]:
    case = _case(account, command.dispute_id)
    if not command.text.strip():
        raise Refused(422, "Note empty", "the note has no text; say in a few words what is noted or what the evidence shows")
    note = Note(case.dispute_id, command.text, command.by, command.internal, command.evidence)
    return _decide(account, Change(account, notes=(note,)), ctx, answer_for=case.dispute_id)


HANDLERS: Handlers = {
    dispute_pb2.DisputeRaised: dispute_raised,
    dispute_pb2.DisputeReviewStarted: dispute_review_started,
    dispute_pb2.DisputeDecided: dispute_decided,
    invoice_pb2.InvoiceIssued: invoice_issued,
    payment_pb2.InvoiceSettled: invoice_settled,
    payment_pb2.InvoiceReopened: invoice_reopened,
    payment_pb2.BalanceChanged: balance_changed,
    commands.OpenDispute: open_dispute,
    commands.StartReview: start_review,
    commands.ResolveDispute: resolve_dispute,
    commands.ReopenDispute: reopen_dispute,
    commands.AddNote: add_note,
}


def _balanced(account: DisputeAccount, balances: tuple[payment_pb2.InvoiceBalance, ...], ctx: Context) -> Decision[DisputeAccount]:
    after = account
    for balance in balances:
        after = documents.rebalance(after, balance.invoice_id, Invoice(balance.currency, 0, balance.open_minor, balance.version))
    return _decide(account, docket.contradict(account, after), ctx)


def _decide(before: DisputeAccount, change: Change, ctx: Context, *, answer_for: str = "") -> Decision[DisputeAccount]:
    """The decision of a change: what is said as events, cases and notes as rows, the case as the answer if one is asked for."""
    after, notes = change.account, note_rows(change.notes, ctx.now, ctx.tenant, ctx.account, ctx.cause)
    answer = view(after, answer_for, notes) if answer_for else None
    events = tuple(_event(after, said, ctx) for said in change.said)
    return Decision(after, events, (*changed_rows(before, after), *notes), answer=answer)


def _event(account: DisputeAccount, said: Said, ctx: Context) -> Message:
    if isinstance(said, Declined):
        return dispute_pb2.DisputeRefused(
            tenant_id=ctx.tenant,
            account_id=ctx.account,
            dispute_id=said.dispute_id,
            invoice_id=said.claim.invoice_id,
            cause_id=ctx.cause,
            reason=said.reason,
        )
    if isinstance(said, Registered):
        return _registered(account, said.case, ctx)
    return _reviewed(said.case, ctx) if said.case.status == IN_REVIEW else _resolved(account, said.case, ctx)


def _registered(account: DisputeAccount, case: Case, ctx: Context) -> Message:
    return dispute_pb2.DisputeRegistered(
        tenant_id=ctx.tenant,
        account_id=ctx.account,
        dispute_id=case.dispute_id,
        invoice_id=case.claim.invoice_id,
        cause_id=ctx.cause,
        reason=f"DISPUTE_REASON_{case.claim.reason.upper()}",
        currency=account.currency_of(case.claim),
        disputed_minor=case.claim.disputed_minor,
        version=case.registered_version,
    )


def _reviewed(case: Case, ctx: Context) -> Message:
    return dispute_pb2.DisputeReviewed(
        tenant_id=ctx.tenant,
        account_id=ctx.account,
        dispute_id=case.dispute_id,
        invoice_id=case.claim.invoice_id,
        version=case.version,
    )


def _resolved(account: DisputeAccount, case: Case, ctx: Context) -> Message:
    """A dispute that is refused after it was registered ends for its consumers like one found invalid."""
    outcome = case.outcome or lifecycle.INVALID
    return dispute_pb2.DisputeResolved(
        tenant_id=ctx.tenant,
        account_id=ctx.account,
        dispute_id=case.dispute_id,
        invoice_id=case.claim.invoice_id,
        outcome=f"DISPUTE_OUTCOME_{outcome.upper()}",
        currency=account.currency_of(case.claim),
        credit_minor=case.credit_minor,
        credit_whole=case.credit_whole,
        version=case.version,
    )


def _claim(account: DisputeAccount, command: commands.OpenDispute) -> Claim:
    """What the command contests. Raises Refused on what cannot be."""
    if command.reason not in lifecycle.REASONS:
        detail = f"the reason is {command.reason!r}, expected one of {', '.join(lifecycle.REASONS)}"
        raise Refused(422, "Unknown reason", detail)
    if command.currency and not known_currency(command.currency):
        raise Refused(422, "Unknown currency", f"the currency is {command.currency!r}, expected one of ISO 4217, such as EUR")
    if command.disputed_minor < 0:
        raise Refused(422, "Amount below zero", "the disputed amount is below zero; leave it out to dispute the whole invoice")
    if command.disputed_minor and not command.currency and command.invoice_id not in account.invoices:
        detail = f"invoice {command.invoice_id} is not known yet, nor is its currency; name the currency of the disputed amount"
        raise Refused(422, "Currency missing", detail)
    return Claim(command.invoice_id, command.reason, command.currency, command.disputed_minor)


def _case(account: DisputeAccount, dispute_id: str) -> Case:
    case = account.cases.get(dispute_id)
    if not case:
        raise Refused(404, "Dispute not found", f"there is no dispute {dispute_id!r} on this account; open it first")
    return case


def _open_case(account: DisputeAccount, dispute_id: str) -> Case:
    case = _case(account, dispute_id)
    if case.status == REFUSED:
        raise Refused(409, "Dispute refused", f"dispute {dispute_id} was refused: {case.refusal}")
    if case.status == RESOLVED:
        raise Refused(409, "Dispute resolved", f"dispute {dispute_id} was resolved as {case.outcome}; {_what_next(case)}")
    return case


def _what_next(case: Case) -> str:
    return "open a new dispute" if case.reopened else "reopen it"


def _check_credit(account: DisputeAccount, case: Case, command: commands.ResolveDispute) -> None:
    """A person can be asked to correct what an ERP's decision would only be noted for."""
    if command.credit_minor and command.outcome in (lifecycle.INVALID, lifecycle.WITHDRAWN):
        raise Refused(422, "Credit not possible", f"a dispute that is {command.outcome} credits nothing; leave the credit out")
    contested_in = account.currency_of(case.claim)
    if command.currency not in ("", contested_in):
        what = f"the dispute in {contested_in}" if contested_in else "its invoice not known yet, nor the currency; wait for it"
        raise Refused(422, "Credit in another currency", f"the credit is in {command.currency}, {what}")
    invoice = account.invoices.get(case.claim.invoice_id)
    if invoice and invoice.amount_minor and command.credit_minor > invoice.amount_minor:
        detail = f"invoice {case.claim.invoice_id} is of {Money(invoice.currency, invoice.amount_minor)}; credit that much at most"
        raise Refused(422, "Credit exceeds the invoice", detail)


@contextmanager
def _refusing(title: str) -> Iterator[None]:
    """What cannot be is refused with its reason."""
    try:
        yield
    except ValueError as error:
        raise Refused(422, title, str(error)) from None
