"""What a step does: the account after it, what is to be said of it in which order, and what is to be noted.

Plain words between the rules and the contracts; nothing here decides, and nothing here knows how an event is written.
"""

from typing import TypeAlias

import msgspec

from services.disputes.domain.account import Case, Claim, DisputeAccount


class Registered(msgspec.Struct, frozen=True):
    """The dispute is on file and holds its invoice: said to whoever raised it."""

    case: Case


class Declined(msgspec.Struct, frozen=True):
    """The dispute is not on file, and why: said to whoever raised it."""

    dispute_id: str
    claim: Claim
    reason: str


class Moved(msgspec.Struct, frozen=True):
    """The dispute stands as it stands now: in review, or over."""

    case: Case


Said: TypeAlias = Registered | Declined | Moved


class Note(msgspec.Struct, frozen=True):
    """What is to be noted on a dispute."""

    dispute_id: str
    text: str
    author: str = "paycue"
    internal: bool = True
    evidence: str = ""


class Change(msgspec.Struct, frozen=True):
    """A step."""

    account: DisputeAccount
    said: tuple[Said, ...] = ()
    notes: tuple[Note, ...] = ()
