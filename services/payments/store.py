"""The ledger's tables and all of its SQL: where rows go, and the queries behind lists and the debtor's page.

Lists are keyset-paged. No query adds amounts of two currencies.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any, TypeVar

import msgspec

from paycue.db.accounts import AccountStore
from paycue.db.bulk import RowTable
from paycue.db.engine import Connection
from services.payments.domain.account import PaymentAccount
from services.payments.domain.commands import Part, PaymentView
from services.payments.domain.rows import AllocationRow, Balance, InvoiceRow, LedgerEntry, LedgerNote, PaymentLinkRow, PaymentRow

SCHEMA = "payments"
R = TypeVar("R")


STORE = AccountStore(
    SCHEMA,
    PaymentAccount,
    {
        LedgerEntry: RowTable("ledger_entry"),
        LedgerNote: RowTable("ledger_note"),
        InvoiceRow: RowTable("invoice", key=("invoice_id",)),
        PaymentRow: RowTable("payment", key=("payment_id",)),
        AllocationRow: RowTable("allocation", key=("payment_id", "invoice_id")),
        PaymentLinkRow: RowTable("payment_link", key=("link_id",), on_conflict="nothing"),
    },
)


def _rows(kind: type[R], key: str, records: Iterable[Any]) -> list[tuple[Any, R]]:
    """Each record as a row, beside one of its columns."""
    return [(record[key], msgspec.convert(dict(record), kind)) for record in records]


async def known(tx: Connection, tenant: str, account: str) -> bool:
    """Whether any fact of the account has come."""
    found = await tx.fetchval(f"select true from {SCHEMA}.account where tenant_id = $1 and account_id = $2", tenant, account)
    return found is True


async def invoices(
    tx: Connection, tenant: str, account: str | None, state: str | None, after: tuple[date, str, str] | None, limit: int
) -> list[tuple[str, InvoiceRow]]:
    """Invoices of a creditor, or of one account, with their account, by (due_on, account_id, invoice_id)."""
    records = await tx.fetch(
        f"""select * from {SCHEMA}.invoice
            where tenant_id = $1 and ($2::text is null or account_id = $2) and ($3::text is null or state = $3)
              and ($4::date is null or (due_on, account_id, invoice_id) > ($4, $5, $6))
            order by due_on, account_id, invoice_id limit $7""",
        *(tenant, account, state, *(after or (None, None, None)), limit),
    )
    return _rows(InvoiceRow, "account_id", records)


async def payments(
    tx: Connection, tenant: str, account: str | None, after: tuple[date, str, str] | None, limit: int
) -> list[tuple[str, PaymentView]]:
    """Payments of a creditor, or of one account, with their account, latest first by (received_on, account_id, payment_id)."""
    records = await tx.fetch(
        f"""select * from {SCHEMA}.payment
            where tenant_id = $1 and ($2::text is null or account_id = $2)
              and ($3::date is null or (received_on, account_id, payment_id) < ($3, $4, $5))
            order by received_on desc, account_id desc, payment_id desc limit $6""",
        *(tenant, account, *(after or (None, None, None)), limit),
    )
    found = _rows(PaymentRow, "account_id", records)
    parts = await _parts(tx, tenant, [(whose, row.payment_id) for whose, row in found])
    return [(whose, _view(row, parts[whose, row.payment_id])) for whose, row in found]


def _view(row: PaymentRow, parts: Iterable[AllocationRow]) -> PaymentView:
    spent = tuple(Part(part.invoice_id, part.amount_minor) for part in parts if part.amount_minor)
    return PaymentView(row, spent, tuple(Part(part.invoice_id, part.reserved_minor) for part in parts if part.reserved_minor))


async def _parts(tx: Connection, tenant: str, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[AllocationRow]]:
    """What of the payments wanted, (account_id, payment_id), is spent on which invoice or reserved for it."""
    records = await tx.fetch(
        f"""select a.* from unnest($2::text[], $3::text[]) as k(account_id, payment_id)
            join {SCHEMA}.allocation a on a.tenant_id = $1 and a.account_id = k.account_id and a.payment_id = k.payment_id
            order by a.invoice_id""",
        *(tenant, [account for account, _ in wanted], [payment for _, payment in wanted]),
    )
    parts: defaultdict[tuple[str, str], list[AllocationRow]] = defaultdict(list)
    for account, row in _rows(AllocationRow, "account_id", records):
        parts[account, row.payment_id].append(row)
    return parts


async def balances(tx: Connection, tenant: str, account: str, only: Collection[str] | None = None) -> list[Balance]:
    """What is open on the account, or on some of its invoices alone, and its credit, per currency."""
    records = await tx.fetch(
        f"""select currency, sum(open) as open, sum(items) as items, sum(credit) as credit, sum(reserved) as reserved from (
                select currency, open_minor as open, (open_minor > 0)::int as items, 0 as credit, 0 as reserved
                from {SCHEMA}.invoice where tenant_id = $1 and account_id = $2 and ($3::text[] is null or invoice_id = any($3))
                union all select currency, 0, 0, unallocated_minor, reserved_minor
                from {SCHEMA}.payment where tenant_id = $1 and account_id = $2
            ) parts group by currency order by currency""",
        *(tenant, account, None if only is None else list(only)),
    )
    # A sum of bigints is a numeric.
    return [Balance(record[0], *(int(number) for number in tuple(record)[1:])) for record in records]


async def open_items(tx: Connection, tenant: str, account: str, only: Collection[str] | None, limit: int) -> list[InvoiceRow]:
    """Open invoices of an account, or those among some of them, oldest due first."""
    records = await tx.fetch(
        f"""select * from {SCHEMA}.invoice
            where tenant_id = $1 and account_id = $2 and state = 'open' and ($3::text[] is null or invoice_id = any($3))
            order by due_on, invoice_id limit $4""",
        *(tenant, account, None if only is None else list(only), limit),
    )
    return [row for _, row in _rows(InvoiceRow, "account_id", records)]


async def entries(tx: Connection, tenant: str, account: str, after: tuple[int] | None, limit: int) -> list[tuple[int, LedgerEntry]]:
    """The ledger of an account in the order of entry, each with its number."""
    return _rows(LedgerEntry, "id", await _appended(tx, "ledger_entry", tenant, account, after, limit))


async def notes(tx: Connection, tenant: str, account: str, after: tuple[int] | None, limit: int) -> list[tuple[int, LedgerNote]]:
    """The notes of an account in the order of entry, each with its number."""
    return _rows(LedgerNote, "id", await _appended(tx, "ledger_note", tenant, account, after, limit))


async def _appended(tx: Connection, table: str, tenant: str, account: str, after: tuple[int] | None, limit: int) -> Any:
    return await tx.fetch(
        f"""select * from {SCHEMA}.{table} where tenant_id = $1 and account_id = $2 and ($3::bigint is null or id > $3)
            order by id limit $4""",
        *(tenant, account, after[0] if after else None, limit),
    )


async def invoices_of_link(tx: Connection, tenant: str, account: str, link_id: str) -> list[str] | None:
    """The invoices that a payment link was made for; None when it is not one of ours, but a message's."""
    text = await tx.fetchval(
        f"select invoice_ids from {SCHEMA}.payment_link where tenant_id = $1 and account_id = $2 and link_id = $3", tenant, account, link_id
    )
    return None if text is None else str(text).split("\n")
