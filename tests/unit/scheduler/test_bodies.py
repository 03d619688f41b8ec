"""What is wrong in a policy or a command that is sent is named with its place, before anything is asked of a database."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from paycue.auth.api_keys import ApiKey, mint
from paycue.http.app import create_app
from services.scheduler.api import router

A1 = "/v1/creditors/acme/accounts/A1"
STANDARD = "/v1/creditors/acme/policies/standard"
JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}
POLICY = """\
policy: standard
version: 1
window: {from: "09:00", to: "18:00", days: all}
steps:
  - {when: due - 7d,  stage: friendly, channels: [email]}
  - {when: due,       stage: friendly, channels: [email]}
  - {when: due + 15d, stage: firm,     channels: [email, sms]}
"""


class OneKey:
    """A directory of one key, of the creditor acme."""

    def __init__(self, key: ApiKey) -> None:
        self.key = key

    async def api_key(self, key_id: str) -> ApiKey | None:
        return self.key if key_id == self.key.key_id else None

    async def creditor(self, tenant: str) -> object | None:
        return tenant


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app("paycue scheduler", "For tests.", [router], service="scheduler")
    key, plain = mint("acme", ("scheduler:write",))
    app.state.directory = OneKey(key)
    headers = {"Authorization": f"Bearer {plain}"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test", headers=headers) as client:
        yield client


@pytest.mark.parametrize(
    ("found", "written", "detail", "pointer"),
    [
        ("stage: firm", "stage: rude", "line 7, steps[3].stage: found 'rude', expected one of friendly", "#/steps/2/stage"),
        ("version: 1", "version: one", "line 2, version: found 'one', expected a whole number", "#/version"),
        ("version: 1", "versio: 1", "line 2, versio: found the unknown key 'versio', expected one of policy", "#/versio"),
        ('"09:00"', '"9:00"', "line 3, window.from: found '9:00', expected a local time", "#/window/from"),
        ("policy: standard", "policy: other", "policy: found 'other', expected 'standard', the name in the path", "#/policy"),
        ("steps:", "steps: [", "line", "#"),
    ],
)
async def test_what_is_wrong_in_a_file_is_named_with_its_line(
    client: httpx2.AsyncClient, found: str, written: str, detail: str, pointer: str
) -> None:
    answer = await client.put(STANDARD, content=POLICY.replace(found, written), headers=YAML)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem["detail"].startswith(detail)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"policy": "standard", "version": 1, "version": 2, "steps": []}', "version: found the key 'version' a second time"),
        (b'{"policy": "standard", "version": 1.0, "steps": []}', "version: found '1.0', expected a whole number"),
        (b'{"policy": "standard", "version": 123456789012345678901234567890, "steps": []}', "version: found"),
        (b'{"policy": "standard", "version": NaN, "steps": []}', "version: found"),
        (b'{"policy": "standard", "version": 1, "steps": [{"when": "due"}]}', "steps[1].stage: found no such key"),
        (b"[1, 2]", "found a list, expected keys with values"),
        (b"null", "found nothing, expected keys with values"),
        (b"{", "found no JSON"),
        (b"", "found no JSON"),
        (b"[" * 30_000, "found no JSON"),
    ],
)
async def test_what_is_wrong_in_json_is_named_by_its_field(client: httpx2.AsyncClient, body: bytes, detail: str) -> None:
    answer = await client.put(STANDARD, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["detail"][: len(detail)]) == (422, detail)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (POLICY.encode(), {"Content-Type": "text/plain"}, 415),
        (POLICY.encode(), {}, 415),
        (POLICY.encode(), {"Content-Type": "multipart/form-data; boundary=x"}, 415),
        (b"", YAML, 422),
        (b"\xff\xfe", YAML, 422),
        (b"a: &a [*a]\n" * 3, YAML, 422),
        (b"[" * 30_000, YAML, 422),
        (b"!!python/object/apply:os.system [true]", YAML, 422),
        (b"# " + b"x" * 40_000, YAML, 413),
    ],
)
async def test_a_body_that_is_no_policy_is_refused(client: httpx2.AsyncClient, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = await client.put(STANDARD, content=body, headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/reason"),
        ({"reason": ""}, "#/reason"),
        ({"reason": "  "}, "#/reason"),
        ({"reason": "a\nb"}, "#/reason"),
        ({"reason": "x" * 201}, "#/reason"),
        ({"reason": "x", "until": "20.01.2013"}, "#/until"),
        ({"reason": "x", "until": 1358640000}, "#/until"),
        ({"reason": "x", "until": "9999-12-31"}, "#/until"),
        ({"reason": "x", "untl": "2013-01-20"}, "#/untl"),
        ([], "#"),
    ],
)
async def test_a_pause_that_cannot_be_is_refused_by_its_field(client: httpx2.AsyncClient, body: Any, pointer: str) -> None:
    answer = await client.put(f"{A1}/pause", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("body", [{"invoices": "I1"}, {"invoices": [""]}, {"invoices": ["x\ty"]}, {"any_hour": "yes"}, {"any": 1}, 7])
async def test_a_reminder_that_cannot_be_is_refused(client: httpx2.AsyncClient, body: Any) -> None:
    assert (await client.post(f"{A1}/reminders", json=body)).status_code == 422
