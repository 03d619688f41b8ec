"""What a simulation saw, put in order: claims as they were committed, and what the topics said and when.

Places are those of the trace: of two things the later one has the higher place. Everything is read as it happens, once.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from paycue.bus.directory import Creditor
from paycue.bus.envelope import Envelope, Record, decode
from paycue.events.v1 import account_pb2, dispute_pb2, payment_pb2, reminder_pb2, stop_pb2
from paycue.ids import account_key
from paycue.testing.memory_tables import GONE, Changes
from paycue.testing.virtual_loop import process
from services.notifier.domain.gate import Gate, Line
from tests.simulation.estate import Estate

Key = tuple[str, str]
_NEVER = datetime.min.replace(tzinfo=UTC)
GARBAGE = b"\xff\xff"
_RECEIPT = stop_pb2.StopReceipt.DESCRIPTOR.full_name


class Claim(msgspec.Struct, frozen=True):
    """A claim as it was committed."""

    place: int
    key: Key
    reminder_id: str
    call_id: str
    channel: str
    recipient: str
    lines: tuple[Line, ...]
    claimed_at: datetime
    """By the clock of the process that claimed it, which is ahead of the truth by `skew`."""
    skew: timedelta


class Receipt(msgspec.Struct, frozen=True):
    """A stop that was acknowledged, at the place where its receipt came to its topic."""

    place: int
    effective: int
    """Where the notifier decided it: what is claimed from here on has seen the stop."""
    key: Key
    stop_id: str
    kind: int
    invoice_ids: tuple[str, ...]
    in_flight: tuple[str, ...]
    none_after: datetime
    """By the clock that the calls in flight were claimed with: none of them starts later."""


class Told(msgspec.Struct, frozen=True):
    """A balance as payments published it."""

    place: int
    version: int
    open_minor: int


class History:
    """Reads along."""

    def __init__(self, estate: Estate) -> None:
        self._estate, self._decode = estate, msgspec.msgpack.Decoder(Gate).decode
        self.claims: dict[str, Claim] = {}
        self.receipts: dict[tuple[str, Key], Receipt] = {}
        """By stop and account: a number, or a creditor, may be stopped as a whole."""
        self.balances: defaultdict[tuple[Key, str], dict[int, Told]] = defaultdict(dict)
        self.answers: dict[str, int] = {}
        """Cause of a payment or a dispute -> where its answer stands: applied, rejected, refused."""
        self.registered: dict[str, list[str]] = defaultdict(list)
        """Cause -> the disputes registered under it."""
        self.resolved: dict[tuple[Key, str], list[int]] = defaultdict(list)
        self.states: defaultdict[Key, dict[int, tuple[int, account_pb2.AccountState]]] = defaultdict(dict)
        self.due: dict[str, tuple[datetime, reminder_pb2.ReminderDue]] = {}
        """Reminders by id, with the instant of their decision as the scheduler's clock told it."""
        self.standings: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        """Creditor -> since when, as the notifier's own directory has it, and why it is suspended; empty: it is not."""
        self.envelopes: list[tuple[int, Record, Envelope | None]] = []
        self._read, self._effective = 0, dict[tuple[str, bytes], int]()
        estate.houses["notifier"].tables.watchers.append(self._committed)

    def _committed(self, changes: Changes) -> None:
        self._directory(changes)
        for event in changes.get("outbox", {}).values():
            if event is not GONE and event.type == _RECEIPT:
                self._effective.setdefault((stop_pb2.StopReceipt.FromString(event.value).stop_id, event.key), self._estate.trace.place)
        calls = {owned.row.call_id for owned in changes.get("message", {}).values() if owned.row.what == "claimed"}
        if not calls:
            return
        for key, row in changes["account"].items():
            for message in self._decode(row.doc).messages:
                if message.call_id in calls and message.status == "claimed":
                    told = (
                        message.reminder_id,
                        message.call_id,
                        message.channel,
                        message.recipient,
                        message.covered,
                        message.claimed_at or _NEVER,
                        self._estate.skew_of(process()),
                    )
                    self.claims[message.call_id] = Claim(self._estate.trace.place, key, *told)

    def read(self) -> None:
        """Take in what came to the topics since the last time."""
        records, self._read = self._estate.records[self._read :], len(self._estate.records)
        for place, record in records:
            envelope = None if record.topic == "operator.directory.v1" or record.value == GARBAGE else decode(record)
            self.envelopes.append((place, record, envelope))
            if envelope is not None:
                self._take(place, envelope, (envelope.tenant, envelope.account), envelope.event)

    def _take(self, place: int, envelope: Envelope, key: Key, event: Any) -> None:
        match event:
            case stop_pb2.StopReceipt():
                told = (event.stop_id, event.kind, tuple(event.invoice_ids), tuple(event.calls_in_flight), _at(event))
                effective = self._effective[event.stop_id, account_key(*key)]
                self.receipts.setdefault((event.stop_id, key), Receipt(place, effective, key, *told))
            case payment_pb2.InvoiceSettled() | payment_pb2.InvoiceReopened():
                self._balance(place, key, event.balance)
            case payment_pb2.BalanceChanged():
                for balance in event.balances:
                    self._balance(place, key, balance)
            case payment_pb2.PaymentApplied() | payment_pb2.PaymentRejected() | dispute_pb2.DisputeRefused():
                self.answers.setdefault(event.cause_id, place)
            case dispute_pb2.DisputeRegistered():
                self.registered[event.cause_id].append(event.dispute_id)
            case dispute_pb2.DisputeResolved():
                self.resolved[key, event.dispute_id].append(place)
            case account_pb2.AccountState():
                self.states[key].setdefault(event.version, (place, event))
            case reminder_pb2.ReminderDue():
                self.due.setdefault(event.reminder_id, (envelope.time, event))

    def _directory(self, changes: Changes) -> None:
        entries = changes.get("directory", {}).items()
        for entry_id, doc in ((entry_id, doc) for entry_id, doc in entries if entry_id.startswith("creditor:")):
            creditor = msgspec.msgpack.decode(doc, type=Creditor)
            self.standings[entry_id.removeprefix("creditor:")].append((self._estate.trace.place, creditor.suspended))

    def suspended(self, tenant: str, place: int) -> bool:
        """Whether the notifier knew, at this place of the trace, that nothing may leave for a creditor."""
        known = [suspended for since, suspended in self.standings[tenant] if since < place]
        return not known or bool(known[-1])

    def _balance(self, place: int, key: Key, balance: payment_pb2.InvoiceBalance) -> None:
        self.balances[key, balance.invoice_id].setdefault(balance.version, Told(place, balance.version, balance.open_minor))


def _at(event: stop_pb2.StopReceipt) -> datetime:
    return event.none_started_after.ToDatetime(tzinfo=UTC)
