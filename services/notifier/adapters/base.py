"""What the notifier asks of every provider. An adapter makes one request and tells what is certain about it.

It never decides whether a message may leave, never repeats a request that may have been taken, and never logs an address.
"""

from typing import Protocol

from services.notifier.domain.calls import CallResult, Found, ProviderCall


class Channel(Protocol):
    """One way to reach a debtor."""

    async def send(self, call: ProviderCall) -> CallResult:
        """Make the call once. Looks at `start_by_loop` immediately before the first byte that cannot be taken back."""

    async def find(self, call: ProviderCall) -> Found:
        """Whether the provider has the message of a call whose outcome is unknown."""

    async def close(self) -> None:
        """Let go of every connection; calls in flight must have ended."""


TOO_LATE = CallResult("not_started", reason="start_by_passed")
