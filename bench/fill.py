"""Tables as full as a large installation's, written with SQL: accounts of other creditors whose timers are far ahead."""

import asyncpg

_CHUNK = 500_000


async def fill(url: str, schema: str, count: int, example: str) -> None:
    """Copy the account `example` of the creditor `bench` into `count` others of a hundred creditors, each due in some year's time."""
    tenants = [f"fill{n}" for n in range(100)]
    connection = await asyncpg.connect(url, command_timeout=1800)
    await connection.execute("select set_config('paycue.tenants', $1, false)", ",".join(["bench", *tenants]))
    doc = await connection.fetchval(f"select doc from {schema}.account where tenant_id = 'bench' and account_id = $1", example)
    if doc is None:
        raise LookupError(f"{schema} knows no account {example!r}")
    for start in range(0, count, _CHUNK):
        await connection.execute(
            f"""insert into {schema}.account (tenant_id, account_id, lane, next_action_at, doc)
                select 'fill' || n % 100, 'a' || n, n % 8, now() + interval '1 year' + n * interval '1 second', $1
                from generate_series($2::int, $3::int) n""",
            *(doc, start, min(count, start + _CHUNK) - 1),
        )
    await connection.execute(f"vacuum analyze {schema}.account")
    await connection.close()
