"""Who there is in a simulation, what they owe, and what may happen at an instant."""

from datetime import date, datetime
from typing import Any

import msgspec
from google.protobuf.message import Message

from services.scheduler.domain.policy import Policy


class Debtor(msgspec.Struct, frozen=True):
    tenant: str
    account: str
    zone: str
    addresses: tuple[str, ...]


class Bill(msgspec.Struct, frozen=True):
    debtor: Debtor
    invoice_id: str
    currency: str
    amount_minor: int
    issued_on: date
    due_on: date


class Fact(msgspec.Struct, frozen=True):
    """What an ERP, or the operator, publishes."""

    event: Message
    event_id: str


class Asked(msgspec.Struct, frozen=True):
    """What somebody asks of a service over its API."""

    service: str
    tenant: str
    account: str
    command: Any
    command_id: str


class Garbage(msgspec.Struct, frozen=True):
    """A record that nobody can read: it parks its account with everybody who folds its type."""

    topic: str
    type: str
    tenant: str
    account: str
    event_id: str


class Tidied(msgspec.Struct, frozen=True):
    """Somebody looks through the dead letters of every service, discards them and lets their accounts go on."""


class Published(msgspec.Struct, frozen=True):
    """A policy is put in force."""

    tenant: str
    policy: Policy


class Replied(msgspec.Struct, frozen=True):
    """Somebody answers STOP by SMS: a number asks for silence, whoever has it now or later."""

    number: str
    reply_id: str

    @property
    def cause(self) -> str:
        return f"twilio:{self.reply_id}"


What = Fact | Asked | Garbage | Tidied | Published | Replied


class Action(msgspec.Struct, frozen=True):
    """Something that happens at an instant."""

    at: datetime
    what: What
