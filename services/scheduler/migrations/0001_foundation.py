"""The scheduler's first tables: the kernel's, policies, and the decision log."""

from alembic import op

from paycue.db.schema import copied_table, kernel_tables, service_role, tenant_policy

revision = "0001"
down_revision = None

SCHEMA = "scheduler"
_ACCOUNT = 'tenant_id text collate "C" not null, account_id text collate "C" not null'
_DECISION = """at timestamptz not null, invoice_id text not null, step text not null, "on" date not null, outcome text not null,
    policy text not null, policy_version bigint not null, reason text not null, reminder_id text not null, planned_on date,
    details text not null, seq bigint not null, primary key (tenant_id, account_id, seq)"""


def upgrade() -> None:
    for statement in (*kernel_tables(SCHEMA), *_policies(), *_log()):
        op.execute(statement)


def _policies() -> list[str]:
    role = service_role(SCHEMA)
    return [
        f"create sequence {SCHEMA}.published",
        f"grant usage on sequence {SCHEMA}.published to {role}",
        f"""create table {SCHEMA}.policy (
            tenant_id text collate "C" not null, name text not null, version bigint not null, doc bytea not null,
            published bigint not null default nextval('{SCHEMA}.published'), published_at timestamptz not null,
            primary key (tenant_id, name, version)
        )""",
        f"create index policy_published on {SCHEMA}.policy (tenant_id, published desc)",
        *tenant_policy(SCHEMA, "policy"),
    ]


def _log() -> list[str]:
    tables = {
        "outcome": """id bigint generated always as identity, at timestamptz not null, reminder_id text not null, outcome text not null,
            reason text not null, primary key (tenant_id, account_id, id)""",
        "pause": """id bigint generated always as identity, at timestamptz not null, invoice_id text not null, action text not null,
            reason text not null, until date, primary key (tenant_id, account_id, id)""",
    }
    created = [f"create table {SCHEMA}.{name} ({_ACCOUNT}, {columns})" for name, columns in tables.items()]
    secured = [statement for name in tables for statement in tenant_policy(SCHEMA, name)]
    # A decision is only ever added: the role that writes it cannot change it.
    kept = [f"revoke update, delete on {SCHEMA}.{name} from {service_role(SCHEMA)}" for name in tables]
    return [*copied_table(SCHEMA, "decision", f"{_ACCOUNT}, {_DECISION}"), *created, *secured, *kept]
