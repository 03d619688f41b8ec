"""What a running service is given from outside: the world that services of one process share, the store, and whoever makes its calls."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from paycue.bus.bus import Bus
from paycue.bus.feeds import FRESH_SECONDS
from paycue.bus.flow import Flow
from paycue.bus.outbox import PACE_SECONDS
from paycue.bus.postgres import PostgresStore
from paycue.bus.store import Store
from paycue.clock import Clock
from paycue.db.engine import Database
from paycue.db.schema import service_role

if TYPE_CHECKING:
    from paycue.app import Service


class Outbound(Protocol):
    """Makes a service's provider calls after their claim is committed."""

    async def start(self) -> None: ...
    def take(self, wanted: int) -> int:
        """Keep room for at most so many calls that a batch may claim; how many."""

    def give_back(self, taken: int) -> None:
        """The batch's calls are handed out, or there are none."""

    def submit(self, calls: Sequence[Any], began: float) -> None:
        """Take committed calls; never blocks. `began`: the event loop's time before they were claimed, from which deadlines count."""

    async def stop(self) -> None:
        """Finish the calls in hand and record their outcomes."""


def on_postgres(service: "Service", settings: Any) -> Store:
    """The store of a service on the database of its settings."""
    role = settings.database_role or service_role(service.name)
    database = Database(settings.database_url, role, pool_size=service.pool_size, name=f"paycue-{service.name}")
    return PostgresStore(service.store, database)


class World:
    """What services of one process share: a bus, a clock, the count of what is on its way, and where they keep what they know."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        flow: Flow,
        keep: Callable[["Service", Any], Store] = on_postgres,
        *,
        fresh_seconds: float = FRESH_SECONDS,
        pace: float = PACE_SECONDS,
    ) -> None:
        """`fresh_seconds`: how old a stop feed may be before nothing is claimed any more. `pace`: seconds in which relays gather events."""
        self.bus, self.clock, self.flow, self.keep, self.fresh_seconds, self.pace = bus, clock, flow, keep, fresh_seconds, pace
