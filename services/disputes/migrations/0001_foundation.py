"""The disputes service's first tables: the kernel's, disputes as lists show them, and the notes on them."""

from alembic import op

from paycue.db.schema import kernel_tables, service_role, tenant_policy

revision = "0001"
down_revision = None

SCHEMA = "disputes"
_ACCOUNT = 'tenant_id text collate "C" not null, account_id text collate "C" not null'


def upgrade() -> None:
    for statement in (*kernel_tables(SCHEMA), *_tables(), *_rules()):
        op.execute(statement)


def _tables() -> list[str]:
    """Notes get their `id` under the account's lock, so its order is the order in which they were written."""
    tables = {
        "dispute": """dispute_id text collate "C" not null, invoice_id text collate "C" not null, reason text not null,
            currency text not null, disputed_minor bigint not null check (disputed_minor >= 0),
            status text collate "C" not null check (status in ('opened', 'in_review', 'resolved', 'refused')),
            outcome text not null check (outcome in ('', 'valid', 'partly_valid', 'invalid', 'withdrawn')),
            credit_minor bigint not null check (credit_minor >= 0), credit_whole boolean not null, refusal text not null,
            reopened boolean not null, version bigint not null, opened_at timestamptz not null, decided_at timestamptz,
            invoice_state text not null check (invoice_state in ('unknown', 'open', 'settled')),
            primary key (tenant_id, account_id, dispute_id)""",
        "note": """id bigint generated always as identity, note_id text collate "C" not null, dispute_id text collate "C" not null,
            at timestamptz not null, cause text not null, author text not null, internal boolean not null, text text not null,
            evidence text not null, primary key (tenant_id, account_id, note_id)""",
    }
    created = [f"create table {SCHEMA}.{name} ({_ACCOUNT}, {columns})" for name, columns in tables.items()]
    return [*created, *(statement for name in tables for statement in tenant_policy(SCHEMA, name))]


def _rules() -> list[str]:
    newest = "opened_at desc, account_id desc, dispute_id desc"
    return [
        f"create index dispute_newest on {SCHEMA}.dispute (tenant_id, {newest})",
        f"create index dispute_status on {SCHEMA}.dispute (tenant_id, status, {newest})",
        f"create index dispute_account on {SCHEMA}.dispute (tenant_id, account_id, opened_at desc, dispute_id desc)",
        f"create index dispute_invoice on {SCHEMA}.dispute (tenant_id, invoice_id, {newest})",
        f"create index note_dispute on {SCHEMA}.note (tenant_id, account_id, dispute_id, id)",
        # What was noted stays as it was written: the role that writes notes cannot change them.
        f"revoke update, delete on {SCHEMA}.note from {service_role(SCHEMA)}",
    ]
