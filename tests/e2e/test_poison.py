"""Records that cannot be folded, on real topics: a dead letter each with its reason, their account parked and no other, and what an
operator does then: list, show, replay, discard.
"""

import re

import asyncpg
import httpx2
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


def _with(headers: Headers, name: str, value: str) -> Headers:
    return tuple((key, value.encode() if key == name else old) for key, old in headers)


def _poison(world: World) -> dict[str, Outgoing]:
    """Records of accounts named as what is wrong with them. The first four park their account, the others nobody's."""
    good = {
        kind: world.record(world.invoice(kind, "R-1")) for kind in ("malformed", "no-header", "unknown-type", "newer-schema", "not-a-key")
    }
    foreign = world.record(AccountRegistered(tenant_id="somebody-else", account_id="wrong-tenant", version=7))
    ours = world.record(world.account("wrong-tenant"))
    return {
        "malformed": replace(good["malformed"], value=b"\xff\xff\xff"),
        "no-header": replace(good["no-header"], headers=()),
        "unknown-type": _typed(good["unknown-type"], "v1.InvoiceBurnt"),
        "newer-schema": _typed(good["newer-schema"], "v2.InvoiceIssued"),
        "wrong-tenant": replace(foreign, key=ours.key, partition=ours.partition),
        "not-a-key": replace(good["not-a-key"], key=f"{world.tenant}/good".encode()),
    }


def _typed(record: Outgoing, kind: str) -> Outgoing:
    return replace(record, headers=_with(record.headers, "ce_type", f"paycue.events.{kind}"))


async def test_records_that_cannot_be_folded_park_their_accounts_and_no_others(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    before, bad = await _counted(estate, "payments"), _poison(world)

    await world.bus.publish(list(bad.values()))
    await world.publish(*(event for name in (*bad, "good") for event in (world.account(name), world.invoice(name, "R-2"))))
    await world.settle()

    listed = await estate.run("dead-letters", "list")
    parked = {name for name in bad if (await world.get("scheduler", f"/accounts/{name}"))["parked_since"]}
    reminded = {name for name in (*bad, "good") if world.mails(name)}
    assert parked == {"malformed", "no-header", "unknown-type", "newer-schema"}
    assert reminded == {"wrong-tenant", "not-a-key", "good"}
    assert _missing(listed, world) == []
    assert await _counted(estate, "payments") == before + 5


def _missing(listed: str, world: World) -> list[str]:
    """What the list of dead letters does not tell of the records above."""
    wanted = {
        f"account {world.tenant}:{name} is parked: .*{reason}"
        for name, reason in (
            ("malformed", "malformed"),
            ("no-header", "malformed"),
            ("unknown-type", "unknown type"),
            ("newer-schema", "newer schema"),
        )
    }
    wanted |= {"no account is parked: wrong tenant", "no account is parked: .*not tenant:account"}
    services = {pattern: 1 if pattern.endswith("wrong tenant") else 3 for pattern in wanted}
    return [pattern for pattern, count in services.items() if len(re.findall(pattern, listed)) < count]


async def test_a_letter_is_shown_and_replayed_once_its_cause_is_mended_and_its_account_goes_on(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    await world.publish(world.account("newer-schema"))
    await world.bus.publish([_poison(world)["newer-schema"]])
    await world.publish(world.invoice("newer-schema", "R-2"))
    await world.settle()
    letter = await _letter(estate, "scheduler", world)

    shown = await estate.run("dead-letters", "show", "scheduler", letter)
    refused = await paycue("dead-letters", "replay", "scheduler", letter, variables=estate.environment)
    held = world.mails("newer-schema")
    await _understand(estate, "scheduler")
    replayed = await estate.run("dead-letters", "replay", "scheduler", letter)
    await world.settle()

    assert "erp.invoices.v1/" in shown
    assert "paycue.events.v2.InvoiceIssued" in shown
    assert (refused.status, refused.err.count("\n"), held) == (1, 1, [])
    assert "nothing was changed" in refused.err
    assert "2 records were folded" in replayed
    assert sorted(name for text in world.mails("newer-schema") for name in ("R-1", "R-2") if name in text) == ["R-1", "R-2"]


async def test_a_letter_that_is_discarded_lets_its_account_go_on_behind_it(estate: Estate, world: World) -> None:
    await world.bus.publish([_poison(world)["malformed"]])
    await world.publish(world.invoice("malformed", "R-2"), world.payment("malformed", "p1", "R-2"))
    await world.settle()
    waiting = await world.every("payments", "/invoices")

    discarded = await estate.run("dead-letters", "discard", "payments", await _letter(estate, "payments", world))
    await world.settle()

    assert waiting == []
    assert "2 records were folded" in discarded
    assert [(each["invoice_id"], each["status"]) for each in await world.every("payments", "/invoices")] == [("R-2", "settled")]


async def test_a_letter_that_nobody_has_is_told_in_one_sentence(estate: Estate) -> None:
    ended = await paycue("dead-letters", "show", "payments", "999999", variables=estate.environment)

    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "no unresolved dead letter 999999" in ended.err


async def _letter(estate: Estate, service: str, world: World) -> str:
    """The id of this creditor's one letter."""
    listed = await estate.run("dead-letters", "list", "--service", service)
    (found,) = re.findall(rf"^{service} (\d+): .*account {world.tenant}:", listed, re.MULTILINE)
    return str(found)


async def _understand(estate: Estate, service: str) -> None:
    """As if a release of the service were deployed that knows the newer type: its letters are read as this release's."""
    connection = await asyncpg.connect(estate.database_url)
    try:
        await connection.execute(
            f"""update {service}.dead_letter set headers = replace(headers::text, 'events.v2.', 'events.v1.')::jsonb
                where resolved_at is null"""
        )
    finally:
        await connection.close()


async def _counted(estate: Estate, service: str) -> float:
    """paycue_dead_letters_total of a service, over its topics."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{estate.urls[service]}/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("paycue_dead_letters_total{"))
