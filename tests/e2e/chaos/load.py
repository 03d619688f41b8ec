"""The load: one account after the other with an invoice that is due today, so many a second; stops are fired at some of them."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable

from google.protobuf.message import Message

from paycue.bus.bus import BusError
from paycue.bus.envelope import Outgoing
from paycue.events.v1.account_pb2 import AccountRegistered
from paycue.events.v1.common_pb2 import CONTACT_KIND_PHONE, ContactPoint
from tests.e2e.chaos.book import Channel, Debt
from tests.e2e.chaos.site import Site
from tests.e2e.world import World

_TICK = 0.05
_AGAIN = 0.2
_MOST_RACING = 500
"""More stops at a time would say more of this machine than of the services."""
_JOINT = 8
"""Every so manieth account has two invoices and one message for both."""
AMOUNT = 10_000
Fires = Callable[[Debt], Awaitable[None]]


class Load:
    """Publishes debts. Every `races_every`-th is one that a stop is fired at."""

    def __init__(self, site: Site, fire: Fires, *, races_every: int) -> None:
        self._site, self._fire, self.races_every = site, fire, races_every
        self._numbers = itertools.count()
        self.races = 0
        self._racing: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, over: Callable[[], bool]) -> None:
        """`rate` debts a second until `over` says so, fewer while very many stops wait. What a slow moment left out is made up for."""
        started, made = time.monotonic(), 0
        while not over():
            wanted = int((time.monotonic() - started) * rate) - made
            if wanted > 0 and len(self._racing) < _MOST_RACING:
                await self._publish([self._debt() for _ in range(min(wanted, int(rate)))])
                made += wanted
            await asyncio.sleep(_TICK)

    async def raced(self) -> None:
        """Until every stop is fired and answered."""
        while self._racing:
            await asyncio.gather(*self._racing)

    def _debt(self) -> Debt:
        number, book = next(self._numbers), self._site.book
        world = self._site.joint if number % _JOINT == 0 else self._site.plain
        channel: Channel = "sms" if book.rng.random() < 0.4 else "email"
        account = f"a{number}"
        address = world.address(account) if channel == "email" else f"+4915{number:09d}"
        invoices = {f"R-{number}-{part}": AMOUNT for part in range(2 if world is self._site.joint else 1)}
        return Debt(world.tenant, account, channel, address, invoices, book.scenario)

    async def _publish(self, debts: list[Debt]) -> None:
        site, raced = self._site, debts[:: self.races_every] if self.races_every else []
        worlds = {world.tenant: world for world in site.worlds}
        site.book.debts |= {debt.address: debt for debt in debts}
        await publish(site.plain, [worlds[debt.tenant].record(event) for debt in debts for event in _events(worlds[debt.tenant], debt)])
        for debt in debts:
            debt.published = time.monotonic()
        for debt in raced:
            self.races += 1
            task = asyncio.ensure_future(self._fire(debt))
            self._racing.add(task)
            task.add_done_callback(self._racing.discard)


def _events(world: World, debt: Debt) -> Iterable[Message]:
    account: AccountRegistered = world.account(debt.account)
    if debt.channel == "sms":
        account.contact_points[0].CopyFrom(ContactPoint(kind=CONTACT_KIND_PHONE, address=debt.address))
    yield account
    for invoice, minor in debt.invoices.items():
        yield world.invoice(debt.account, invoice, minor=minor)


async def publish(world: World, records: list[Outgoing], within: float = 90.0) -> None:
    """Put records on their topics as an ERP does: under the same ids until the broker has them."""
    deadline = time.monotonic() + within
    while True:
        try:
            return await world.bus.publish(records)
        except BusError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_AGAIN)
