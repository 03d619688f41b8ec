"""The least that serves HTTP as our services do: FastAPI, uvicorn, uvloop, one route. Or with DATABASE_URL, two reads of a table.

    python -m bench.skeleton [DATABASE_URL]

Prints its port when it answers. The reads return what the scheduler's own queries return, as JSON without any model.
"""

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from fastapi import FastAPI

from paycue.http.serve import serving

_ONE = "select account_id, next_action_at, parked_at, doc from scheduler.account where tenant_id = $1 and account_id = $2"
_LIST = """select account_id, next_action_at, parked_at, doc from scheduler.account
    where tenant_id = $1 and ($2::text is null or account_id > $2) order by account_id limit $3"""


def application(url: str) -> FastAPI:
    """The reads, on a pool of eight connections; without a URL a route that answers."""
    pool: Any = None

    @asynccontextmanager
    async def connected(app: FastAPI) -> Any:
        nonlocal pool
        import asyncpg

        pool = await asyncpg.create_pool(url, min_size=8, max_size=8, server_settings={"role": "paycue_scheduler"})
        yield
        await pool.close()

    app = FastAPI(lifespan=connected if url else None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    async def rows(tenant: str, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        import msgspec

        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("select set_config('paycue.tenants', $1, true)", tenant)
            found = await connection.fetch(sql, tenant, *arguments)
        return [{**row, "doc": msgspec.msgpack.decode(row["doc"])} for row in found]

    @app.get("/accounts/{tenant}/{account}")
    async def one(tenant: str, account: str) -> Any:
        return (await rows(tenant, _ONE, account))[0]

    @app.get("/accounts/{tenant}")
    async def some(tenant: str, limit: int = 100) -> Any:
        return await rows(tenant, _LIST, None, limit)

    return app


async def _main(url: str) -> None:
    async with serving(application(url), "127.0.0.1", 0) as at:
        print(at, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1] if len(sys.argv) > 1 else ""))
