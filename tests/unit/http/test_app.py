"""What every application has besides its routes: probes, metrics, headers, traces, and a description that does not move."""

import asyncio

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client.parser import text_string_to_metric_families

from paycue.http import openapi
from paycue.http.app import create_app
from paycue.observability.trace import parse

ACCOUNT = "/v1/creditors/alpha/accounts/acme"


async def content() -> str | None:
    return None


async def lagging() -> str | None:
    return "5,000 records behind"


async def hanging() -> str | None:
    await asyncio.sleep(60)
    return None


async def broken() -> str | None:
    raise OSError("10.0.0.7 refused")


async def test_the_process_is_alive_while_the_loop_turns(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


async def test_it_is_ready_when_every_check_is_content(app: FastAPI, client: httpx2.AsyncClient) -> None:
    app.state.checks = {"database": content}
    assert (await client.get("/readyz")).status_code == 200


async def test_it_is_not_ready_while_a_check_is_not_content_hangs_or_breaks(
    app: FastAPI, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paycue.http.health._DEADLINE", 0.01)
    app.state.checks = {"database": content, "bus": lagging, "outbox": hanging, "relay": broken}
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "bus: 5,000 records behind; outbox: no answer within 0 seconds; relay: OSError"


async def test_requests_are_counted_by_operation_never_by_path(client: httpx2.AsyncClient) -> None:
    await client.get(ACCOUNT)
    await client.get("/v1/nowhere/at/all")
    await client.request("BREW", "/v1/nowhere")
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    (requests,) = [f for f in families if f.name == "paycue_http_requests"]
    seen = {(s.labels["operation"], s.labels["method"], s.labels["status"]) for s in requests.samples if s.labels["service"] == "test"}
    assert {("read_account", "GET", "200"), ("unknown", "GET", "404"), ("unknown", "OTHER", "404")} <= seen


async def test_the_callers_trace_goes_on_with_a_span_of_ours(client: httpx2.AsyncClient) -> None:
    sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    span = parse((await client.get(ACCOUNT, headers={"traceparent": sent})).headers["traceparent"])
    assert span is not None
    assert span.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert span.span_id != "00f067aa0ba902b7"
    assert not span.sampled


@pytest.mark.parametrize("path", [ACCOUNT, "/nowhere", "/v1/creditors/alpha/accounts/broken", "/%00"])
async def test_every_answer_carries_the_security_headers_and_a_trace(client: httpx2.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert parse(headers["traceparent"])


async def test_the_docs_page_may_load_its_scripts(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.status_code == 200
    assert "cdn.jsdelivr.net" in answer.headers["content-security-policy"]


async def test_a_slash_too_many_is_not_found_rather_than_redirected(client: httpx2.AsyncClient) -> None:
    assert (await client.get(f"{ACCOUNT}/")).status_code == 404


def test_the_description_is_the_same_each_time_it_is_made(app: FastAPI, router: APIRouter) -> None:
    again = create_app("paycue test", "An API for tests.", [router], service="test")
    assert openapi.text(app) == openapi.text(again)


def test_the_description_documents_problems_and_nothing_of_the_framework(app: FastAPI) -> None:
    document = app.openapi()
    payment = document["paths"]["/v1/creditors/{creditor}/accounts/{account}/payments"]["post"]
    assert {"201", "400", "401", "403", "404", "409", "413", "422", "default"} == payment["responses"].keys()
    assert list(payment["responses"]["422"]["content"]) == ["application/problem+json"]
    assert payment["operationId"] == "receive_payment"
    assert payment["security"] == [{"key": []}]
    assert {"Problem", "FieldProblem", "Page_str_"} <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert not [path for path in document["paths"] if path in ("/healthz", "/readyz", "/metrics")]


async def test_an_encoded_slash_belongs_to_the_id(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/creditors/alpha/accounts/north%2F7%2f%252F")
    assert answer.json()["detail"] == "There is no account north/7/%2F."
    assert answer.json()["instance"] == "/v1/creditors/alpha/accounts/north%2F7%2F%252F"
    assert (await client.get("/v1/creditors/alpha/accounts/%EF%B7%90")).status_code == 422
