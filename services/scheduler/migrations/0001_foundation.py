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
    for statement in (*kernel_tables(SCHEMA), *_policies(), *_log(), *_reads()):
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


def _reads() -> list[str]:
    """The reads that are asked most, in one round trip each: they name their creditor to row-level security before they look."""
    by_index = "language plpgsql volatile set plan_cache_mode = force_generic_plan"
    row = "account_id text, next_action_at timestamptz, parked_at timestamptz, doc bytea"
    named = "perform set_config('paycue.tenants', tenant, true);"
    return [
        f"""create function {SCHEMA}.account_in_standing(tenant text, account text)
            returns table ({row}, creditor bytea, policy bytea) {by_index} as $$
            begin {named} return query select t.account_id, t.next_action_at, t.parked_at, t.doc, d.doc, (
                select p.doc from {SCHEMA}.policy p where p.tenant_id = tenant order by p.published desc limit 1)
                from {SCHEMA}.account t left join {SCHEMA}.directory d on d.id = 'creditor:' || tenant
                where t.tenant_id = tenant and t.account_id = account; end $$""",
        f"""create function {SCHEMA}.accounts_after(tenant text, after text, most integer) returns table ({row}) {by_index} as $$
            begin {named} return query select t.account_id, t.next_action_at, t.parked_at, t.doc from {SCHEMA}.account t
                where t.tenant_id = tenant and t.account_id > after order by t.account_id limit most; end $$""",
    ]
