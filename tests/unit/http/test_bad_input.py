"""Whatever bytes arrive, the answer is below 500 and, when it is an error, a problem document."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PAYMENTS = "/v1/creditors/alpha/accounts/acme/payments"
JSON = {"Content-Type": "application/json"}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\0", "\ud800", "9" * 400, "1e999", "NaN", "EUR"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
payment = st.fixed_dictionaries({}, optional={"payment_id": anything, "amount": anything, "currency": anything, "invoice_ids": anything})
fuzzed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(answer: httpx2.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@fuzzed
@given(body=payment)
async def test_any_json_is_answered(client: httpx2.AsyncClient, body: Any) -> None:
    check(await client.post(PAYMENTS, content=json.dumps(body).encode(), headers=JSON))


@fuzzed
@given(
    body=st.binary(max_size=300),
    kind=st.sampled_from(
        [
            "application/json",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
            ";;=",
            "application/json; charset=utf-16",
        ]
    ),
)
async def test_any_bytes_are_answered(client: httpx2.AsyncClient, body: bytes, kind: str) -> None:
    check(await client.post(PAYMENTS, content=body, headers={"Content-Type": kind}))


@fuzzed
@given(path=st.binary(min_size=1, max_size=60), query=st.binary(max_size=40))
async def test_any_path_and_query_are_answered(client: httpx2.AsyncClient, path: bytes, query: bytes) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in path)
    check(await client.get(f"/v1/creditors/alpha/accounts/{escaped}?{''.join(f'%{byte:02x}' for byte in query)}"))
    check(await client.get(f"/v1/creditors/{escaped}/invoices"))
    check(await client.get(f"/v1/creditors/alpha/invoices?cursor={escaped}&limit={escaped}"))


@fuzzed
@given(value=st.binary(max_size=60))
async def test_any_authorization_idempotency_key_and_trace_are_answered(client: httpx2.AsyncClient, value: bytes) -> None:
    for name, prefix in ((b"authorization", b"Bearer "), (b"authorization", b""), (b"idempotency-key", b""), (b"traceparent", b"00-")):
        check(await client.post(PAYMENTS, json={"payment_id": "P", "amount": "1", "currency": "EUR"}, headers=[(name, prefix + value)]))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"amount": ' + b"9" * 100_000 + b"}",
        b'{"amount": 1e99999}',
        b'{"amount": NaN}',
        b"\xef\xbb\xbf{}",
        b"null",
        b'"text"',
        b"",
        b'{"payment_id": "' + b"x" * 200_000 + b'"}',
        b'{"invoice_ids": [' + b'"x",' * 40_000 + b'"x"]}',
    ],
)
async def test_huge_deep_and_odd_bodies_are_answered(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post(PAYMENTS, content=body, headers=JSON)
    check(answer)
    assert answer.status_code in (400, 422)
