"""SIGKILL of every service while it works, again and again: nothing is lost and nothing is sent twice. The inbox is the truth."""

import asyncio
from collections import Counter

from tests.e2e.estate import SERVICES, Estate
from tests.e2e.world import World, today

POLICY = """
policy: plain
version: 1
steps:
  - {when: due, stage: friendly, channels: [email]}
"""
ACCOUNTS = 400
PAID = 7
"""Every so manieth account pays while its reminder is under way."""


async def test_killed_services_lose_nothing_and_send_nothing_twice(estate: Estate, world: World) -> None:
    await world.policy(POLICY)
    before = estate.inbox.count

    async with asyncio.TaskGroup() as group:
        invoicing = group.create_task(_invoice(world))
        for place, service in enumerate(SERVICES):
            group.create_task(_kill_again_and_again(estate, service, 0.8 + 0.9 * place, invoicing))
    await world.settle(90)
    await _resolved(world)

    received = Counter(message.to for message in estate.inbox.received[-(estate.inbox.count - before) :])
    unpaid = {world.address(f"a{number}") for number in range(ACCOUNTS) if number % PAID}
    assert {address for address, count in received.items() if count > 1} == set()
    assert unpaid - received.keys() == set()
    assert await _silent_without_reason(world, received) == []


async def _invoice(world: World) -> None:
    """An invoice that is due today for each account, a few at a time; some are paid at once, so that stop and send race."""
    for number in range(ACCOUNTS):
        account = f"a{number}"
        await world.publish(world.account(account), world.invoice(account, f"R-{number}", due=today()))
        if number % PAID == 0:
            await world.publish(world.payment(account, f"p{number}", f"R-{number}"))
        await asyncio.sleep(0.04)


async def _kill_again_and_again(estate: Estate, service: str, after: float, working: "asyncio.Task[None]") -> None:
    """Three kills, the first `after` seconds into the work, each of a service that is back at work."""
    for _ in range(3):
        await asyncio.sleep(after)
        estate.processes[service].kill()
        await estate.start(service)
    assert service in SERVICES
    await working


async def _resolved(world: World) -> None:
    """Until no message is under way: what a kill interrupted has been looked for at the provider."""
    async with asyncio.timeout(60):
        while any(message["status"] in ("pending", "claimed", "unknown") for message in await world.every("notifier", "/messages")):
            await asyncio.sleep(0.3)


async def _silent_without_reason(world: World, received: Counter[str]) -> list[str]:
    """Accounts that heard nothing although nothing recorded says why."""
    decided = {row["account"]: row for row in await world.every("scheduler", "/decisions")}
    skipped = {row["account"]: row["reason"] for row in await world.every("notifier", "/messages") if row["status"] == "skipped"}
    silent = [f"a{number}" for number in range(ACCOUNTS) if not received[world.address(f"a{number}")]]
    return [account for account in silent if "settled" not in (skipped.get(account), decided[account]["reason"])]
