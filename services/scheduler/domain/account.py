"""The scheduler's one document per account: what is open, what holds it, how far each ladder has got.

Values and the plainest changes of them; no policy comes in here. Collections in a document are never changed in place: a change
makes a new one. Settled invoices stay, apart, so that a fact that comes late or twice changes nothing.
"""

from datetime import date, datetime

import msgspec
from msgspec.structs import replace

NEVER = date.min
"""Before every date: not known, not yet."""


class Dispute(msgspec.Struct, frozen=True, array_like=True):
    """A dispute as last heard of; one that is over stays, so that an older event cannot open it again."""

    dispute_id: str
    version: int
    open: bool


class Pause(msgspec.Struct, frozen=True, array_like=True):
    """A person's hold. It ends when the day `until` begins, or by a person."""

    reason: str
    until: date | None = None

    def holds(self, today: date) -> bool:
        return self.until is None or today < self.until


class Item(msgspec.Struct, frozen=True, array_like=True):
    """An invoice. Balances and disputes may come before the invoice itself: then it is not `known` and only waits."""

    invoice_id: str
    currency: str = ""
    open_minor: int = 0
    balance_version: int = 0
    """0 until payments has spoken."""
    reopening: int = 0
    issued_on: date = NEVER
    due_on: date = NEVER
    handled_on: date = NEVER
    """Steps dated up to this day are behind it: sent, held or superseded. A date, not names: a new policy reminds of nothing again."""
    deferred_on: date = NEVER
    """Steps dated up to this day are recorded as deferred."""
    level: str = ""
    """The step of highest rank that went out."""
    disputes: tuple[Dispute, ...] = ()

    @property
    def known(self) -> bool:
        return self.due_on != NEVER

    @property
    def disputed(self) -> bool:
        return any(dispute.open for dispute in self.disputes)


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document. `items` are open or not known yet; `pauses` are by invoice, the whole account's under the empty key."""

    zone: str = ""
    locale: str = ""
    facts_version: int = -1
    items: dict[str, Item] = {}
    settled: dict[str, Item] = {}
    pauses: dict[str, Pause] = {}
    state_version: int = 0
    last_contact_on: date = NEVER
    """The local date of the last contact, a person's included."""
    reminded_on: date = NEVER
    """The local date of the last contact that a policy planned."""
    decisions: int = 0
    """How many decisions are recorded."""
    next_action_at: datetime | None = None

    @property
    def known(self) -> bool:
        """Whether any fact of this account has come."""
        return self.facts_version >= 0 or bool(self.items) or bool(self.settled)

    def find(self, invoice_id: str) -> Item | None:
        """The invoice, open or settled."""
        return self.items.get(invoice_id) or self.settled.get(invoice_id)


def put(account: Account, item: Item) -> Account:
    """The account with this item in its place, open or settled."""
    key = item.invoice_id
    if item.known and item.open_minor <= 0:
        return replace(account, items=_without(account.items, key), settled={**account.settled, key: item})
    return replace(account, items={**account.items, key: item}, settled=_without(account.settled, key))


def _without(items: dict[str, Item], key: str) -> dict[str, Item]:
    return {other: item for other, item in items.items() if other != key} if key in items else items


def with_dispute(item: Item, dispute: Dispute) -> Item:
    """The item with a dispute as last heard of; the highest version wins."""
    known = next((other for other in item.disputes if other.dispute_id == dispute.dispute_id), None)
    if known is not None and known.version >= dispute.version:
        return item
    others = [other for other in item.disputes if other is not known]
    return replace(item, disputes=tuple(sorted([*others, dispute], key=lambda each: each.dispute_id)))


def paused(account: Account, invoice_id: str, today: date) -> bool:
    """Whether a person holds this invoice or the whole account today."""
    return any((pause := account.pauses.get(key)) is not None and pause.holds(today) for key in ("", invoice_id))
