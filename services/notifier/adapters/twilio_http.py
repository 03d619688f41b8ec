"""Twilio's REST API over its own client, with what that client leaves out: a deadline, and a mark at the first byte.

A request that was not begun is certainly not taken; one that was begun and not answered is *unknown*. Nothing is ever repeated
here: Messages has no idempotency key, and the SDK's own retries would send one SMS three times.
"""

import asyncio
import logging
from contextvars import ContextVar
from types import SimpleNamespace

import msgspec
from aiohttp import ClientError, ClientSession, TraceConfig, TraceRequestHeadersSentParams, encode_basic_auth
from twilio.http.async_http_client import AsyncTwilioHttpClient

_wire = logging.getLogger(f"{__name__}.wire")
_wire.disabled = True  # The SDK logs each request's parameters, and so the debtor's number.


class Answer(msgspec.Struct, frozen=True):
    """What Twilio said."""

    status: int
    body: str
    retry_after: float | None


class TooLate(Exception):
    """The moment to start had passed; nothing was sent."""


class NotBegun(Exception):
    """Nothing was sent; the text says why."""


class InDoubt(Exception):
    """The request was sent, wholly or in part, and no answer came; the text says why."""


class _Attempt:
    """One request, as the trace of its first byte sees it."""

    def __init__(self, start_by_loop: float) -> None:
        self.start_by_loop, self.begun = start_by_loop, False


_attempt: ContextVar[_Attempt] = ContextVar("attempt")


async def _before_first_byte(_: ClientSession, __: SimpleNamespace, ___: TraceRequestHeadersSentParams) -> None:
    """aiohttp calls this with the connection open and the headers not yet written: the last look at the time."""
    attempt = _attempt.get()
    if asyncio.get_running_loop().time() >= attempt.start_by_loop:
        raise TooLate
    attempt.begun = True


class TwilioHttp:
    """Authenticated requests to one account of Twilio, or of something shaped like it."""

    def __init__(self, base_url: str, account_sid: str, auth_token: str, *, seconds: float) -> None:
        """`seconds` bounds a whole request, connection and answer included."""
        self.base_url, self.account_sid, self._seconds = base_url.rstrip("/"), account_sid, seconds
        self._authorization = encode_basic_auth(account_sid, auth_token)
        self._client: AsyncTwilioHttpClient | None = None

    async def get(self, path: str, params: dict[str, str] | None = None) -> Answer:
        """Raises NotBegun or InDoubt when there is no answer."""
        return await self._request("GET", path, params, None, float("inf"))

    async def post(self, path: str, data: dict[str, str], *, start_by_loop: float) -> Answer:
        """Raises TooLate, NotBegun or InDoubt when there is no answer."""
        return await self._request("POST", path, None, data, start_by_loop)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _request(
        self, method: str, path: str, params: dict[str, str] | None, data: dict[str, str] | None, start_by_loop: float
    ) -> Answer:
        self._client = self._client or _open_client()
        attempt = _Attempt(start_by_loop)
        token = _attempt.set(attempt)
        try:
            async with asyncio.timeout(self._seconds):
                headers = {"Authorization": self._authorization, "Accept": "application/json"}
                response = await self._client.request(method, self.base_url + path, params=params, data=data, headers=headers)
        except (ClientError, OSError, TimeoutError) as problem:
            raise (InDoubt if attempt.begun else NotBegun)(type(problem).__name__) from problem
        finally:
            _attempt.reset(token)
        return Answer(response.status_code, response.text, _seconds_of(response.headers.get("Retry-After")))


def _open_client() -> AsyncTwilioHttpClient:
    """A client without retries; it must be made where the event loop runs."""
    trace = TraceConfig()
    trace.on_request_headers_sent.append(_before_first_byte)
    return AsyncTwilioHttpClient(max_retries=None, logger=_wire, trace_configs=[trace])


def _seconds_of(header: str | None) -> float | None:
    """Retry-After in seconds; None for a date, which Twilio does not send, and for anything else."""
    return float(header) if header is not None and header.strip().isdecimal() else None
