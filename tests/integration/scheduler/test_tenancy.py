"""Nothing of one creditor is read, written or inferred by another: on every route, and in the tables beneath."""

from collections.abc import Iterator

import asyncpg
import pytest

from paycue.app import api
from services.scheduler.main import SERVICE
from tests.integration.scheduler.facts import POLICY, YAML, issued, registered
from tests.integration.world import Running

VALUES = {"creditor": "acme", "account": "A1", "invoice": "I1", "name": "standard", "stop": "s1"}


def routes() -> Iterator[tuple[str, str]]:
    """Every operation of the service under a creditor, on things that are there."""
    for path, operations in api(SERVICE).openapi()["paths"].items():
        if path.startswith("/v1/"):
            for method in operations:
                yield method, path.format(**VALUES)


async def ask(running: Running, method: str, path: str, headers: dict[str, str]) -> int:
    """A request whose body is right."""
    if path.endswith("/standard") and method == "put":
        answer = await running.client.put(path, content=POLICY, headers={**YAML, **headers})
    else:
        body = {"put": {"reason": "x"}, "post": {}}.get(method)
        answer = await running.client.request(method.upper(), path, json=body, headers=headers)
    return int(answer.status_code)


@pytest.fixture
async def known(scheduler: Running) -> Running:
    await scheduler.publish(registered(), issued())
    await scheduler.at("2013-01-12T10:00")
    return scheduler


def test_every_operation_is_asked() -> None:
    assert len(list(routes())) == 14


async def test_another_creditors_key_gets_404_everywhere_and_changes_nothing(known: Running) -> None:
    stranger = await known.creditor("beta")
    before = await known.rows("select * from scheduler.account"), await known.rows("select * from scheduler.policy")
    assert {(await ask(known, method, path, stranger)) for method, path in routes()} == {404}
    assert (await known.rows("select * from scheduler.account"), await known.rows("select * from scheduler.policy")) == before


async def test_a_strangers_own_lists_are_empty_and_the_same_ids_are_its_own(known: Running) -> None:
    stranger = await known.creditor("beta")
    for things in ("accounts", "policies", "decisions"):
        assert (await known.client.get(f"/v1/creditors/beta/{things}", headers=stranger)).json()["items"] == []
    assert (await known.client.get("/v1/creditors/beta/accounts/A1", headers=stranger)).status_code == 404
    await known.publish(issued(tenant="beta", minor=100))
    theirs = (await known.client.get("/v1/creditors/beta/accounts/A1", headers=stranger)).json()
    assert (theirs["open"][0]["open"], theirs["next_action_at"]) == ("1.00", None)


async def test_an_idempotency_key_is_each_creditors_own(known: Running) -> None:
    stranger = await known.creditor("beta")
    await known.publish(issued(tenant="beta"))
    keyed = {"Idempotency-Key": "same"}
    for creditor, headers in (("acme", {}), ("beta", stranger)):
        answer = await known.client.put(f"/v1/creditors/{creditor}/accounts/A1/pause", json={"reason": "x"}, headers={**keyed, **headers})
        assert answer.status_code == 200
    assert len(await known.rows("select * from scheduler.idempotency")) == 1


async def test_reading_needs_the_scope_to_read_and_writing_the_scope_to_write(known: Running) -> None:
    reader, writer = await known.key("acme", "scheduler:read"), await known.key("acme", "scheduler:write")
    other = await known.key("acme", "payments:read", "payments:write")
    for method, path in sorted(routes(), key=lambda route: (route[0] == "delete", route)):
        reads = method == "get"
        assert (await ask(known, method, path, reader) == 403) is not reads
        assert (await ask(known, method, path, writer) == 403) is reads
        assert await ask(known, method, path, other) == 403
        assert await ask(known, method, path, {"Authorization": "Bearer no.key"}) == 401


async def test_the_operators_key_acts_for_every_creditor_that_is_there(known: Running) -> None:
    operator = await known.key("", "*")
    assert await ask(known, "get", "/v1/creditors/acme/accounts/A1", operator) == 200
    assert await ask(known, "get", "/v1/creditors/nobody/accounts", operator) == 404


async def test_the_tables_themselves_show_and_take_nothing_of_another_creditor(known: Running) -> None:
    await known.at("2013-02-10T00:00")
    await known.client.put("/v1/creditors/acme/accounts/A1/pause", json={"reason": "x"})
    async with known.runtime.database.transaction(["beta"]) as tx:
        for table in ("account", "policy", "decision", "pause"):
            assert await tx.fetchval(f"select count(*) from scheduler.{table}") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.execute("insert into scheduler.account (tenant_id, account_id, lane, doc) values ('acme', 'A7', 0, '')")


@pytest.mark.parametrize("table", ["decision", "outcome", "pause"])
async def test_what_is_recorded_cannot_be_changed(known: Running, table: str) -> None:
    for statement in (f"update scheduler.{table} set reason = ''", f"delete from scheduler.{table}"):
        async with known.runtime.database.transaction(["acme"]) as tx:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await tx.execute(statement)
