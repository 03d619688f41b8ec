"""The same Idempotency-Key is the same command; without one every request is its own."""

import httpx2
import pytest

from paycue.http.idempotency import digest_of

PAYMENTS = "/v1/creditors/alpha/accounts/acme/payments"
GOOD = {"payment_id": "P-1", "amount": "12.50", "currency": "EUR"}


async def command_id(client: httpx2.AsyncClient, key: str | None, path: str = PAYMENTS) -> str:
    answer = await client.post(path, json=GOOD, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["command_id"])


async def test_one_key_is_one_command_quoted_or_bare(client: httpx2.AsyncClient) -> None:
    ids = {await command_id(client, key) for key in ("8e03978e-40d5", '"8e03978e-40d5"', "8e03978e-40d5")}
    assert len(ids) == 1


async def test_another_key_path_or_creditor_is_another_command(client: httpx2.AsyncClient, operator: dict[str, str]) -> None:
    ids = [
        await command_id(client, "one"),
        await command_id(client, "two"),
        await command_id(client, "one", PAYMENTS.replace("acme", "other")),
    ]
    answer = await client.post(PAYMENTS.replace("alpha", "beta"), json=GOOD, headers=operator | {"Idempotency-Key": "one"})
    assert len({*ids, answer.json()["command_id"]}) == 4


async def test_without_a_key_every_request_is_its_own_command(client: httpx2.AsyncClient) -> None:
    assert await command_id(client, None) != await command_id(client, None)


@pytest.mark.parametrize("key", ["", '""', " ", "x" * 256, "naïve".encode().decode("latin-1")])
async def test_a_key_that_is_not_printable_text_is_a_400(client: httpx2.AsyncClient, key: str) -> None:
    answer = await client.post(PAYMENTS, json=GOOD, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert answer.status_code == 400


def test_the_digest_tells_method_path_and_body_apart() -> None:
    assert (
        len({digest_of("POST", "/a", b"b"), digest_of("PUT", "/a", b"b"), digest_of("POST", "/ab", b""), digest_of("POST", "/a", b"")}) == 4
    )
