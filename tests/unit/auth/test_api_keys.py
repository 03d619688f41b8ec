"""Who gets in, to what, and that nobody learns from a refusal what exists."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx2
import msgspec
import pytest
from fastapi import APIRouter, Depends

from paycue.auth.api_keys import ApiKey, Caller, authorised, hashed, mint, operator_only, verify
from paycue.auth.recent import SECONDS, Recent
from paycue.http.app import create_app

router = APIRouter()


@router.get("/v1/creditors/{creditor}/things")
async def read_things(caller: Annotated[Caller, Depends(authorised("payments", "read"))]) -> dict[str, object]:
    return {"tenant": caller.tenant, "operator": caller.operator}


@router.post("/v1/creditors/{creditor}/things")
async def write_things(caller: Annotated[Caller, Depends(authorised("payments", "write"))]) -> None:
    return None


@router.get("/v1/overview")
async def overview(caller: Annotated[Caller, Depends(operator_only("payments", "read"))]) -> dict[str, object]:
    return {"tenant": caller.tenant, "operator": caller.operator}


class Directory:
    """What a service has folded: keys by id, and the creditors there are."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys = {key.key_id: key for key in keys}

    async def api_key(self, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    async def creditor(self, tenant: str) -> object | None:
        return tenant if tenant in ("alpha", "beta") else None


ALPHA, alpha = mint("alpha", ("payments:read", "payments:write"), "alpha's ledger")
READER, reader = mint("alpha", ("payments:read",))
SCHEDULER, scheduler = mint("alpha", ("scheduler:read", "scheduler:write"))
OPERATOR, operator = mint("", ("*",))
REVOKED, revoked = mint("alpha", ("*",))
DIRECTORY = Directory(ALPHA, READER, SCHEDULER, OPERATOR, msgspec.structs.replace(REVOKED, revoked=True))


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app("paycue test", "", [router])
    app.state.directory = DIRECTORY
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield client


class Remembering:
    """An application, its directory, what it remembers of it, and the clock by which it does."""

    def __init__(self) -> None:
        self.directory, self.seconds = Directory(ALPHA, OPERATOR), 1000.0
        self.recent = Recent(lambda: self.seconds)
        app = create_app("paycue test", "", [router])
        app.state.directory, app.state.recent = self.directory, self.recent
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")

    async def status(self, plain: str, creditor: str = "alpha") -> int:
        answer = await self.client.get(f"/v1/creditors/{creditor}/things", headers=bearer(plain))
        return int(answer.status_code)


@pytest.fixture
async def remembering() -> AsyncIterator[Remembering]:
    made = Remembering()
    yield made
    await made.client.aclose()


def bearer(plain: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plain}"}


def test_a_minted_key_is_verified_by_its_secret_alone() -> None:
    key, plain = mint("alpha", ("payments:read",), "ledger")
    key_id, _, secret = plain.partition(".")
    assert key.key_id == key_id
    assert verify(key, secret)
    assert not verify(key, secret + "x")
    assert not verify(msgspec.structs.replace(key, revoked=True), secret)
    assert secret not in repr(key)
    assert key.secret_hash == hashed(secret)


@pytest.mark.parametrize(
    ("tenant", "scopes"),
    [
        ("Alpha", ("*",)),
        ("a" * 33, ("*",)),
        ("alpha", ()),
        ("alpha", ("payments",)),
        ("alpha", ("payments:admin",)),
        ("alpha", ("*:read",)),
    ],
)
def test_a_key_for_no_creditor_or_with_an_odd_scope_is_not_minted(tenant: str, scopes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        mint(tenant, scopes)


async def test_a_key_opens_its_own_creditor(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/creditors/alpha/things", headers=bearer(alpha))
    assert answer.json() == {"tenant": "alpha", "operator": False}


async def test_the_operators_key_opens_every_creditor_there_is(client: httpx2.AsyncClient) -> None:
    for creditor in ("alpha", "beta"):
        answer = await client.get(f"/v1/creditors/{creditor}/things", headers=bearer(operator))
        assert answer.json() == {"tenant": creditor, "operator": True}


async def test_another_creditor_and_one_that_does_not_exist_answer_alike(client: httpx2.AsyncClient) -> None:
    answers = [
        await client.get("/v1/creditors/beta/things", headers=bearer(alpha)),
        await client.get("/v1/creditors/zeta/things", headers=bearer(alpha)),
        await client.get("/v1/creditors/zeta/things", headers=bearer(operator)),
        await client.get("/v1/creditors/NO%20SLUG/things", headers=bearer(operator)),
    ]
    documents = [{k: v for k, v in answer.json().items() if k != "instance"} for answer in answers]
    assert {answer.status_code for answer in answers} == {404}
    assert documents == [documents[0]] * 4
    assert len({tuple(sorted(k for k in answer.headers if k != "content-length")) for answer in answers}) == 1


@pytest.mark.parametrize("plain", [reader, scheduler], ids=["another mode", "another service"])
async def test_a_key_without_the_scope_gets_403(client: httpx2.AsyncClient, plain: str) -> None:
    answer = await client.post("/v1/creditors/alpha/things", headers=bearer(plain))
    assert answer.status_code == 403
    assert "payments:write" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {alpha}"},
        bearer("nobody.secret"),
        bearer("."),
        bearer(alpha[:-1]),
        bearer(alpha.partition(".")[0]),
        bearer(alpha + "."),
        bearer(f"{ALPHA.key_id}.{reader.partition('.')[2]}"),
        bearer(revoked),
        bearer("'; drop table directory; --.x"),
    ],
)
async def test_anything_but_a_good_key_gets_401_and_is_told_how(client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    for path in ("/v1/creditors/alpha/things", "/v1/creditors/zeta/things", "/v1/overview"):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer realm="paycue"')
        assert answer.headers["content-type"] == "application/problem+json"


async def test_operator_routes_refuse_a_creditors_key(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/v1/overview", headers=bearer(alpha))).status_code == 403
    assert (await client.get("/v1/overview", headers=bearer(operator))).json() == {"tenant": "", "operator": True}


async def test_a_key_revoked_elsewhere_opens_nothing_a_second_later(remembering: Remembering) -> None:
    assert await remembering.status(alpha) == 200
    remembering.directory.keys[ALPHA.key_id] = msgspec.structs.replace(ALPHA, revoked=True)
    remembering.seconds += SECONDS
    assert await remembering.status(alpha) == 401


async def test_a_key_whose_revocation_was_folded_here_opens_nothing_at_once(remembering: Remembering) -> None:
    assert await remembering.status(alpha) == 200
    remembering.directory.keys[ALPHA.key_id] = msgspec.structs.replace(ALPHA, revoked=True)
    remembering.recent.forget(f"key:{ALPHA.key_id}")
    assert await remembering.status(alpha) == 401


async def test_a_key_that_is_remembered_still_needs_its_secret_and_its_scope(remembering: Remembering) -> None:
    assert await remembering.status(alpha) == 200
    assert await remembering.status(alpha + "x") == 401
    assert await remembering.status(f"{ALPHA.key_id}.") == 401
    assert await remembering.status(alpha, "beta") == 404


async def test_nothing_is_remembered_of_a_wrong_secret_or_of_what_does_not_exist(remembering: Remembering) -> None:
    assert [await remembering.status(alpha + "x"), await remembering.status(operator, "gamma")] == [401, 404]
    assert remembering.recent.get(f"key:{ALPHA.key_id}") is None
    assert remembering.recent.get("creditor:gamma") is None


async def test_a_creditor_that_exists_is_looked_up_once_a_second(remembering: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    async def creditor(tenant: str) -> object:
        asked.append(tenant)
        return tenant

    monkeypatch.setattr(remembering.directory, "creditor", creditor)
    assert [await remembering.status(operator) for _ in range(3)] == [200] * 3
    remembering.seconds += SECONDS
    assert await remembering.status(operator) == 200
    assert asked == ["alpha"] * 2


def test_what_is_remembered_is_bounded() -> None:
    recent = Recent()
    for number in range(5_000):
        recent.keep(f"key:{number}", number)
    assert sum(recent.get(f"key:{number}") is not None for number in range(5_000)) <= 1_000
