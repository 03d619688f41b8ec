"""Disputes of an account as they are raised, moved on and contradicted by what becomes known of their invoices.

In whatever order the facts come, they end in the same disputes: what comes before its dispute waits for it, and a claim that its
invoice contradicts is refused then or later alike. A dispute must never be refused because its invoice is settled or unknown.
"""

from datetime import datetime

from msgspec.structs import replace

from services.disputes.domain import lifecycle
from services.disputes.domain.account import REFUSED, RESOLVED, Case, Claim, DisputeAccount, Told, contradiction, keep_early, put
from services.disputes.domain.change import Change, Declined, Moved, Note, Registered, Said

ERP = "erp"
"""The author of what an ERP said."""


def raise_dispute(account: DisputeAccount, claim: Claim, note: Note, cause: str, now: datetime) -> Change:
    """Answer who raises a dispute, in exactly one way: it is registered or declined. `note` names the dispute."""
    dispute_id = note.dispute_id
    known = account.cases.get(dispute_id)
    if known and known.claim == claim:
        return _raise_again(account, known, cause)
    if known:
        reason = f"dispute {dispute_id} is on file with other content, which stays; raise this one under an id of its own"
        return Change(account, (Declined(dispute_id, claim, reason),), (Note(dispute_id, reason),))
    return _file(account, claim, note, cause, now)


def _raise_again(account: DisputeAccount, case: Case, cause: str) -> Change:
    """The same claim under another event gets an answer of its own, so that no stop waits for ever."""
    if cause not in case.causes and (reason := _closed(case)):
        return Change(account, (Declined(case.dispute_id, case.claim, reason),))
    case = lifecycle.raised_again(case, cause)
    over: tuple[Said, ...] = (Moved(case),) if case.status in (RESOLVED, REFUSED) else ()
    return Change(put(account, case), (Registered(case), *over))


def _closed(case: Case) -> str:
    if lifecycle.closed_for_good(case):
        return f"dispute {case.dispute_id} was reopened once and resolved again; raise a new dispute under an id of its own"
    return case.refusal


def _file(account: DisputeAccount, claim: Claim, note: Note, cause: str, now: datetime) -> Change:
    """A dispute told for the first time, and whatever came before it."""
    dispute_id = note.dispute_id
    case = Case(dispute_id, claim, now, account.invoice_state(claim.invoice_id))
    if reason := contradiction(account, claim):
        refused = replace(case, status=REFUSED, refusal=reason)
        change = Change(put(account, refused), (Declined(dispute_id, claim, reason),), (note, Note(dispute_id, reason)))
    else:
        case = lifecycle.register(case, cause)
        change = Change(put(account, case), (Registered(case),), (note,))
    for told in account.early.get(dispute_id, ()):
        change = _then(change, hear(change.account, dispute_id, told, now))
    return change


def hear(account: DisputeAccount, dispute_id: str, told: Told, now: datetime) -> Change:
    """Take in an ERP's review or decision; it waits if nobody raised the dispute yet."""
    case = account.cases.get(dispute_id)
    if not case:
        kept = keep_early(account, dispute_id, told)
        what = f"decision {told.outcome}" if told.outcome else "review"
        return Change(kept, (), () if kept is account else (Note(dispute_id, f"{what} came before its dispute and waits for it"),))
    after, text = lifecycle.hear(case, told, now)
    return move(account, after, Note(dispute_id, text, ERP if text == told.text else "paycue"))


def move(account: DisputeAccount, after: Case, note: Note) -> Change:
    """Put a case that moved on in its place, and say so if that is news."""
    moved = after.version > account.cases[after.dispute_id].version
    return Change(put(account, after), (Moved(after),) if moved else (), (note,))


def contradict(before: DisputeAccount, after: DisputeAccount) -> Change:
    """Refuse the disputes that contradict what became known of their invoices; what they held and credited ends."""
    change = Change(after)
    for case in before.cases.values():
        invoice_id = case.claim.invoice_id
        if case.status == REFUSED or before.invoices.get(invoice_id) is after.invoices.get(invoice_id):
            continue
        if reason := contradiction(after, case.claim):
            refused = lifecycle.refuse(case, reason)
            change = _then(change, move(change.account, refused, Note(case.dispute_id, f"refused now that its invoice is known: {reason}")))
    return change


def _then(first: Change, second: Change) -> Change:
    return Change(second.account, first.said + second.said, first.notes + second.notes)
