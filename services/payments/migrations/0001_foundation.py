"""The payments service's first tables: the kernel's, the double-entry ledger, and the projections behind lists."""

from alembic import op

from paycue.db.schema import kernel_tables, service_role, tenant_policy

revision = "0001"
down_revision = None

SCHEMA = "payments"
_ACCOUNT = 'tenant_id text collate "C" not null, account_id text collate "C" not null'
_BOOKS = "'receivable', 'cash', 'unallocated', 'reserved', 'credit_given', 'revenue'"


def upgrade() -> None:
    for statement in (*kernel_tables(SCHEMA), *_created(_ledger()), *_created(_projections()), *_rules()):
        op.execute(statement)


def _ledger() -> dict[str, str]:
    """Ids are given under the account's lock, so their order is the order of entry."""
    return {
        "ledger_entry": f"""id bigint generated always as identity, entry_id text not null, at timestamptz not null, cause text not null,
            debit text not null check (debit in ({_BOOKS})), credit text not null check (credit in ({_BOOKS}) and credit <> debit),
            invoice_id text collate "C" not null, payment_id text collate "C" not null,
            amount_minor bigint not null check (amount_minor > 0), currency text not null,
            primary key (tenant_id, account_id, id)""",
        "ledger_note": """id bigint generated always as identity, note_id text not null, at timestamptz not null, cause text not null,
            text text not null, primary key (tenant_id, account_id, id)""",
    }


def _projections() -> dict[str, str]:
    """The checks are the last line of defence of the money: a row that breaks one parks its account instead of being believed."""
    return {
        "invoice": """invoice_id text collate "C" not null, kind text not null, currency text not null,
            amount_minor bigint not null check (amount_minor > 0), credited_minor bigint not null check (credited_minor >= 0),
            open_minor bigint not null check (open_minor between 0 and amount_minor - credited_minor),
            state text not null check (state = case open_minor when 0 then 'settled' else 'open' end),
            issued_on date not null, due_on date not null, version bigint not null, reopening bigint not null,
            primary key (tenant_id, account_id, invoice_id)""",
        "payment": """payment_id text collate "C" not null, currency text not null,
            amount_minor bigint not null check (amount_minor > 0), received_on date not null,
            allocated_minor bigint not null, reserved_minor bigint not null, unallocated_minor bigint not null,
            returned_minor bigint not null, state text not null,
            check (least(allocated_minor, reserved_minor, unallocated_minor, returned_minor) >= 0),
            check (allocated_minor + reserved_minor + unallocated_minor + returned_minor = amount_minor),
            primary key (tenant_id, account_id, payment_id)""",
        "allocation": """payment_id text collate "C" not null, invoice_id text collate "C" not null, currency text not null,
            amount_minor bigint not null check (amount_minor >= 0), reserved_minor bigint not null check (reserved_minor >= 0),
            primary key (tenant_id, account_id, payment_id, invoice_id)""",
        "payment_link": """link_id text collate "C" not null, created_at timestamptz not null, expires_at timestamptz not null,
            invoice_ids text not null, primary key (tenant_id, account_id, link_id)""",
    }


def _created(tables: dict[str, str]) -> list[str]:
    created = [f"create table {SCHEMA}.{name} ({_ACCOUNT}, {columns})" for name, columns in tables.items()]
    return [*created, *(statement for name in tables for statement in tenant_policy(SCHEMA, name))]


def _rules() -> list[str]:
    return [
        f"create index invoice_due on {SCHEMA}.invoice (tenant_id, due_on, account_id, invoice_id)",
        f"create index invoice_account_due on {SCHEMA}.invoice (tenant_id, account_id, due_on, invoice_id)",
        f"create index payment_received on {SCHEMA}.payment (tenant_id, received_on desc, account_id desc, payment_id desc)",
        f"create index payment_account_received on {SCHEMA}.payment (tenant_id, account_id, received_on desc, payment_id desc)",
        f"create index allocation_invoice on {SCHEMA}.allocation (tenant_id, account_id, invoice_id)",
        # What was entered is only ever added to: the role that writes the ledger cannot change it.
        f"revoke update, delete on {SCHEMA}.ledger_entry, {SCHEMA}.ledger_note from {service_role(SCHEMA)}",
    ]
