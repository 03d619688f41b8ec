"""Holds that people place and lift: of the whole account or of one invoice, with or without an end.

What changes here is told to others only when the set of what is paused changes.
"""

from datetime import date

from msgspec.structs import replace

from services.scheduler.domain.account import Account, Pause
from services.scheduler.domain.commands import Pauses
from services.scheduler.domain.rows import PauseNoted
from services.scheduler.domain.standing import Moment

WHOLE_ACCOUNT = ""


def pause(account: Account, invoice_id: str, reason: str, until: date | None, moment: Moment) -> tuple[Account, PauseNoted]:
    """Hold an invoice, or the account when `invoice_id` is empty; a second pause replaces the first."""
    changed = replace(account, pauses={**account.pauses, invoice_id: Pause(reason, until)})
    return _counted(account, changed), PauseNoted(moment.now, invoice_id, "paused", reason, until)


def resume(account: Account, invoice_id: str, reason: str, moment: Moment) -> tuple[Account, PauseNoted]:
    """Lift a hold that is there."""
    changed = replace(account, pauses={key: each for key, each in account.pauses.items() if key != invoice_id})
    return _counted(account, changed), PauseNoted(moment.now, invoice_id, "resumed", reason, None)


def end_pauses(account: Account, moment: Moment) -> tuple[Account, tuple[PauseNoted, ...]]:
    """Lift every hold whose last day is over."""
    if not account.pauses:
        return account, ()
    over = {key: each for key, each in account.pauses.items() if not each.holds(moment.today)}
    if not over:
        return account, ()
    changed = replace(account, pauses={key: each for key, each in account.pauses.items() if key not in over})
    noted = tuple(PauseNoted(moment.now, key, "ended", each.reason, each.until) for key, each in over.items())
    return _counted(account, changed), noted


def paused_invoices(account: Account) -> tuple[str, ...]:
    """The invoices held one by one, sorted."""
    return tuple(sorted(key for key in account.pauses if key != WHOLE_ACCOUNT))


def answer(account: Account) -> Pauses:
    """What is held now, and when the account is next."""
    return Pauses(WHOLE_ACCOUNT in account.pauses, paused_invoices(account), account.next_action_at)


def _counted(before: Account, after: Account) -> Account:
    """The state's version grows only with what others have to know."""
    return after if before.pauses.keys() == after.pauses.keys() else replace(after, state_version=before.state_version + 1)
