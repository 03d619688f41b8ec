"""Disputes as people work on them over the API."""

from urllib.parse import quote

import pytest

from paycue.events.v1.dispute_pb2 import DisputeRegistered, DisputeResolved, DisputeReviewed
from tests.integration.disputes.facts import A1, ALL, issued, ok, opened, problem, raised, read, settled
from tests.integration.world import Running


async def test_opening_answers_the_dispute_and_says_it_to_others(disputes: Running) -> None:
    await disputes.publish(issued())
    made = await opened(disputes, dispute_id="d1", currency="USD", disputed_amount="40.5", note="scratched")
    await disputes.settle()
    assert (made["status"], made["disputed_amount"], made["disputed_whole"], made["invoice_open"]) == ("opened", "40.50", False, "100.00")
    (note,) = made["notes"]
    assert (note["text"], note["internal"], note["author"].partition(":")[0]) == ("scratched", True, "key")
    (said,) = disputes.said(DisputeRegistered)
    assert (said.dispute_id, said.disputed_minor, said.currency) == ("d1", 4_050, "USD")


@pytest.mark.parametrize("state", ["unknown", "settled"])
async def test_an_invoice_that_is_settled_or_unknown_can_be_disputed(disputes: Running, state: str) -> None:
    if state == "settled":
        await disputes.publish(issued())
        await disputes.publish(settled())
    made = await opened(disputes)
    assert (made["status"], made["invoice_status"], made["invoice_status_when_opened"]) == ("opened", state, state)
    await disputes.settle()
    assert len(disputes.said(DisputeRegistered)) == 1


async def test_a_dispute_goes_from_review_to_its_outcome_and_back_once(disputes: Running) -> None:
    await disputes.publish(issued())
    await opened(disputes, dispute_id="d1")
    post = disputes.client.post
    assert ok(await post(f"{A1}/d1/review"))["status"] == "in_review"
    half = {"outcome": "partly_valid", "currency": "USD", "credit_amount": "15.00", "reason": "half came"}
    resolved = ok(await post(f"{A1}/d1/resolve", json=half))
    assert (resolved["outcome"], resolved["credit_amount"], resolved["decided_at"]) == ("partly_valid", "15.00", "2013-01-02T05:00:00Z")
    again = ok(await post(f"{A1}/d1/reopen", json={"reason": "the rest is torn"}))
    assert (again["status"], again["outcome"], again["reopened"], again["version"]) == ("opened", None, True, 4)
    assert ok(await post(f"{A1}/d1/resolve", json={"outcome": "valid"}))["credit_whole"] is True
    assert problem(await post(f"{A1}/d1/reopen"), 409)["title"] == "Reopened before"
    await disputes.settle()
    assert [event.version for event in disputes.said(DisputeRegistered)] == [1, 4]
    assert [event.version for event in disputes.said(DisputeReviewed)] == [2]
    assert [(event.version, event.credit_minor, event.credit_whole) for event in disputes.said(DisputeResolved)] == [
        (3, 1_500, False),
        (5, 0, True),
    ]
    texts = [note["text"] for note in (await read(disputes))["notes"]["items"]]
    assert texts == ["half came", "the rest is torn"]


async def test_notes_carry_evidence_and_come_in_pages(disputes: Running) -> None:
    await opened(disputes, dispute_id="d1")
    for number in range(55):
        body = {"text": f"note {number}", "evidence": f"dms:{number}", "internal": number % 2 == 0}
        ok(await disputes.client.post(f"{A1}/d1/notes", json=body), 201)
    first = (await read(disputes))["notes"]
    rest = ok(await disputes.client.get(f"{A1}/d1/notes", params={"cursor": first["next"]}))
    notes = first["items"] + rest["items"]
    assert (len(first["items"]), rest["next"]) == (50, None)
    assert [(note["text"], note["evidence"], note["internal"]) for note in notes] == [
        (f"note {number}", f"dms:{number}", number % 2 == 0) for number in range(55)
    ]


async def test_a_dispute_that_an_erp_raised_is_worked_on_here(disputes: Running) -> None:
    await disputes.publish(raised())
    assert ok(await disputes.client.post(f"{A1}/d1/resolve", json={"outcome": "withdrawn"}))["version"] == 2
    await disputes.settle()
    assert [event.version for event in disputes.said(DisputeResolved)] == [2]


async def test_the_same_key_and_request_take_effect_once_and_are_answered_the_same(disputes: Running) -> None:
    headers = {"Idempotency-Key": "8d1c"}
    body = {"invoice_id": "i1", "reason": "fraud", "note": "not ours"}
    first, second = [await disputes.client.post(A1, json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
    listed = ok(await disputes.client.get(ALL))["items"]
    assert [found["dispute_id"] for found in listed] == [first.json()["dispute_id"]]
    await disputes.settle()
    assert len(disputes.said(DisputeRegistered)) == 1
    other = await disputes.client.post(A1, json={**body, "reason": "other"}, headers=headers)
    assert problem(other, 422)["title"] == "Idempotency key reused"


async def test_a_resolution_repeated_under_its_key_is_answered_and_without_it_refused(disputes: Running) -> None:
    await opened(disputes, dispute_id="d1")
    path, body, headers = f"{A1}/d1/resolve", {"outcome": "invalid", "reason": "proof sent"}, {"Idempotency-Key": "r-1"}
    answers = [ok(await disputes.client.post(path, json=body, headers=headers)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert problem(await disputes.client.post(path, json=body), 409)["title"] == "Dispute resolved"
    assert len((await read(disputes))["notes"]["items"]) == 1


async def test_without_a_key_the_same_request_opens_another_dispute(disputes: Running) -> None:
    assert (await opened(disputes))["dispute_id"] != (await opened(disputes))["dispute_id"]


@pytest.mark.parametrize(("account", "dispute"), [("2013/001", "d/1"), ("a b:c", "ü?#%"), ("ö" * 64, "x" * 128)])
async def test_ids_with_odd_characters_are_addressed_percent_encoded(disputes: Running, account: str, dispute: str) -> None:
    path = f"/v1/creditors/acme/accounts/{quote(account, safe='')}/disputes"
    made = await opened(disputes, path, dispute_id=dispute)
    seen = ok(await disputes.client.get(f"{path}/{quote(dispute, safe='')}"))
    assert (seen["account_id"], seen["dispute_id"], made["account_id"]) == (account, dispute, account)
