"""The document of one account: its disputes, the invoices they may be about, and decisions that came before their dispute.

Values and the plainest changes of them. A dispute is kept for ever under its id, so that nothing told twice counts twice; what is
known of invoices serves to check and to show, and must never hold a dispute back.
"""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from paycue.money import Money

OPENED, IN_REVIEW, RESOLVED, REFUSED = "opened", "in_review", "resolved", "refused"
"""A dispute's states. The first two hold their invoice; a refused one contradicts its invoice and never counts."""


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What is contested, as it was told. Two claims that are equal are the same claim told twice."""

    invoice_id: str
    reason: str
    currency: str = ""
    """Empty: the invoice's."""
    disputed_minor: int = 0
    """Zero: the whole invoice."""


class Case(msgspec.Struct, frozen=True, array_like=True):
    """A dispute and how it stands."""

    dispute_id: str
    claim: Claim
    opened_at: datetime
    invoice_state: str
    """Of its invoice when the dispute was opened: `unknown`, `open` or `settled`."""
    status: str = OPENED
    version: int = 0
    """Grows by one with every event that tells how it stands; 0: nobody was told that it is on file."""
    registered_version: int = 0
    """Of the registration, or of the reopening. Repeated under it, so that it never outranks what came after."""
    outcome: str = ""
    credit_minor: int = 0
    credit_whole: bool = False
    """Whatever is open is credited."""
    decided_at: datetime | None = None
    reopened: bool = False
    refusal: str = ""
    """Why it is refused."""
    causes: tuple[str, ...] = ()
    """Who raised it: the event ids that were answered with a registration, sorted."""
    heard: tuple[str, ...] = ()
    """Event ids of the reviews and decisions folded, sorted: a replay changes nothing, not even after a reopening."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A review or a decision that an ERP told; without an outcome it is a review."""

    cause: str
    text: str = ""
    outcome: str = ""
    credit_minor: int = 0


class Invoice(msgspec.Struct, frozen=True, array_like=True):
    """What is known of an invoice. The amount is zero until its creditor issued it; version 0: payments has not spoken."""

    currency: str
    amount_minor: int
    open_minor: int
    version: int = 0

    @property
    def state(self) -> str:
        return "open" if self.open_minor > 0 else "settled"


class DisputeAccount(msgspec.Struct, frozen=True):
    """What is contested on one account; disputes, invoices and what came early are keyed by their ids."""

    next_action_at: datetime | None = None
    cases: dict[str, Case] = {}
    invoices: dict[str, Invoice] = {}
    early: dict[str, tuple[Told, ...]] = {}
    """Reviews and decisions of disputes that nobody raised yet, in the order they came."""

    def invoice_state(self, invoice_id: str) -> str:
        """`unknown`, `open` or `settled`."""
        invoice = self.invoices.get(invoice_id)
        return invoice.state if invoice else "unknown"

    def currency_of(self, claim: Claim) -> str:
        """The claim's, or its invoice's; empty while neither is known."""
        invoice = self.invoices.get(claim.invoice_id)
        return claim.currency or (invoice.currency if invoice else "")


def put(account: DisputeAccount, case: Case) -> DisputeAccount:
    """The account with this case in its place; what came early for it is taken in."""
    early = {key: told for key, told in account.early.items() if key != case.dispute_id}
    if account.cases.get(case.dispute_id) is case and len(early) == len(account.early):
        return account
    return replace(account, cases={**account.cases, case.dispute_id: case}, early=early)


def keep_early(account: DisputeAccount, dispute_id: str, told: Told) -> DisputeAccount:
    """Keep a review or decision until its dispute is raised; the same event again changes nothing."""
    kept = account.early.get(dispute_id, ())
    if any(other.cause == told.cause for other in kept):
        return account
    return replace(account, early={**account.early, dispute_id: (*kept, told)})


def issue(account: DisputeAccount, invoice_id: str, currency: str, amount_minor: int) -> DisputeAccount:
    """Learn what an invoice asks for; the first content stays."""
    known = account.invoices.get(invoice_id)
    if known and known.amount_minor:
        return account
    invoice = replace(known, amount_minor=amount_minor) if known else Invoice(currency, amount_minor, amount_minor)
    return replace(account, invoices={**account.invoices, invoice_id: invoice})


def rebalance(account: DisputeAccount, invoice_id: str, balance: Invoice) -> DisputeAccount:
    """Learn what is open on an invoice; the highest version wins."""
    known = account.invoices.get(invoice_id)
    if known and known.version >= balance.version:
        return account
    invoice = replace(balance, amount_minor=known.amount_minor if known else 0)
    return replace(account, invoices={**account.invoices, invoice_id: invoice})


def contradiction(account: DisputeAccount, claim: Claim) -> str:
    """Why this cannot be contested of its invoice, as far as that is known; empty when nothing speaks against it."""
    invoice = account.invoices.get(claim.invoice_id)
    if not invoice:
        return ""
    if claim.currency not in ("", invoice.currency):
        return f"the dispute is of {claim.currency}, invoice {claim.invoice_id} of {invoice.currency}; raise it in the invoice's currency"
    if invoice.amount_minor and claim.disputed_minor > invoice.amount_minor:
        disputed, amount = (Money(invoice.currency, minor) for minor in (claim.disputed_minor, invoice.amount_minor))
        return f"{disputed} is disputed of invoice {claim.invoice_id}, which is of {amount}; dispute that much at most"
    return ""
