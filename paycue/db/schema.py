"""The tables that every service has, as SQL for its first migration: aggregate, inbox, outbox, lanes, dead letters, and the rest.

A migration once released is never edited; what is here may only be used by first migrations and extended by new functions.
"""

from paycue.db.bulk import copied_into
from paycue.db.round_trips import round_trips

TENANT_LIST = "tenant_id = any((select string_to_array(current_setting('paycue.tenants', true), ','))::text[])"
"""Evaluated once per statement; unset or empty matches nothing."""


_MOST_LANES = 256
_LANES = f"unnest(coalesce(lanes, array(select generate_series(0, {_MOST_LANES - 1})))) as l"
"""The lanes asked for; all that there may be, when none is named."""


_PLANNED_ONCE = """language plpgsql security definer set search_path = pg_catalog set plan_cache_mode = force_generic_plan
    set enable_bitmapscan = off"""
"""There is one good plan, by the index of due times, and it stays good: a look that finds nothing costs less than planning it."""


def service_role(schema: str) -> str:
    """The role a service's connections take. It owns nothing and bypasses nothing."""
    return f"paycue_{schema}"


def timer_role(schema: str) -> str:
    """The role that owns `claim_due` and alone sees every tenant's due columns."""
    return f"paycue_{schema}_timer"


def kernel_tables(schema: str) -> list[str]:
    """The statements of a service's first migration: schema, roles, kernel tables, `claim_due`."""
    tables = (*_account(schema), *_outbox(schema), *_bus_tables(schema), *_http_tables(schema))
    return [*_roles(schema), *tables, *round_trips(schema), *_timers(schema)]


def tenant_policy(schema: str, table: str) -> list[str]:
    """Row-level security, forced, by the transaction's tenant list; and the service's rights on the table."""
    name = f"{schema}.{table}"
    return [
        f"alter table {name} enable row level security",
        f"alter table {name} force row level security",
        f"create policy tenants on {name} to {service_role(schema)} using ({TENANT_LIST}) with check ({TENANT_LIST})",
        f"grant select, insert, update, delete on {name} to {service_role(schema)}",
    ]


def copied_table(schema: str, table: str, columns: str) -> list[str]:
    """A table that rows are only added to, by COPY, which row-level security does not allow.

    It is read under its policy. Rows go into its one partition, which the service's role may not even read, and where a trigger holds
    each COPY to the transaction's tenants. Every key begins with `tenant_id`.
    """
    name, into, role = f"{schema}.{table}", f"{schema}.{copied_into(table)}", service_role(schema)
    return [
        f"create table {name} ({columns}) partition by hash (tenant_id)",
        f"create table {into} partition of {name} for values with (modulus 1, remainder 0)",
        *tenant_policy(schema, table),
        f"revoke update, delete on {name} from {role}",
        f"grant insert on {into} to {role}",
        f"""create or replace function {schema}.only_own_tenants() returns trigger language plpgsql set search_path = pg_catalog as $$ begin
            if exists (select from added where not {TENANT_LIST}) then
                raise insufficient_privilege using message = format('row-level security policy: %s of another tenant', tg_table_name);
            end if;
            return null; end $$""",
        f"""create trigger only_own_tenants after insert on {into} referencing new table as added
            for each statement execute function {schema}.only_own_tenants()""",
    ]


def _roles(schema: str) -> list[str]:
    statements = []
    for role in (service_role(schema), timer_role(schema)):
        statements += [
            f"do $$ begin create role {role} nologin; exception when duplicate_object or unique_violation then null; end $$",
            f"grant {role} to current_user",
            f"grant usage on schema {schema} to {role}",
        ]
    return [f"create schema if not exists {schema}", *statements, f"grant create on schema {schema} to {timer_role(schema)}"]


def _account(schema: str) -> list[str]:
    return [
        f"""create table {schema}.account (
            tenant_id text collate "C" not null,
            account_id text collate "C" not null,
            lane integer not null,
            next_action_at timestamptz,
            version bigint not null default 0,
            parked_at timestamptz,
            doc bytea not null,
            primary key (tenant_id, account_id)
        ) with (fillfactor = 70)""",
        f"create index account_due on {schema}.account (lane, next_action_at) where next_action_at is not null and parked_at is null",
        *tenant_policy(schema, "account"),
    ]


def _bus_tables(schema: str) -> list[str]:
    role = service_role(schema)
    return [
        f"create table {schema}.inbox (id uuid primary key, digest bytea not null, received_on date not null default current_date)",
        f"create index inbox_received on {schema}.inbox using brin (received_on)",
        f"""create table {schema}.lane (
            consumer text not null, topic text not null, partition integer not null, next_offset bigint not null,
            primary key (consumer, topic, partition)
        ) with (fillfactor = 50)""",
        # One order for both tables: what was parked after a dead letter is folded after it.
        f"create sequence {schema}.letter_id",
        f"""create table {schema}.dead_letter (
            id bigint primary key default nextval('{schema}.letter_id'),
            digest bytea not null unique,
            topic text not null, partition integer not null, "offset" bigint not null,
            key bytea, headers jsonb not null, value bytea, reason text not null, at timestamptz not null,
            tenant_id text, account_id text, parked boolean not null, resolved_at timestamptz
        )""",
        f"""create table {schema}.parked (
            id bigint primary key default nextval('{schema}.letter_id'),
            tenant_id text collate "C" not null, account_id text collate "C" not null,
            topic text not null, partition integer not null, "offset" bigint not null,
            key bytea not null, headers jsonb not null, value bytea not null
        )""",
        f"create index parked_account on {schema}.parked (tenant_id, account_id, id)",
        f"create index dead_letter_open on {schema}.dead_letter (tenant_id, account_id, id) where resolved_at is null",
        *tenant_policy(schema, "parked"),
        f"create table {schema}.directory (id text primary key, doc bytea not null)",
        f"grant usage on sequence {schema}.letter_id to {role}",
        *(
            f"grant select, insert, update, delete on {schema}.{table} to {role}"
            for table in ("inbox", "outbox", "lane", "dead_letter", "directory")
        ),
    ]


def _outbox(schema: str) -> list[str]:
    return [
        f"""create table {schema}.outbox (
            id bigint generated always as identity primary key,
            topic text not null, lane integer not null, urgent boolean not null, count integer not null, events bytea not null
        )""",
        # It lives for a moment: compressing it would cost more than writing it.
        f"alter table {schema}.outbox alter column events set storage external",
        # Stop feeds overtake the rest, which may be a storm of reminders.
        f"create index outbox_urgent on {schema}.outbox (id) where urgent",
    ]


def _http_tables(schema: str) -> list[str]:
    return [
        f"""create table {schema}.idempotency (
            tenant_id text collate "C" not null, key text not null, request_digest bytea not null,
            status integer not null, body bytea not null, created_at timestamptz not null,
            primary key (tenant_id, key)
        )""",
        *tenant_policy(schema, "idempotency"),
        f"""create table {schema}.stop_receipt (
            tenant_id text collate "C" not null, account_id text collate "C" not null,
            stop_id text not null, kind text not null, cause text not null,
            invoice_ids text not null, accepted_at timestamptz not null, effective_at timestamptz not null,
            calls_in_flight text not null, none_started_after timestamptz not null, primary key (tenant_id, stop_id, account_id, kind)
        )""",
        *tenant_policy(schema, "stop_receipt"),
    ]


def _timers(schema: str) -> list[str]:
    timer, role = timer_role(schema), service_role(schema)
    functions = ("claim_due(timestamptz, integer, integer[], timestamptz)", "next_due(integer[], timestamptz)")
    return [
        f"grant select (tenant_id, account_id, lane, next_action_at, parked_at), update (next_action_at) on {schema}.account to {timer}",
        f"create policy due on {schema}.account to {timer} using (true) with check (false)",
        # Keys only, locked for the caller's transaction; what the caller then reads is under its own tenant list. Lane by lane, each
        # by its index and as far as needed: what is due on other lanes, or later, costs nothing; nor does what is below the floor.
        f"""create function {schema}.claim_due(due timestamptz, most integer, lanes integer[], floor timestamptz default '-infinity')
            returns table (tenant_id text, account_id text) {_PLANNED_ONCE} as $$
            begin return query select c.tenant_id, c.account_id from {_LANES} cross join lateral (
                select a.tenant_id, a.account_id from {schema}.account a
                where a.lane = l and a.next_action_at >= floor and a.next_action_at <= due and a.parked_at is null
                order by a.next_action_at limit most for update skip locked) c
            limit most; end $$""",
        f"""create function {schema}.next_due(lanes integer[], floor timestamptz default '-infinity')
            returns timestamptz {_PLANNED_ONCE} as $$
            begin return (select min(n.at) from {_LANES} cross join lateral (
                select a.next_action_at as at from {schema}.account a
                where a.lane = l and a.next_action_at >= floor and a.parked_at is null order by a.next_action_at limit 1) n); end $$""",
        *(f"alter function {schema}.{function} owner to {timer}" for function in functions),
        *(f"revoke all on function {schema}.{function} from public" for function in functions),
        *(f"grant execute on function {schema}.{function} to {role}" for function in functions),
    ]
