"""A due storm: reminders whose timers are all due at once, on an installation that has folded their invoices long before.

The services are frozen, the policy is put in force through the scheduler's own store, and the clock runs from the thaw: claim the
timer, decide, outbox, notifier, claim under the gate, send nowhere, outcome.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from bench.figures import Run
from bench.fill import fill
from bench.product import PAIR, TENANT, Installation, drained, installed, invoice
from paycue.alarm import IDLE_SECONDS
from paycue.bus.postgres import PostgresStore
from paycue.db.engine import Database
from paycue.db.schema import service_role
from paycue.local.stack import LocalStack
from services.scheduler.domain.policy import Policy, Step
from services.scheduler.store import STORE, publish_policy

During = Callable[[Installation], AbstractAsyncContextManager[None]]
"""What goes on beside the storm and is looked at when it is over."""
STORM = Policy("storm", 1, (Step("due", 0, "friendly", ("email",)),))


@asynccontextmanager
async def asleep(house: Installation) -> AsyncIterator[None]:
    """Nothing else goes on."""
    yield


async def storm_run(stack: LocalStack, count: int, others: int = 0, during: During = asleep) -> Run:
    """One storm of `count` reminders, each of another account, in tables that hold `others` accounts besides. Raises Noisy."""
    async with installed(stack, PAIR) as house:
        await loaded(house, count)
        for service in PAIR if others else ():
            await fill(house.url, service, others, "a0")
        async with during(house):
            return await drained(house, [], count, lambda: in_force(house))


async def loaded(house: Installation, count: int, due_in: int = 0) -> None:
    """`count` accounts with an invoice each, folded; without a policy nothing is due yet."""
    await house.accounts(count)
    await house.publish([house.record(invoice(n, n, due_in=due_in), f"invoice-{n}") for n in range(count)])
    await house.workers["scheduler"].until("InvoiceIssued", count)
    await asyncio.sleep(0.5)


async def in_force(house: Installation) -> None:
    """What publishing a policy through the API does, while nobody can answer: every account is to be asked now.

    The API would wake the scheduler too. Its longest sleep ends while it is frozen, so that nobody's sleep is measured.
    """
    store = PostgresStore(STORE, Database(house.url, service_role("scheduler"), pool_size=1))
    async with store.transaction([TENANT]) as unit:
        await publish_policy(unit, TENANT, STORM, datetime.now(UTC))
    await store.close()
    await asyncio.sleep(IDLE_SECONDS)
