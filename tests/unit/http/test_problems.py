"""Whatever goes wrong, the caller gets a problem document that says what to do, and nothing of ours leaks."""

import json

import httpx2
import pytest

from paycue.decision import Refused
from paycue.http.problems import of_exception

ACCOUNT = "/v1/creditors/alpha/accounts/acme"
PAYMENTS = f"{ACCOUNT}/payments"
GOOD = {"payment_id": "P-1", "amount": "12.50", "currency": "EUR"}


def problem(answer: httpx2.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= document.keys()
    assert document["status"] == status
    return document


async def test_an_unknown_path_is_a_problem(client: httpx2.AsyncClient) -> None:
    assert problem(await client.get("/nowhere"), 404) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Nothing matches the given URI.",
        "instance": "/nowhere",
    }


async def test_a_method_that_is_not_offered_is_a_problem_that_names_those_that_are(client: httpx2.AsyncClient) -> None:
    answer = await client.delete(ACCOUNT)
    problem(answer, 405)
    assert answer.headers["allow"] == "GET"


async def test_every_wrong_value_is_named_with_its_pointer(client: httpx2.AsyncClient) -> None:
    body = {"payment_id": "P\u0007", "amount": 12.5, "invoice_ids": ["I-1", ""]}
    document = problem(await client.post(PAYMENTS, json=body), 422)
    assert document["type"] == "urn:paycue:problem:invalid-request"
    errors = document["errors"]
    assert isinstance(errors, list)
    assert {(e["part"], e["pointer"]) for e in errors} == {
        ("body", "#/payment_id"),
        ("body", "#/amount"),
        ("body", "#/currency"),
        ("body", "#/invoice_ids/1"),
    }


async def test_a_body_that_is_not_json_is_named_with_its_place(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PAYMENTS, content=b'{"amount": ', headers={"Content-Type": "application/json"})
    errors = problem(answer, 422)["errors"]
    assert isinstance(errors, list)
    assert errors[0]["detail"].startswith("not JSON: ")


async def test_a_refused_command_keeps_its_title_and_detail(client: httpx2.AsyncClient) -> None:
    document = problem(await client.get("/v1/creditors/alpha/accounts/nobody"), 404)
    assert document["type"] == "urn:paycue:problem:unknown-account"
    assert document["title"] == "Unknown account"
    assert document["detail"] == "There is no account nobody."


async def test_our_own_fault_is_a_500_that_tells_nothing_but_an_id(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/creditors/alpha/accounts/broken")
    document = problem(answer, 500)
    assert "secret-detail" not in answer.text
    assert "Traceback" not in answer.text
    assert str(document["instance"]).removeprefix("urn:uuid:") in str(document["detail"])


async def test_a_database_that_is_away_is_a_503_with_retry_after(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/creditors/alpha/accounts/offline")
    problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert "10.0.0.7" not in answer.text


async def test_a_body_larger_than_256_kib_is_refused_announced_or_not(client: httpx2.AsyncClient) -> None:
    async def chunks() -> object:
        for _ in range(300):
            yield b"x" * 1024

    problem(await client.post(PAYMENTS, content=b"x" * (256 * 1024 + 1)), 413)
    problem(await client.post(PAYMENTS, content=chunks()), 413)  # type: ignore[arg-type]


async def test_a_length_that_is_no_number_is_refused(client: httpx2.AsyncClient) -> None:
    problem(await client.post(PAYMENTS, content=b"{}", headers={"Content-Length": "-1"}), 400)


@pytest.mark.parametrize(
    ("path", "part"),
    [("/v1/creditors/%00/accounts/a", "path"), (f"{ACCOUNT}%ff", "path"), (f"{ACCOUNT}?x=%00", "query"), ("/%C0%80", "path")],
)
async def test_an_address_that_is_not_text_is_refused(client: httpx2.AsyncClient, path: str, part: str) -> None:
    errors = problem(await client.get(path), 422)["errors"]
    assert isinstance(errors, list)
    assert errors[0]["part"] == part


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"payment_id": "a\\u0000b"}', "application/json"),
        (b'{"payment_id": "\\uD83D"}', "application/json"),
        (b'{"\\udc00": 1}', "application/json"),
        (b'{"payment_id": "\xff"}', "application/json"),
        (b'{"payment_id": "\x00"}', "application/json"),
        ('{"payment_id": "a"}'.encode("utf-16"), "application/json"),
        (b"Body=%00", "application/x-www-form-urlencoded"),
        (b"Body=%ff", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_not_text_is_refused(client: httpx2.AsyncClient, content: bytes, kind: str) -> None:
    document = problem(await client.post(PAYMENTS, content=content, headers={"Content-Type": kind}), 422)
    assert document["title"] == "Invalid request"


async def test_escapes_that_only_look_like_nul_or_half_pairs_are_text(client: httpx2.AsyncClient) -> None:
    content = json.dumps(GOOD | {"payment_id": "C:\\u0000 😀"}).encode()
    answer = await client.post(PAYMENTS, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    assert answer.json()["payment_id"] == "C:\\u0000 😀"


def test_a_database_error_that_comes_from_a_value_is_not_called_transient() -> None:
    import asyncpg

    scope = {"type": "http", "path": "/x"}
    assert of_exception(asyncpg.DataError("value out of int64 range"), scope)[0].status == 500
    assert of_exception(asyncpg.LockNotAvailableError("lock timeout"), scope)[0].status == 503
    assert of_exception(Refused(409, "Already paid", "It is paid."), scope)[0].type == "urn:paycue:problem:already-paid"
