"""Whether a mail arrived, asked of a host that keeps what it received: Mailpit's search API, or one shaped like it.

It reads, and never changes anything there. Only an answer that is complete counts; anything else is *cannot tell*.
"""

import httpx2
import msgspec

from services.notifier.domain.calls import Found


class _Summary(msgspec.Struct):
    message_id: str = msgspec.field(name="MessageID")


class _Results(msgspec.Struct):
    messages: list[_Summary]


class MailLookup:
    """Mailpit's `GET /api/v1/search?query=message-id:<id>`."""

    def __init__(self, base_url: str, *, seconds: float = 10.0) -> None:
        # No proxy from the environment: the host is the installation's own.
        self._client = httpx2.AsyncClient(base_url=base_url.rstrip("/"), timeout=seconds, trust_env=False)

    async def find(self, message_id: str) -> Found:
        """Whether the mail with this Message-ID (without its angle brackets) was received."""
        try:
            answer = await self._client.get("/api/v1/search", params={"query": f"message-id:{message_id}"})
            if answer.status_code != 200:
                return "cannot_tell"
            results = msgspec.json.decode(answer.content, type=_Results)
        except (httpx2.HTTPError, msgspec.MsgspecError):
            return "cannot_tell"
        found = any(summary.message_id.strip("<>") == message_id for summary in results.messages)
        return "accepted" if found else "not_accepted"

    async def close(self) -> None:
        await self._client.aclose()
