"""What every batch asks, as functions of a service's schema: a question of several statements costs one round trip and no planning.

Each statement of a volatile function takes a snapshot of its own, so that it sees what the locks before it have waited for. They run
as whoever calls them, under the same row-level security.
"""

_BY_INDEX = "language plpgsql volatile set plan_cache_mode = force_generic_plan"
"""There is one good plan for each statement, by its index, and it stays good whatever the tables grow to."""
_KEYS = "string_to_array(tenants, chr(31)), string_to_array(accounts, chr(31))"

_FEW = 8
"""Up to here planning a statement takes longer than writing document by document."""


def round_trips(schema: str) -> list[str]:
    """The functions of a service's first migration, each after those it calls."""
    return [_pinned(schema), _claimed(schema), _locked(schema), _opened(schema), _saved(schema)]


def _pinned(schema: str) -> str:
    """Entries of the directory as they stay until the transaction ends; those that are being changed are left out."""
    return f"""create function {schema}.pinned(ids text[]) returns table (id text, doc bytea) {_BY_INDEX} as $$
        declare held text[] := array(select u from unnest(ids) u
            where pg_try_advisory_xact_lock_shared(hashtextextended('{schema}.directory:' || u, 0)));
        begin return query select h, d.doc from unnest(held) h left join {schema}.directory d on d.id = h; end $$"""


def _claimed(schema: str) -> str:
    """Claim inbox ids, a run of 16 bytes each, under their digests of 8; those that nobody had claimed, as a run."""
    return f"""create function {schema}.claimed(ids bytea, digests bytea) returns bytea {_BY_INDEX} as $$
        declare written bytea := '';
        begin
            if ids <> '' then
                with new as (
                    insert into {schema}.inbox (id, digest)
                    select encode(substr(ids, 16 * n + 1, 16), 'hex')::uuid, substr(digests, 8 * n + 1, 8)
                    from generate_series(0, length(ids) / 16 - 1) n
                    on conflict do nothing returning id)
                select coalesce(string_agg(uuid_send(new.id), ''), '') into written from new;
            end if;
            return written;
        end $$"""


def _locked(schema: str) -> str:
    """Lock accounts in the order they are named, the one lock order of the house; `n` counts them from 1.

    One by one by their key, whatever the planner thinks of a table that was empty when it looked.
    """
    return f"""create function {schema}.locked(tenants text, accounts text)
        returns table (n bigint, lane integer, parked boolean, doc bytea) {_BY_INDEX} as $$
        begin return query select k.n, a.lane, a.parked_at is not null, a.doc
            from unnest({_KEYS}) with ordinality as k(tenant_id, account_id, n) cross join lateral (
                select b.lane, b.parked_at, b.doc from {schema}.account b
                where b.tenant_id = k.tenant_id and b.account_id = k.account_id for update) a
            order by k.n; end $$"""


def _opened(schema: str) -> str:
    """All that stands before the decisions of a batch: lanes, inbox ids, entries of the directory, accounts, locked in this order."""
    return f"""create function {schema}.opened(
            consumer text, topics text[], partitions integer[], ends bigint[],
            ids bytea, digests bytea, entries text[], tenants text, accounts text)
        returns table (what text, n bigint, lane integer, parked boolean, doc bytea) {_BY_INDEX} as $$
        #variable_conflict use_column
        begin
            insert into {schema}.lane (consumer, topic, partition, next_offset)
                select opened.consumer, * from unnest(topics, partitions, ends)
                on conflict (consumer, topic, partition) do update set next_offset = excluded.next_offset;
            return query select 'claimed', 0::bigint, 0, false, {schema}.claimed(ids, digests);
            return query select 'entry', array_position(entries, p.id)::bigint, 0, false, p.doc from {schema}.pinned(entries) p;
            return query select 'account', l.n, l.lane, l.parked, l.doc from {schema}.locked(tenants, accounts) l;
        end $$"""


def _saved(schema: str) -> str:
    """All that comes of a batch and every service has: documents with their timers, and events for the relay.

    A few documents are written one by one, which needs no plan; many in one statement, which is worth a plan of its own.
    """
    return f"""create function {schema}.saved(
            tenants text, accounts text, nexts timestamptz[], docs bytea[],
            topics text[], lanes integer[], urgents boolean[], counts integer[], packed bytea[])
        returns void {_BY_INDEX} as $$
        declare tenant text[] := string_to_array(tenants, chr(31)); account text[] := string_to_array(accounts, chr(31));
        begin
            if cardinality(docs) > {_FEW} then
                execute 'update {schema}.account a set next_action_at = u.next, doc = u.doc, version = a.version + 1
                    from unnest($1, $2, $3, $4) as u(tenant_id, account_id, next, doc)
                    where a.tenant_id = u.tenant_id and a.account_id = u.account_id' using tenant, account, nexts, docs;
            else
                for i in 1 .. cardinality(docs) loop
                    update {schema}.account a set next_action_at = nexts[i], doc = docs[i], version = a.version + 1
                    where a.tenant_id = tenant[i] and a.account_id = account[i];
                end loop;
            end if;
            if cardinality(packed) > 0 then
                insert into {schema}.outbox (topic, lane, urgent, count, events)
                select * from unnest(topics, lanes, urgents, counts, packed);
            end if;
        end $$"""
