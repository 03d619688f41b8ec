"""Records that cannot be folded, on real topics: a dead letter each with its reason, their account parked and no other, and what an
operator does then: list, show, replay, discard.
"""

import re

import httpx2
import pytest
from msgspec.structs import replace

from paycue.bus.envelope import Headers, Outgoing
from paycue.events.v1.account_pb2 import AccountRegistered
from tests.e2e.estate import Estate
from tests.e2e.processes import paycue
from tests.e2e.world import World

POLICY = """
policy: plain
version: 1
steps:
  - {when: due, stage: friendly, channels: [email]}
"""
PACKAGE = "paycue.events"


def _with(headers: Headers, name: str, value: str) -> Headers:
    return tuple((key, value.encode() if key == name else old) for key, old in headers)


def _bad(world: World, kind: str) -> Outgoing:
    """A record of account `bad` that cannot be folded."""
    good = world.record(world.invoice("bad", "R-1"))
    return {
        "malformed": replace(good, value=b"\xff\xff\xff"),
        "empty": replace(good, value=b""),
        "unknown type": replace(good, headers=_with(good.headers, "ce_type", f"{PACKAGE}.v1.InvoiceBurnt")),
        "newer schema": replace(good, headers=_with(good.headers, "ce_type", f"{PACKAGE}.v2.InvoiceIssued")),
        "header": replace(good, headers=()),
    }[kind]


@pytest.mark.parametrize("kind", ["malformed", "empty", "unknown type", "newer schema", "header"])
async def test_a_record_that_cannot_be_folded_parks_its_account_and_no_other(estate: Estate, world: World, kind: str) -> None:
    await world.policy(POLICY)
    before = await _counted(estate, "payments")

    await world.bus.publish([_bad(world, kind)])
    await world.publish(*(event for name in ("bad", "good") for event in (world.account(name), world.invoice(name, "R-2"))))
    await world.settle()

    reasons = {service: await _reasons(estate, service, world) for service in ("scheduler", "payments", "disputes")}
    assert all(re.search("malformed" if kind in ("empty", "header") else kind, "".join(found)) for found in reasons.values()), reasons
    assert len(world.mails("good")) == 1
    assert world.mails("bad") == []
    assert (await world.get("scheduler", "/accounts/bad"))["parked_since"] is not None
    assert await _counted(estate, "payments") == before + 1


@pytest.mark.parametrize("kind", ["wrong tenant", "not tenant:account"])
async def test_a_record_of_nobody_is_a_dead_letter_and_parks_nobody(estate: Estate, world: World, kind: str) -> None:
    await world.policy(POLICY)
    good = world.record(world.invoice("good", "R-1"))
    foreign = AccountRegistered(tenant_id="somebody-else", account_id="good", version=7)
    bad = {
        "wrong tenant": replace(world.record(foreign), key=good.key, partition=good.partition),
        "not tenant:account": replace(good, key=f"{world.tenant.upper()}/good".encode()),
    }[kind]

    await world.bus.publish([bad])
    await world.publish(world.account("good"), world.invoice("good", "R-2"))
    await world.settle()

    assert kind in await estate.run("dead-letters", "list", "--service", "scheduler")
    assert len(world.mails("good")) == 1


async def test_a_parked_account_goes_on_where_it_stopped_once_its_letter_is_discarded(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    await world.publish(world.account("bad"))
    await world.bus.publish([_bad(world, "malformed")])
    await world.publish(world.invoice("bad", "R-2"))
    await world.settle()
    assert world.mails("bad") == []

    for service in ("scheduler", "payments", "disputes"):
        letter = await _letter(estate, service, world)
        shown = await estate.run("dead-letters", "show", service, letter)
        refused = await paycue("dead-letters", "replay", service, letter, variables=estate.environment)
        discarded = await estate.run("dead-letters", "discard", service, letter)
        assert "erp.invoices.v1/" in shown
        assert (refused.status, "nothing was changed" in refused.err, "Traceback" in refused.err) == (1, True, False)
        assert "1 records were folded" in discarded
    await world.settle()

    assert ["R-2" in text for text in world.mails("bad")] == [True]
    assert await _reasons(estate, "scheduler", world) == []


async def test_a_letter_that_a_later_fact_mends_is_folded_when_it_is_replayed(estate: Estate, world: World) -> None:
    """The same event id with other content is poison; once discarded, the id's first content stands and nothing else is lost."""
    first = world.record(world.invoice("bad", "R-1"), "reused")
    await world.bus.publish([first, world.record(world.invoice("bad", "R-9"), "reused")])
    await world.publish(world.invoice("bad", "R-2"))
    await world.settle()

    letter = await _letter(estate, "payments", world)
    await estate.run("dead-letters", "discard", "payments", letter)
    await world.settle()

    assert [invoice["invoice_id"] for invoice in await world.every("payments", "/invoices")] == ["R-1", "R-2"]


async def test_a_letter_that_nobody_has_is_told_in_one_sentence(estate: Estate) -> None:
    ended = await paycue("dead-letters", "show", "payments", "999999", variables=estate.environment)

    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "no unresolved dead letter 999999" in ended.err


async def _listed(estate: Estate, service: str, world: World) -> list[list[str]]:
    """The lines of `dead-letters list` of this creditor."""
    wide = {**estate.environment, "COLUMNS": "400"}
    ended = await paycue("dead-letters", "list", "--service", service, variables=wide)
    assert ended.status == 0, ended.err
    return [line.split() for line in ended.out.splitlines() if f"{world.tenant}:" in line]


async def _reasons(estate: Estate, service: str, world: World) -> list[str]:
    return [" ".join(line[5:]) for line in await _listed(estate, service, world)]


async def _letter(estate: Estate, service: str, world: World) -> str:
    return (await _listed(estate, service, world))[0][1]


async def _counted(estate: Estate, service: str) -> float:
    """paycue_dead_letters_total of a service, over its topics."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{estate.urls[service]}/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("paycue_dead_letters_total{"))
