"""Reads what the services publish, from the beginning, as any consumer would: receipts of stops, outcomes of reminders, and whether one
account's events stand in their order.

What a relay sends twice after a crash carries the same event id; only its first coming counts, as in every inbox.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from google.protobuf.message import Message

from paycue.bus.envelope import header
from paycue.bus.topics import event_classes
from paycue.events.v1.account_pb2 import AccountState
from paycue.events.v1.message_pb2 import ReminderSent, ReminderUnknown
from paycue.events.v1.payment_pb2 import BalanceChanged, InvoiceReopened, InvoiceSettled
from paycue.events.v1.stop_pb2 import StopReceipt
from tests.e2e.chaos.book import Book

TOPICS = ("stops.receipts.v1", "reminders.outcomes.v1", "payments.events.v1", "disputes.events.v1", "accounts.state.v1")
Account = tuple[str, str]


class Listener:
    """What was heard so far."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._known: set[str] = set()
        self._versions: dict[tuple[str, ...], int] = {}
        self.inversions: list[str] = []
        """Events of one account that came out of order, in words."""
        self.outcomes: dict[Account, list[Message]] = defaultdict(list)
        self.receipts: dict[Account, StopReceipt] = {}

    async def listen(self, servers: str) -> None:
        """Until cancelled, through restarts of the broker."""
        while True:
            reader = AIOKafkaConsumer(
                *TOPICS, bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=20
            )
            try:
                await reader.start()
                async for record in reader:
                    self.hear(record)
            except KafkaError:
                await asyncio.sleep(0.2)
            finally:
                await reader.stop()

    def hear(self, record: Any) -> None:
        """One record; what came before under the same id is passed over."""
        at = time.monotonic()
        headers = tuple((name, value or b"") for name, value in record.headers)
        kind, event_id = header(headers, "ce_type") or "", header(headers, "ce_id") or ""
        if kind not in event_classes() or event_id in self._known:
            return
        self._known.add(event_id)
        event = event_classes()[kind].FromString(record.value)
        account: Account = (event.tenant_id, event.account_id)  # type: ignore[attr-defined]
        if isinstance(event, StopReceipt):
            self._acknowledge(account, event, at)
        elif record.topic == "reminders.outcomes.v1":
            self.outcomes[account].append(event)
        for name, version in _versions(event):
            self._in_order((record.topic, *account, name), version)

    def _acknowledge(self, account: Account, receipt: StopReceipt, at: float) -> None:
        self.receipts[account] = receipt
        stop = self._book.stops.get(account)
        if stop is not None:
            stop.acknowledge(at, receipt.calls_in_flight, receipt.none_started_after.ToDatetime(UTC))

    def _in_order(self, of: tuple[str, ...], version: int) -> None:
        if version < (before := self._versions.get(of, version)):
            self.inversions.append(f"{' '.join(of)}: version {version} after {before}")
        self._versions[of] = version

    def unknown(self, account: Account) -> Iterator[str]:
        """How each call of an account's reminders that nobody could tell about was resolved."""
        events = self.outcomes.get(account, [])
        for place, event in enumerate(events):
            if isinstance(event, ReminderUnknown):
                yield _resolution(event, events[place + 1 :])


def _resolution(unknown: ReminderUnknown, later: list[Message]) -> str:
    """What the events after it say of the same reminder."""
    for event in later:
        if event.reminder_id != unknown.reminder_id or isinstance(event, ReminderUnknown):  # type: ignore[attr-defined]
            continue
        if isinstance(event, ReminderSent):
            return "found accepted" if event.message_id == unknown.message_id else "found not accepted, sent again"
        return "found not accepted, not sent again"
    return "cannot tell"


def _versions(event: Message) -> Iterator[tuple[str, int]]:
    """What of an event grows, and how far it has."""
    if isinstance(event, BalanceChanged):
        yield from ((f"invoice {balance.invoice_id}", balance.version) for balance in event.balances)
    elif isinstance(event, InvoiceSettled | InvoiceReopened):
        yield f"invoice {event.balance.invoice_id}", event.balance.version
    elif isinstance(event, AccountState):
        yield "state", event.version
    elif hasattr(event, "dispute_id") and hasattr(event, "version"):
        yield f"dispute {event.dispute_id}", event.version


@asynccontextmanager
async def listening(servers: str, book: Book) -> AsyncIterator[Listener]:
    """A listener at work."""
    listener = Listener(book)
    work = asyncio.get_running_loop().create_task(listener.listen(servers))
    try:
        yield listener
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
