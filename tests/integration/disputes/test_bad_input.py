"""Whatever is asked, the answer is a problem that says what is wrong with which value; never a 500, and nothing has changed."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.disputes.facts import A1, ALL, issued, opened, problem, read
from tests.integration.world import Running

CLAIM = {"invoice_id": "i1", "reason": "quality"}


async def test_a_claim_that_cannot_be_names_each_field_and_opens_nothing(disputes: Running) -> None:
    body = {"reason": "bored", "currency": "USD", "disputed_amount": "5.005", "by": "erp"}
    errors = problem(await disputes.client.post(A1, json=body), 422)["errors"]
    assert {(error["part"], error["pointer"]) for error in errors} == {
        ("body", f"#/{name}") for name in ("invoice_id", "reason", "disputed_amount", "by")
    }
    assert await disputes.rows("select * from disputes.dispute") == []


async def test_a_claim_that_contradicts_its_invoice_is_refused(disputes: Running) -> None:
    await disputes.publish(issued())
    for rest in ({"currency": "EUR"}, *({"currency": "USD", "disputed_amount": text} for text in ("100.01", "99999999999999.99"))):
        assert problem(await disputes.client.post(A1, json={**CLAIM, **rest}), 422)["title"] == "Dispute not possible"


RESOLUTIONS: list[tuple[dict[str, str], str]] = [
    ({}, "#/outcome"),
    ({"outcome": "partly_valid", "credit_amount": "5.00"}, "#/credit_amount"),
    ({"outcome": "partly_valid"}, "Resolution not possible"),
    ({"outcome": "invalid", "currency": "USD", "credit_amount": "5.00"}, "Credit not possible"),
    ({"outcome": "valid", "currency": "EUR", "credit_amount": "5.00"}, "Credit in another currency"),
    ({"outcome": "valid", "currency": "USD", "credit_amount": "100.01"}, "Credit exceeds the invoice"),
]


async def test_a_resolution_that_cannot_be_changes_nothing(disputes: Running) -> None:
    await disputes.publish(issued())
    await opened(disputes, dispute_id="d1")
    for body, where in RESOLUTIONS:
        said = problem(await disputes.client.post(f"{A1}/d1/resolve", json=body), 422)
        assert where in (said["title"], *(error["pointer"] for error in said.get("errors", ())))
    assert (await read(disputes))["version"] == 1


async def test_a_credit_needs_a_currency_that_is_known(disputes: Running) -> None:
    await opened(disputes, dispute_id="d1")
    body = {"outcome": "partly_valid", "currency": "USD", "credit_amount": "5.00"}
    said = problem(await disputes.client.post(f"{A1}/d1/resolve", json=body), 422)
    assert said["detail"] == "the credit is in USD, its invoice not known yet, nor the currency; wait for it"


async def test_a_dispute_that_is_not_there_is_not_found(disputes: Running) -> None:
    bodies: dict[str, Any] = {"review": None, "resolve": {"outcome": "valid"}, "reopen": {}, "notes": {"text": "x"}}
    for path in (f"{A1}/d9", "/v1/creditors/acme/accounts/a9/disputes/d1", f"{A1}/%01%E2%80%A8"):
        for what, body in bodies.items():
            problem(await disputes.client.post(f"{path}/{what}", json=body), 404)
        problem(await disputes.client.get(path), 404)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\0", "\ud800", "9" * 400, "NaN", "USD", "valid"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "invoice_id",
    "reason",
    "dispute_id",
    "currency",
    "disputed_amount",
    "note",
    "outcome",
    "credit_amount",
    "text",
    "internal",
    "evidence",
)
bodies = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, anything)) | anything
sound = st.fixed_dictionaries(
    {"invoice_id": st.text(min_size=1, max_size=64), "reason": st.just("other")},
    optional={"dispute_id": st.text(min_size=1, max_size=128), "note": st.text(), "currency": st.sampled_from(["USD", "JPY", "KWD"])},
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies | sound, path=st.sampled_from([A1, f"{A1}/d1/review", f"{A1}/d1/resolve", f"{A1}/d1/reopen", f"{A1}/d1/notes"]))
async def test_any_json_is_answered(disputes: Running, body: Any, path: str) -> None:
    answer = await disputes.client.post(path, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text
    await disputes.settle()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(min_size=1, max_size=40))
async def test_any_path_and_query_are_answered(disputes: Running, raw: bytes) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in raw)
    for path in (f"{A1}/{escaped}", f"{A1}/{escaped}/notes", f"{ALL}?status={escaped}&cursor={escaped}", f"{ALL}?account={escaped}"):
        assert (await disputes.client.get(path)).status_code < 500
