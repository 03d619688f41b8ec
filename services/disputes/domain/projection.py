"""Rows and views from states of an account: disputes that are not what lists show, and one dispute as the API answers it.

Nothing unchanged is ever written again, and nothing here decides anything.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from paycue.ids import derived_id
from services.disputes.domain.account import Case, DisputeAccount
from services.disputes.domain.change import Note
from services.disputes.domain.commands import DisputeView
from services.disputes.domain.rows import CaseRow, NoteRow

# Equal causes note the same whenever they are folded, so the moment in a note's id is always the same one.
_NO_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


def changed_rows(before: DisputeAccount, after: DisputeAccount) -> Iterator[CaseRow]:
    """The rows of disputes that are new or not what they were, by id."""
    for dispute_id, case in sorted(after.cases.items()):
        old, invoice_id = before.cases.get(dispute_id), case.claim.invoice_id
        if old is case and before.invoices.get(invoice_id) is after.invoices.get(invoice_id):
            continue
        row = case_row(after, case)
        if not old or row != case_row(before, old):
            yield row


def note_rows(notes: Iterable[Note], at: datetime, *identity: str) -> tuple[NoteRow, ...]:
    """A row of each note that says something; `identity` (tenant, account, cause) makes the ids, its last part is the cause."""
    said = [note for note in notes if note.text or note.evidence]
    return tuple(
        NoteRow(
            note_id=derived_id(_NO_MOMENT, *identity, "note", index),
            dispute_id=note.dispute_id,
            at=at,
            cause=identity[-1],
            author=note.author,
            internal=note.internal,
            text=note.text,
            evidence=note.evidence,
        )
        for index, note in enumerate(said)
    )


def case_row(account: DisputeAccount, case: Case) -> CaseRow:
    """A dispute as lists show it."""
    return CaseRow(
        dispute_id=case.dispute_id,
        invoice_id=case.claim.invoice_id,
        reason=case.claim.reason,
        currency=account.currency_of(case.claim),
        disputed_minor=case.claim.disputed_minor,
        status=case.status,
        outcome=case.outcome,
        credit_minor=case.credit_minor,
        credit_whole=case.credit_whole,
        refusal=case.refusal,
        reopened=case.reopened,
        version=case.version,
        opened_at=case.opened_at,
        decided_at=case.decided_at,
        invoice_state=case.invoice_state,
    )


def view(account: DisputeAccount, dispute_id: str, notes: tuple[NoteRow, ...] = ()) -> DisputeView:
    """A dispute as the API answers it, with its invoice as it stands now."""
    case = account.cases[dispute_id]
    invoice = account.invoices.get(case.claim.invoice_id)
    now = account.invoice_state(case.claim.invoice_id)
    if not invoice:
        return DisputeView(case_row(account, case), now, None, notes)
    return DisputeView(case_row(account, case), now, invoice.open_minor, notes, invoice.currency)
