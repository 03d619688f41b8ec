"""What folding asks of a store: accounts under lock, claimed ids, an outbox, timers, dead letters, the directory; in one transaction.

PostgreSQL is one (`paycue.bus.postgres`), memory another (`paycue.testing.memory_store`); one conformance suite holds both. What
only lists, reports and the API ask for is SQL and PostgreSQL's alone.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from paycue.bus.batch import Aside, Input
from paycue.bus.envelope import Envelope, Pending, Record
from paycue.bus.flow import TopicPartition
from paycue.db.accounts import AccountStore, Key, Loaded
from paycue.db.bulk import Owned
from paycue.db.engine import Connection
from paycue.observability.invariants import Invariant, Violation
from paycue.receipt import Receipt

Claim = Literal["new", "duplicate", "reused"]


class Letter(msgspec.Struct, frozen=True):
    """A dead letter that nobody has resolved; `id` counts dead letters and parked records in one order."""

    id: int
    record: Record
    reason: str
    at: datetime
    tenant: str | None
    account: str | None
    parked: bool


class Health(msgspec.Struct, frozen=True):
    """What the tables say at one moment: events that wait for the relay, open dead letters, accounts they park, the earliest timer."""

    outbox: int
    letters: int
    parked: int
    next_due: datetime | None


class Unit(Protocol):
    """One transaction. It sees the rows of the tenants it was opened for, and takes effect whole or not at all."""

    @property
    def tx(self) -> Connection:
        """The connection behind it, for SQL of a service's own. Raises TypeError where there is none."""

    async def see_tenants(self, tenants: Iterable[str]) -> None:
        """Another tenant list: for what is claimed before its tenants are known."""

    async def lock_lanes(
        self, consumer: str, ends: dict[TopicPartition, int], envelopes: Sequence[Envelope] = (), keys: Collection[Key] = ()
    ) -> None:
        """Lock the lanes of a batch: of two processes that believe they own a partition, one waits, and then finds all claimed.

        `envelopes` are to be claimed and `keys` to be loaded next: a store may do so at once, in that order, and answer from it.
        """

    async def claim(self, envelopes: Sequence[Envelope]) -> list[Claim]:
        """For each envelope whether its id is new (now claimed), a duplicate, or reused with other content. Of types that the accounts'
        documents know (`AccountStore.knows`) all count as new.
        """

    async def load(self, wanted: Iterable[Key], lane_of: Callable[[Key], int]) -> dict[Key, Loaded]:
        """Lock the accounts wanted, in key order, creating what is missing on the lane that `lane_of` gives it."""

    async def save(self, states: dict[Key, Any], rows: Iterable[Owned], events: Sequence[Pending] = ()) -> None:
        """Write changed documents with their timers, the rows their decisions made, and events for the relay, in order."""

    async def claim_due(self, now: datetime, most: int, lanes: Collection[int] | None) -> list[Key]:
        """Lock up to `most` accounts of the lanes (None: of all) whose timer is due, skipping what another transaction holds."""

    async def park(self, keys: Sequence[Key], at: datetime | None) -> None:
        """Park accounts (`at`), or let them go on (None)."""

    async def keep(self, aside: Sequence[Aside], now: datetime) -> None:
        """Write dead letters and what waits behind them, numbered in the order it came. Raises TooMuchPoison."""

    async def buried(self, digests: Collection[bytes]) -> set[bytes]:
        """Which of these digests of records belong to dead letters, resolved or not."""

    async def letters_of(self, key: Key) -> list[Letter]:
        """The open dead letters of an account, oldest first."""

    async def take_parked(self, key: Key) -> list[tuple[int, Record]]:
        """Delete and return what waits behind an account, with its number."""

    async def resolve(self, letters: Sequence[int], now: datetime) -> None:
        """Close dead letters."""

    async def pinned(self, entry_ids: Sequence[str]) -> dict[str, bytes | None]:
        """These entries of the directory, kept from being changed until the transaction ends (None: there is none).

        Those that are being changed are left out.
        """

    async def write_entry(self, entry_id: str, doc: bytes) -> bool:
        """Put an entry of the directory; whether it differs from what stood there."""

    async def entries(self, entry_ids: Sequence[str]) -> dict[str, bytes]:
        """The entries of the directory that there are of these."""

    async def wake_tenant(self, tenant: str, now: datetime) -> None:
        """Ask every account of a tenant again: its policy or its creditor changed."""


class Outbox(Protocol):
    """One service's outbox in the hands of the one relay that may drain it."""

    async def waiting(self, most: int) -> list[tuple[int, Pending]]:
        """The first events, `most` and a few, in the order they were written, those of stop feeds before all others; each with the id of
        its row, which may hold several.
        """

    async def delete(self, ids: Sequence[int]) -> None:
        """Forget rows that the bus has acknowledged."""


class Store(Protocol):
    """Everything one service keeps. Raises what is transient (`paycue.db.engine.is_transient`) for what passes by itself."""

    accounts: AccountStore
    """What the accounts and rows of this service are."""

    def transaction(self, tenants: Iterable[str]) -> AbstractAsyncContextManager[Unit]:
        """A transaction that sees `tenants`: commits at the end; an exception or a cancellation leaves nothing of it."""

    def leading(self) -> AbstractAsyncContextManager[Outbox | None]:
        """The outbox, for as long as this process is the one that relays; None while another is."""

    async def next_due(self, lanes: Collection[int] | None = None) -> datetime | None:
        """The earliest timer of all tenants, on these lanes (None: on all); None when there is none."""

    async def entry(self, entry_id: str) -> bytes | None:
        """An entry of the directory."""

    async def tenants(self) -> list[str]:
        """Every creditor of the directory."""

    async def receipts(self, tenant: str, stop_id: str) -> list[Receipt]:
        """What is known of a stop that this service took: a receipt for each account."""

    async def letters(self, only: int | None = None) -> list[Letter]:
        """Open dead letters of all accounts, oldest first, 1,000 at most; `only` one of them by its id."""

    async def check(self) -> None:
        """Raises RuntimeError when the service's tables are not there."""

    async def health(self) -> Health: ...
    async def prune(self, tenants: Sequence[str], answers_before: datetime) -> None:
        """Forget what nobody can send again: old inbox ids, and answers kept for repeated requests."""

    async def violated(self, tenants: Sequence[str], invariants: Iterable[Invariant]) -> list[Violation]:
        """The invariants that do not hold for these tenants' rows."""

    async def close(self) -> None: ...


class References(Protocol):
    """What a service keeps per tenant and hands to its handlers as `ctx.reference`; `inputs` are what is to be folded."""

    async def __call__(self, unit: Unit, tenants: Sequence[str], inputs: Sequence[Input]) -> dict[str, Any]: ...


async def no_references(unit: Unit, tenants: Sequence[str], inputs: Sequence[Input]) -> dict[str, Any]:
    """For a service that keeps nothing per tenant."""
    return {}
