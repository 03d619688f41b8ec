"""The gate: the account's one document that says whether anything may leave, and what is on its way out.

Stops, balances, contact points and open messages stand in one row, so that a claim and a stop are decided under the same lock.
It never holds a message's text: that is rendered from the claim.
"""

from datetime import date, datetime, time
from typing import Literal

import msgspec

from services.notifier.domain.marks import Marks
from services.notifier.domain.said import Said

Status = Literal["pending", "claimed", "unknown"]
EVERYTHING = "*"
"""The address of an opt-out that holds for the whole account, whatever its contact points become."""


class Contact(msgspec.Struct, frozen=True, array_like=True):
    """An address of the account; `basis` tells why it may be used: `account_fact`, or the consent that was recorded."""

    channel: str
    address: str
    basis: str = "account_fact"


class Suppression(msgspec.Struct, frozen=True, array_like=True):
    """An address (its suppression key, or EVERYTHING) that nobody may write to any more: `opted_out`, or `undeliverable`."""

    address: str
    why: str


class Balance(msgspec.Struct, frozen=True, array_like=True):
    """What payments last said is open on an invoice."""

    invoice_id: str
    open_minor: int
    version: int
    at: datetime


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """What disputes last said of one dispute. `credits`: it ended, and the ledger is to take something off its invoice."""

    dispute_id: str
    invoice_id: str
    version: int
    open: bool
    credits: bool
    at: datetime


class Stop(msgspec.Struct, frozen=True, array_like=True):
    """A raw fact that may mean a message is out of date; provisional until its cause is resolved. No invoices: the whole account."""

    cause: str
    invoice_ids: tuple[str, ...]
    since: datetime
    overdue: bool = False
    """Nobody resolved it for so long that somebody was alerted."""


class StopTold(msgspec.Struct, frozen=True, array_like=True):
    """A stop as somebody told it, to be acknowledged under its id."""

    stop_id: str
    """Of a fact on a topic its event id, of a request its command's."""
    kind: str
    """`payment`, `dispute`, `credit_note`, `pause`, `opt_out` or `suspension`."""
    name: str
    """Of what stopped, such as the payment's id; empty: a pause and a suspension have none."""
    taken_by: str = ""
    """The service that took the request; empty: a fact of an ERP."""
    invoice_ids: tuple[str, ...] = ()
    """Empty: the whole account."""

    @property
    def cause(self) -> str:
        """What it was, such as `payment:P-5001` or `pause`."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


class Closure(msgspec.Struct, frozen=True, array_like=True):
    """A stop that closed the gate and is not acknowledged yet: calls that were claimed before it are under way."""

    told: StopTold
    accepted_at: datetime
    calls: tuple[str, ...]
    not_after: datetime
    """None of these calls starts after this instant."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """An invoice a reminder covers, as the scheduler saw it."""

    invoice_id: str
    currency: str
    open_minor: int
    balance_version: int
    due_on: date


class Hours(msgspec.Struct, frozen=True, array_like=True):
    """When a message may leave where the debtor lives; a `closes` of 00:00 is the end of the day."""

    opens: time
    closes: time
    working_days: bool = False
    """Not on Saturdays and Sundays."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """A reminder that has not come to an end. `at` is when it next wants attention; `attempt` grows with every claim."""

    reminder_id: str
    stage: str
    channels: tuple[str, ...]
    lines: tuple[Line, ...]
    planned_on: date
    valid_until: datetime
    at: datetime
    status: Status = "pending"
    waiting: bool = False
    """It may not leave yet, and is looked at again as soon as what it waits for changes."""
    attempt: int = 0
    retries: int = 0
    """Of the present recipient."""
    tried: tuple[str, ...] = ()
    """Recipients (suppression keys) that refused it for good."""
    finds: int = 0
    unknown_since: datetime | None = None
    channel: str = ""
    recipient: str = ""
    sender: str = ""
    """As of the claim: a lookup names it even when the creditor's sender has changed since."""
    call_id: str = ""
    claimed_at: datetime | None = None
    covered: tuple[Line, ...] = ()
    """What the claim covers, with the amounts of the claim."""
    hours: Hours | None = None
    """None: any hour until `valid_until`."""


class Gate(msgspec.Struct, frozen=True, array_like=True):
    """Everything that decides whether a message to this account may leave. Kept as an array: a new field goes to the end."""

    contact_version: int = -1
    """Of the account's facts; -1: none has come yet."""
    name: str = ""
    locale: str = "en"
    zone: str = ""
    contacts: tuple[Contact, ...] = ()
    suppressed: tuple[Suppression, ...] = ()
    state_version: int = -1
    paused: bool = False
    paused_invoices: tuple[str, ...] = ()
    balances: tuple[Balance, ...] = ()
    holds: tuple[Hold, ...] = ()
    stops: tuple[Stop, ...] = ()
    closures: tuple[Closure, ...] = ()
    marks: Marks = ()
    messages: tuple[Message, ...] = ()
    next_action_at: datetime | None = None

    def message(self, reminder_id: str) -> Message | None:
        """The open message of a reminder."""
        for message in self.messages:
            if message.reminder_id == reminder_id:
                return message
        return None

    def balance(self, invoice_id: str) -> Balance | None:
        """The last balance of an invoice."""
        for balance in self.balances:
            if balance.invoice_id == invoice_id:
                return balance
        return None

    def suppression(self, address: str) -> str:
        """Why nobody may write to an address (its suppression key), or nothing."""
        for suppression in self.suppressed:
            if suppression.address in (address, EVERYTHING):
                return suppression.why
        return ""

    def opted_out(self, address: str) -> bool:
        """Whether exactly this address (its suppression key, or EVERYTHING) is opted out."""
        return Suppression(address, "opted_out") in self.suppressed


class Standing(msgspec.Struct, frozen=True):
    """What handlers know besides the account: the creditor, the channels this installation has, and how long things may take."""

    registered: bool = True
    """Whether the directory has told of the creditor; until then nothing leaves, for it may be suspended."""
    creditor_name: str = ""
    suspended: str = ""
    suspension_id: str = ""
    """Under which the suspension is acknowledged."""
    zone: str = "UTC"
    sender_email: str = ""
    sender_name: str = ""
    sender_phone: str = ""
    channels: frozenset[str] = frozenset()
    start_by_seconds: float = 3.0
    lease_seconds: float = 640.0
    """After a claim this old without an outcome, its owner is dead and the call unknown; what has not arrived by then will not."""
    find_after: tuple[int, ...] = (60, 300, 900, 3600, 21600, 86400)
    """Seconds after a call became unknown at which its provider is asked."""
    refused: dict[str, Said] = {}
    """Of the addresses (suppression keys) that accounts of this batch may get: those that asked us to stop."""
