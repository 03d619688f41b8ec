"""Who may ask what, generated from each service's API: every operation with another creditor's key, no key, a revoked one, the wrong
scope. A new operation is asked as well; one that needs no key has to be listed here.
"""

import re
from typing import NamedTuple

import httpx2
from fastapi.routing import APIRoute

from paycue.app import api, discover
from tests.e2e.estate import SERVICES, Estate
from tests.e2e.world import World, creditor

WITHOUT_KEY = {
    ("payments", "/p/{token}"): "the address itself is the debtor's key",
    ("notifier", "/u/{token}"): "the address itself is the debtor's key",
    ("notifier", "/v1/providers/twilio/status"): "Twilio signs what it posts",
    ("notifier", "/v1/providers/twilio/inbound"): "Twilio signs what it posts",
}
REFUSED_WITHOUT_SIGNATURE = (400, 401, 403, 404, 405)


class Operation(NamedTuple):
    """A method of a path of a service."""

    service: str
    method: str
    path: str

    @property
    def mode(self) -> str:
        return "read" if self.method in ("GET", "HEAD") else "write"

    def url(self, estate: Estate, tenant: str) -> str:
        """Its address at a creditor; what else the path names exists there."""
        known = {"creditor": tenant, "account": "a1", "invoice": "R-1", "dispute": "d1", "name": "plain"}
        return estate.urls[self.service] + re.sub(r"\{(\w+)[^}]*\}", lambda name: known.get(name[1], "x"), self.path)


def _operations() -> list[Operation]:
    """Everything the services answer to, but for probes and their own description."""
    found = []
    for service in discover():
        routes = [route for router in service.routers for route in router.routes]
        assert all(isinstance(route, APIRoute) for route in routes), f"{service.name} has a route of a kind that is not asked here"
        found += [
            Operation(service.name, method, route.path) for route in routes if isinstance(route, APIRoute) for method in route.methods or ()
        ]
    return sorted(found)


def _secured() -> list[Operation]:
    return [each for each in _operations() if (each.service, each.path) not in WITHOUT_KEY]


def test_what_needs_no_key_is_known_and_the_rest_says_that_it_needs_one() -> None:
    described = {service.name: api(service).openapi()["paths"] for service in discover()}

    open_ = [each for each in _secured() if not described[each.service].get(each.path, {}).get(each.method.lower(), {}).get("security")]

    assert open_ == []
    assert {each.service for each in _secured()} == set(SERVICES)


async def test_a_creditors_key_sees_nothing_of_another_creditor(estate: Estate, world: World) -> None:
    await _furnish(world)
    async with creditor(estate) as other:
        answers = {each: await other.client.request(each.method, each.url(estate, world.tenant), json={}) for each in _secured()}

    assert {each: answer.status_code for each, answer in answers.items() if answer.status_code != 404} == {}


async def test_another_creditor_answers_as_one_that_does_not_exist(estate: Estate, world: World) -> None:
    async with creditor(estate) as other:
        for each in _secured():
            theirs = await other.client.request(each.method, each.url(estate, world.tenant), json={})
            nobodys = await other.client.request(each.method, each.url(estate, "nobody-at-all"), json={})
            assert (theirs.status_code, theirs.json()["detail"]) == (nobodys.status_code, nobodys.json()["detail"]), each


async def test_without_a_key_nothing_is_answered(estate: Estate, world: World) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        answers = {each: await client.request(each.method, each.url(estate, world.tenant), json={}) for each in _secured()}

    assert {each: answer.status_code for each, answer in answers.items() if answer.status_code != 401} == {}


async def test_a_revoked_key_opens_nothing_any_more(estate: Estate, world: World) -> None:
    key_id, header = await world.key(world.tenant, "*")
    await estate.run("keys", "revoke", key_id)
    await world.settle()

    answers = {
        each: await world.client.request(each.method, each.url(estate, world.tenant), json={}, headers=header) for each in _secured()
    }

    assert {each: answer.status_code for each, answer in answers.items() if answer.status_code != 401} == {}


async def test_a_key_opens_only_what_its_scopes_name(estate: Estate, world: World) -> None:
    readers = {service: (await world.key(world.tenant, f"{service}:read"))[1] for service in SERVICES}
    others = dict(zip(SERVICES, (*SERVICES[1:], SERVICES[0]), strict=True))

    for each in _secured():
        header = readers[each.service] if each.mode == "write" else readers[others[each.service]]
        answer = await world.client.request(each.method, each.url(estate, world.tenant), json={}, headers=header)
        assert answer.status_code == 403, (each, answer.text)


async def test_what_needs_no_key_tells_nothing_to_who_has_no_token_and_no_signature(estate: Estate, world: World) -> None:
    await _furnish(world)
    for each in set(_operations()) - set(_secured()):
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.request(each.method, each.url(estate, world.tenant), data={"a": "b"} if each.mode == "write" else None)
        assert answer.status_code in REFUSED_WITHOUT_SIGNATURE, (each, answer.status_code)
        assert world.tenant not in answer.text


async def _furnish(world: World) -> None:
    """Things that another creditor might want to see."""
    await world.publish(world.account("a1"), world.invoice("a1", "R-1"), world.payment("a1", "p1", "R-1", minor=1_000))
    await world.publish(world.dispute("a1", "d1", "R-1"))
    await world.settle()
