"""A creditor's key sees and changes that creditor's disputes; another's answer as things that do not exist."""

from tests.integration.disputes.facts import A1, ALL, ok, opened, problem, raised
from tests.integration.world import Running

BETA = "/v1/creditors/beta"
CALLS = [
    ("POST", "/accounts/a1/disputes", {"invoice_id": "i1", "reason": "fraud"}),
    ("POST", "/accounts/a1/disputes/d1/review", {}),
    ("POST", "/accounts/a1/disputes/d1/resolve", {"outcome": "valid"}),
    ("POST", "/accounts/a1/disputes/d1/reopen", {}),
    ("POST", "/accounts/a1/disputes/d1/notes", {"text": "hello"}),
    ("GET", "/accounts/a1/disputes/d1", None),
    ("GET", "/accounts/a1/disputes/d1/notes", None),
    ("GET", "/disputes", None),
]


async def test_another_creditors_disputes_do_not_exist(disputes: Running) -> None:
    await disputes.creditor("beta")
    await disputes.publish(raised(tenant_id="beta"))
    for method, path, body in CALLS:
        theirs = problem(await disputes.client.request(method, BETA + path, json=body), 404)
        nobodys = problem(await disputes.client.request(method, "/v1/creditors/nobody" + path, json=body), 404)
        assert theirs["detail"] == nobodys["detail"]
    async with disputes.runtime.database.transaction(["beta"]) as tx:
        assert [(row["dispute_id"], row["status"]) for row in await tx.fetch("select * from disputes.dispute")] == [("d1", "opened")]
        assert await tx.fetch("select text from disputes.note") == []


async def test_the_ids_of_another_creditor_are_free_and_apart(disputes: Running) -> None:
    beta = await disputes.creditor("beta")
    await disputes.publish(raised(tenant_id="beta", note="beta's own"))
    problem(await disputes.client.get(f"{A1}/d1"), 404)
    problem(await disputes.client.get(f"{A1}/d1/notes"), 404)
    assert ok(await disputes.client.get(ALL))["items"] == []
    await opened(disputes, dispute_id="d1", note="acme's own")
    seen = ok(await disputes.client.get(f"{BETA}/accounts/a1/disputes/d1", headers=beta))
    assert [note["text"] for note in seen["notes"]["items"]] == ["beta's own"]


async def test_an_idempotency_key_belongs_to_its_creditor(disputes: Running) -> None:
    beta = await disputes.creditor("beta")
    body, headers = {"invoice_id": "i1", "reason": "fraud"}, {"Idempotency-Key": "same"}
    ours = ok(await disputes.client.post(A1, json=body, headers=headers), 201)
    theirs = ok(await disputes.client.post(f"{BETA}/accounts/a1/disputes", json=body, headers={**beta, **headers}), 201)
    assert ours["dispute_id"] != theirs["dispute_id"]


async def test_a_key_that_reads_does_not_write_and_no_key_does_nothing(disputes: Running) -> None:
    reader, stranger = await disputes.key("acme", "disputes:read"), await disputes.key("acme", "payments:write")
    await opened(disputes, dispute_id="d1")
    ok(await disputes.client.get(f"{A1}/d1", headers=reader))
    problem(await disputes.client.post(f"{A1}/d1/review", headers=reader), 403)
    problem(await disputes.client.get(ALL, headers=stranger), 403)
    problem(await disputes.client.get(ALL, headers={"Authorization": "Bearer no.body"}), 401)


async def test_the_operators_key_works_for_every_creditor(disputes: Running) -> None:
    operator = await disputes.key("", "*")
    await opened(disputes, dispute_id="d1")
    assert len(ok(await disputes.client.get(ALL, headers=operator))["items"]) == 1
