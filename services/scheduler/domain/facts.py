"""What facts from other services do to an account: an invoice, a balance, a dispute. In any order they end in the same document.

The highest version wins; what comes before its invoice waits with it. Nothing is contacted here.
"""

from datetime import date
from functools import lru_cache
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from paycue.money import exponent
from services.scheduler.domain.account import Account, Dispute, Item, put, with_dispute
from services.scheduler.domain.ladder import pass_before_issue, pass_settled, settled_ahead
from services.scheduler.domain.rows import Decided
from services.scheduler.domain.standing import Moment

Change: TypeAlias = tuple[Account, tuple[Decided, ...]]

_FIRST_YEAR, _LAST_YEAR = 1900, 9000


class Balance(msgspec.Struct, frozen=True):
    """What is open on an invoice, as payments tells it."""

    invoice_id: str
    currency: str
    open_minor: int
    version: int
    reopening: int


@lru_cache(maxsize=16384)
def day(text: str) -> date:
    """A date as events write it. Raises ValueError on anything else, and on years no step can be counted from."""
    value = date.fromisoformat(text)
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"the date {text!r} is out of range, expected a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


def issue(account: Account, invoice: Item, moment: Moment) -> Change:
    """Add an invoice as its creditor issued it; the same invoice again changes nothing."""
    waiting = account.find(invoice.invoice_id)
    if waiting is not None and waiting.known:
        return account, ()
    item, early = pass_before_issue(invoice if waiting is None else _joined(invoice, waiting), moment)
    passed: tuple[Decided, ...] = ()
    if item.reopening:
        item, passed = pass_settled(item, moment)
    ahead = settled_ahead(item, moment) if item.open_minor <= 0 else ()
    return put(account, item), early + passed + ahead


def _joined(invoice: Item, waiting: Item) -> Item:
    """The invoice with what was heard of it before it came."""
    invoice = replace(invoice, disputes=waiting.disputes)
    if not waiting.balance_version:
        return invoice
    return replace(invoice, open_minor=waiting.open_minor, balance_version=waiting.balance_version, reopening=waiting.reopening)


def rebalance(account: Account, balance: Balance, moment: Moment) -> Change:
    """Take over what is open; settling records what will not be sent, reopening puts what passed meanwhile behind."""
    # Raises ValueError: an amount of no currency could never be shown.
    exponent(balance.currency)
    item = account.find(balance.invoice_id) or Item(balance.invoice_id)
    if balance.version <= item.balance_version:
        return account, ()
    rows: tuple[Decided, ...] = ()
    changed = replace(
        item, currency=balance.currency, open_minor=balance.open_minor, balance_version=balance.version, reopening=balance.reopening
    )
    # Only a returned payment counts as reopening. Money that was merely allocated anew leaves no trace, in whatever order it is heard of.
    reopened = changed.reopening > item.reopening
    if changed.known and reopened:
        changed, rows = pass_settled(changed, moment)
    if changed.known and changed.open_minor <= 0 and (reopened or item.open_minor > 0):
        rows += settled_ahead(changed, moment)
    return put(account, changed), rows


def contest(account: Account, invoice_id: str, dispute: Dispute) -> Account:
    """Take over how a dispute stands; a resolution that comes first stays, so that the registration after it holds nothing."""
    item = account.find(invoice_id) or Item(invoice_id)
    changed = with_dispute(item, dispute)
    return account if changed is item else put(account, changed)
