"""The notifier's first tables: the kernel's, the history of messages, and where callbacks and replies find their account."""

from alembic import op

from paycue.db.schema import copied_table, kernel_tables, service_role, tenant_policy, timer_role

revision = "0001"
down_revision = None

SCHEMA = "notifier"
_ACCOUNT = 'tenant_id text collate "C" not null, account_id text collate "C" not null'
_MESSAGE = """id bigint not null default nextval('notifier.message_id'), reminder_id text collate "C" not null, at timestamptz not null,
    status text not null, reason text not null, stage text not null, channel text not null, recipient text not null,
    invoice_ids text not null, planned_on date, valid_until timestamptz, opens boolean not null, what text not null, call_id text not null,
    note text not null, reference text not null, content_digest bytea not null, primary key (tenant_id, account_id, reminder_id, id)"""


def upgrade() -> None:
    for statement in (*kernel_tables(SCHEMA), *_tables(), *_lookups()):
        op.execute(statement)


def _tables() -> list[str]:
    tables = {
        "report": """call_id text not null, status text not null, reminder_id text not null, reference text not null,
            error_code text not null, at timestamptz not null, primary key (tenant_id, account_id, call_id, status)""",
        "overdue_stop": """cause text not null, invoice_ids text not null, since timestamptz not null, resolved_at timestamptz,
            reason text not null, primary key (tenant_id, account_id, cause)""",
        "address": "address text not null, channel text not null, primary key (tenant_id, account_id, address, channel)",
        "consent": """id bigint generated always as identity, at timestamptz not null, address text not null, channel text not null,
            granted boolean not null, basis text not null, evidence text not null, primary key (tenant_id, account_id, id)""",
    }
    created = [f"create table {SCHEMA}.{name} ({_ACCOUNT}, {columns})" for name, columns in tables.items()]
    secured = [statement for name in tables for statement in tenant_policy(SCHEMA, name)]
    return [
        f"create sequence {SCHEMA}.message_id",
        f"grant usage on sequence {SCHEMA}.message_id to {service_role(SCHEMA)}",
        *copied_table(SCHEMA, "message", f"{_ACCOUNT}, {_MESSAGE}"),
        *created,
        *secured,
        # Each message once in the list of a creditor's; and those whose provider calls back by the call.
        f"create unique index message_planned on {SCHEMA}.message (tenant_id, planned_on desc, account_id, reminder_id) where opens",
        f"create index message_call on {SCHEMA}.message (call_id) where what = 'claimed' and channel <> 'email'",
        f"create index report_reminder on {SCHEMA}.report (tenant_id, account_id, reminder_id)",
        f"create index address_key on {SCHEMA}.address (address, channel)",
        # What was reported and what was consented to is only ever added to.
        f"revoke update, delete on {SCHEMA}.report, {SCHEMA}.consent from {service_role(SCHEMA)}",
    ]


def _lookups() -> list[str]:
    """Keys only, for callbacks that name a call or an address and no tenant."""
    timer, role = timer_role(SCHEMA), service_role(SCHEMA)
    functions = {
        "account_of_call(wanted text)": """returns table (tenant_id text, account_id text, reminder_id text) {how}
            select m.tenant_id, m.account_id, m.reminder_id from notifier.message m
            where m.call_id = wanted and m.what = 'claimed' and m.channel <> 'email' $$""",
        "accounts_of_address(wanted text, by text)": """returns table (tenant_id text, account_id text) {how}
            select a.tenant_id, a.account_id from notifier.address a where a.address = wanted and a.channel = by
            order by a.tenant_id, a.account_id $$""",
    }
    how = "language sql stable security definer set search_path = pg_catalog as $$"
    keys = "tenant_id, account_id, reminder_id, call_id, what, channel"
    statements = [f"grant select ({keys}) on {SCHEMA}.message to {timer}", f"grant select on {SCHEMA}.address to {timer}"]
    statements += [f"create policy lookup on {SCHEMA}.{table} for select to {timer} using (true)" for table in ("message", "address")]
    for signature, body in functions.items():
        name = f"{SCHEMA}.{signature.partition('(')[0]}"
        statements += [
            f"create function {SCHEMA}.{signature} {body.format(how=how)}",
            f"alter function {name} owner to {timer}",
            f"revoke all on function {name} from public",
            f"grant execute on function {name} to {role}",
        ]
    return statements
