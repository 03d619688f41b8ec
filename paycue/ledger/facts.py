"""Rows into dated facts: who the accounts are, what was invoiced, what was paid, what was disputed, each at 00:00 of its local date.

The same file gives the same facts with the same ids, whenever and wherever it is read, so that publishing it again changes nothing.
A fact is never invented: an empty `paid_on` is no payment, and a dispute stands even when the invoice was settled before it.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Literal

import msgspec

from paycue.clock import instant
from paycue.events.v1.account_pb2 import AccountRegistered
from paycue.events.v1.common_pb2 import CONTACT_KIND_EMAIL, CONTACT_KIND_PHONE, ContactPoint
from paycue.events.v1.dispute_pb2 import DISPUTE_REASON_OTHER, DisputeRaised
from paycue.events.v1.invoice_pb2 import INVOICE_KIND_INVOICE, InvoiceIssued
from paycue.events.v1.payment_pb2 import PaymentReceived
from paycue.ids import account_key
from paycue.ledger.mapping import read_mapping
from paycue.ledger.reader import read_rows
from paycue.ledger.rows import InvoiceRow, RowError

Event = AccountRegistered | InvoiceIssued | PaymentReceived | DisputeRaised
Kind = Literal["account", "invoice", "payment", "dispute"]

SOURCE = "urn:paycue:csv"
"""The CloudEvents source of every fact."""

_TOPICS: dict[Kind, str] = {
    "account": "erp.accounts.v1",
    "invoice": "erp.invoices.v1",
    "payment": "erp.payments.v1",
    "dispute": "erp.disputes.v1",
}
_RANK: dict[Kind, int] = {kind: rank for rank, kind in enumerate(_TOPICS)}
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)
_PROGRESS_EVERY = 100


class Fact(msgspec.Struct, frozen=True):
    """One event of the ledger's history and when it took effect."""

    on: date
    """The debtor's local date."""
    at: datetime
    """00:00 of that date, UTC."""
    kind: Kind
    topic: str
    key: bytes
    event_id: str
    event: Event


class Ledger(msgspec.Struct, frozen=True):
    """What a file says: facts in the order of business time, rows skipped in the order of the file, invoices likewise."""

    facts: tuple[Fact, ...]
    errors: tuple[RowError, ...]
    invoices: tuple[InvoiceRow, ...]


def load_ledger(csv_path: Path, mapping_path: Path, tenant: str, progress: Callable[[int], None] | None = None) -> Ledger:
    """Read a ledger for one creditor. `progress` hears how many rows are read, now and then and at the end.

    Raises HandwrittenError (LedgerError for the CSV) when the mapping or the file as a whole cannot be used.
    """
    mapping = read_mapping(mapping_path)
    invoices, errors, count = list[InvoiceRow](), list[RowError](), 0
    for count, row in enumerate(read_rows(csv_path, mapping), 1):
        if isinstance(row, InvoiceRow):
            invoices.append(row)
        else:
            errors.append(row)
        if progress and count % _PROGRESS_EVERY == 0:
            progress(count)
    if progress:
        progress(count)
    return Ledger(facts(invoices, tenant), tuple(errors), tuple(invoices))


def facts(invoices: Iterable[InvoiceRow], tenant: str) -> tuple[Fact, ...]:
    """The facts of rows, by instant; at one instant accounts come first, then invoices, payments, disputes, each by account and id."""
    accounts: dict[str, list[InvoiceRow]] = {}
    for row in invoices:
        accounts.setdefault(row.account, []).append(row)
    found = [fact for rows in accounts.values() for fact in _account(rows, tenant)]
    return tuple(sorted(found, key=lambda fact: (fact.at, _RANK[fact.kind], fact.key, fact.event_id)))


def _account(rows: list[InvoiceRow], tenant: str) -> Iterator[Fact]:
    dated = [fact for row in rows for fact in _row(row, tenant)]
    first = min(dated, key=lambda fact: fact.at)
    yield from _registrations(sorted(rows, key=lambda row: row.issued), first, tenant)
    yield from dated


def _registrations(rows: list[InvoiceRow], first: Fact, tenant: str) -> Iterator[Fact]:
    """The account as its earliest row describes it, from its first fact on; then each change, from the issue date of the row that shows it.

    Versions count milliseconds of the local date, so that a later file of the same account outranks an earlier one.
    """
    profile: tuple[str, ...] = ()
    version, on, at = 0, first.on, first.at
    for row in rows:
        if profile:
            on, at = row.issued, _midnight(row.issued, row.zone)
        if profile != (profile := (row.zone, row.locale, row.email, row.phone, row.name)):
            version = max(version + 1, (on - _EPOCH).days * _DAY_MS)
            event = AccountRegistered(
                tenant_id=tenant,
                account_id=row.account,
                version=version,
                name=row.name,
                locale=row.locale,
                zone=row.zone,
                contact_points=_contact_points(row),
            )
            yield _fact("account", on, at, str(version), event)


def _contact_points(row: InvoiceRow) -> list[ContactPoint]:
    points = ((CONTACT_KIND_EMAIL, row.email), (CONTACT_KIND_PHONE, row.phone))
    return [ContactPoint(kind=kind, address=address) for kind, address in points if address]


def _row(row: InvoiceRow, tenant: str) -> Iterator[Fact]:
    yield _fact("invoice", row.issued, _midnight(row.issued, row.zone), row.invoice, _issued(row, tenant))
    if row.paid_on:
        yield _fact("payment", row.paid_on, _midnight(row.paid_on, row.zone), row.invoice, _paid(row, tenant))
    if row.disputed_on:
        yield _fact("dispute", row.disputed_on, _midnight(row.disputed_on, row.zone), row.invoice, _disputed(row, tenant))


def _issued(row: InvoiceRow, tenant: str) -> InvoiceIssued:
    return InvoiceIssued(
        tenant_id=tenant,
        account_id=row.account,
        invoice_id=row.invoice,
        kind=INVOICE_KIND_INVOICE,
        currency=row.currency,
        amount_minor=row.amount_minor,
        issued_on=row.issued.isoformat(),
        due_on=row.due.isoformat(),
    )


def _paid(row: InvoiceRow, tenant: str) -> PaymentReceived:
    return PaymentReceived(
        tenant_id=tenant,
        account_id=row.account,
        payment_id=f"pay:{row.invoice}",
        currency=row.currency,
        amount_minor=row.amount_minor,
        received_on=row.paid_on.isoformat() if row.paid_on else "",
        invoice_ids=[row.invoice],
    )


def _disputed(row: InvoiceRow, tenant: str) -> DisputeRaised:
    return DisputeRaised(
        tenant_id=tenant,
        account_id=row.account,
        dispute_id=f"dsp:{row.invoice}",
        invoice_id=row.invoice,
        reason=DISPUTE_REASON_OTHER,
        currency=row.currency,
    )


def _fact(kind: Kind, on: date, at: datetime, what: str, event: Event) -> Fact:
    """`what` tells the account's facts of one kind apart: an invoice, or a version."""
    return Fact(
        on=on,
        at=at,
        kind=kind,
        topic=_TOPICS[kind],
        key=account_key(event.tenant_id, event.account_id),
        event_id=f"csv:{kind}:{event.tenant_id}:{_escaped(event.account_id)}:{what}",
        event=event,
    )


def _escaped(account: str) -> str:
    """Without a colon, so that no two pairs of account and invoice share an id."""
    return account.replace("%", "%25").replace(":", "%3A")


def _midnight(day: date, zone: str) -> datetime:
    return instant(day, time(), zone)
