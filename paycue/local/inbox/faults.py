"""What a provider can be told to do wrong, so that tests meet every way a send can end. A fault is used `times` times, then gone."""

from typing import Generic, Literal, TypeVar

import msgspec

SmtpStage = Literal["connect", "mail", "rcpt", "data", "content", "dot", "accepted"]
TwilioStage = Literal["before", "accepted"]


class SmtpFault(msgspec.Struct, frozen=True):
    """At `connect`, `mail`, `rcpt` or `data`: instead of that step's answer. At `content`: when the mail begins to arrive, its
    final dot not yet read. At `dot`: after the final dot, the mail refused. At `accepted`: the mail is kept, and then.
    """

    at: SmtpStage
    reply: str | None = None
    """The answer, such as `550 5.1.1 No such user`; none: the connection is dropped, or stays silent."""
    silent: bool = False
    """Never answer again instead of dropping the connection."""
    to: str | None = None
    """Only mails to this recipient."""
    times: int = 1


class TwilioFault(msgspec.Struct, frozen=True):
    """`before`: refused, nothing kept. `accepted`: the message is kept, and then the answer is lost."""

    at: TwilioStage
    status: int = 503
    code: int = 20503
    message: str = "Service Unavailable"
    retry_after: int | None = None
    silent: bool = False
    """Never answer, for timeouts."""
    to: str | None = None
    times: int = 1


F = TypeVar("F", SmtpFault, TwilioFault)


class Faults(Generic[F]):
    """The faults still to come, each with how often."""

    def __init__(self) -> None:
        self._faults: list[F] = []

    def add(self, fault: F) -> None:
        self._faults.extend([fault] * fault.times)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, at: str, recipients: tuple[str, ...] = ()) -> F | None:
        """The next fault of that stage for one of these recipients, used up."""
        if not self._faults:
            return None
        for index, fault in enumerate(self._faults):
            if fault.at == at and (fault.to is None or fault.to in recipients):
                return self._faults.pop(index)
        return None
