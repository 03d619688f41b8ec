"""SIGKILL of every service while it works, again and again: nothing is lost and nothing is sent twice. The inbox is the truth."""

import asyncio
from collections import Counter

from tests.e2e.estate import SERVICES, Estate
from tests.e2e.world import World

POLICY = """
policy: plain
version: 1
steps:
  - {when: due, stage: friendly, channels: [email]}
"""
KILLS = 3
"""Of each service."""
LEAST = 300
"""Accounts that are reminded, however fast the kills go."""
PAYS = 7
"""Every so manieth account pays at once, so that stop and send race."""


async def test_killed_services_lose_nothing_and_send_nothing_twice(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    killed = asyncio.Event()
    invoicing = asyncio.ensure_future(_invoice(world, killed))
    await asyncio.gather(*(_kill_again_and_again(estate, service, 0.8 + 0.7 * place) for place, service in enumerate(SERVICES)))
    killed.set()
    count = await invoicing
    await world.settle(90)
    await _nothing_under_way(world)

    received = Counter(message.to for message in estate.inbox.received)
    heard = {number: received[world.address(f"a{number}")] for number in range(count)}

    assert [number for number, times in heard.items() if times > 1] == []
    assert [number for number, times in heard.items() if not times and number % PAYS] == []
    assert await _silent_without_reason(world, [f"a{number}" for number, times in heard.items() if not times]) == []
    assert await estate.broken_invariants() == []


async def _invoice(world: World, killed: asyncio.Event) -> int:
    """An invoice that is due today for one account after the other, for as long as services are killed; how many accounts that were."""
    number = 0
    while number < LEAST or not killed.is_set():
        account = f"a{number}"
        await world.publish(world.account(account), world.invoice(account, f"R-{number}"))
        if number % PAYS == 0:
            await world.publish(world.payment(account, f"p{number}", f"R-{number}"))
        number += 1
        await asyncio.sleep(0.04)
    return number


async def _kill_again_and_again(estate: Estate, service: str, after: float) -> None:
    """Each time `after` seconds into its work, and back to work."""
    for _ in range(KILLS):
        await asyncio.sleep(after)
        estate.processes[service].kill()
        await estate.start(service)


async def _nothing_under_way(world: World) -> None:
    """Until every call that a kill interrupted has been looked for at its provider."""
    async with asyncio.timeout(60):
        while any(message["status"] in ("pending", "claimed", "unknown") for message in await world.every("notifier", "/messages")):
            await asyncio.sleep(0.3)


async def _silent_without_reason(world: World, silent: list[str]) -> list[str]:
    """Accounts that heard nothing although neither scheduler nor notifier recorded that they owe nothing."""
    decided = {row["account_id"]: row["reason"] for row in await world.every("scheduler", "/decisions")}
    ended = {row["account_id"]: row["reason"] for row in await world.every("notifier", "/messages")}
    return [account for account in silent if "settled" not in (decided.get(account), ended.get(account))]
