"""SMS through Twilio. One POST per call; whether an unanswered one was taken is asked of Twilio's own list.

It never logs a number or a text, and never treats a timeout as a refusal.
"""

import logging
from urllib.parse import urlencode

import msgspec

from services.notifier.adapters.base import TOO_LATE
from services.notifier.adapters.twilio_http import Answer, InDoubt, NotBegun, TooLate, TwilioHttp
from services.notifier.domain.calls import CallResult, Found, ProviderCall

_log = logging.getLogger(__name__)
API = "https://api.twilio.com"
_PAGES = 20
_REASONS = {
    21610: "opted_out",
    21211: "invalid_number",
    21214: "invalid_number",
    21217: "invalid_number",
    21614: "invalid_number",
    21265: "invalid_number",
}
_OURS = {20003, 20005, 20008}
"""Wrong credentials, a suspended account: the installation's fault and no message's."""


class _Created(msgspec.Struct):
    sid: str


class _Refusal(msgspec.Struct):
    code: int


class _Listed(msgspec.Struct):
    body: str | None = None


class _Page(msgspec.Struct):
    messages: list[_Listed]
    next_page_uri: str | None = None


class TwilioSms:
    """SMS from one account of Twilio."""

    def __init__(self, http: TwilioHttp, *, status_callback: str) -> None:
        """`status_callback` is the public address that delivery reports are posted to; `?call=<call id>` is added to it."""
        self._http, self._status_callback = http, status_callback
        self._messages = f"/2010-04-01/Accounts/{http.account_sid}/Messages.json"

    async def send(self, call: ProviderCall) -> CallResult:
        """Hand the SMS over once."""
        callback = f"{self._status_callback}?{urlencode({'call': call.call_id})}"
        data = {"To": call.recipient, "From": call.sender, "Body": call.body, "StatusCallback": callback}
        try:
            result = result_of(await self._http.post(self._messages, data, start_by_loop=call.start_by_loop))
        except TooLate:
            result = TOO_LATE
        except NotBegun as problem:
            result = CallResult("retry", reason=f"twilio_connect_{problem}")
        except InDoubt as problem:
            result = CallResult("unknown", reason=f"twilio_{problem}")
        if result.outcome != "accepted":
            _log.info("sms call %s ended as %s: %s", call.call_id, result.outcome, result.reason)
        return result

    async def find(self, call: ProviderCall) -> Found:
        """Whether Twilio lists a message to this recipient with this call's link token.

        Not narrowed by date: Twilio's date is that of sending, which a queued message does not have, and it is not business time.
        """
        path: str | None = self._messages
        params: dict[str, str] | None = {"To": call.recipient, "PageSize": "100"}
        for _ in range(_PAGES if call.link_token else 0):
            page = await self._page(path, params)
            if page is None:
                return "cannot_tell"
            if any(call.link_token in (message.body or "") for message in page.messages):
                return "accepted"
            path, params = page.next_page_uri, None
            if not path:
                return "not_accepted"
        return "cannot_tell"

    async def close(self) -> None:
        await self._http.close()

    async def _page(self, path: str | None, params: dict[str, str] | None) -> _Page | None:
        if path is None or not path.startswith("/"):
            return None
        try:
            answer = await self._http.get(path, params)
            return msgspec.json.decode(answer.body, type=_Page) if answer.status == 200 else None
        except (NotBegun, InDoubt, msgspec.MsgspecError):
            return None


def result_of(answer: Answer) -> CallResult:
    """What Twilio's answer to a POST of Messages means. Only its own documents count; a proxy's page proves nothing."""
    try:
        if answer.status in (200, 201):
            return CallResult("accepted", reference=msgspec.json.decode(answer.body, type=_Created).sid)
        if answer.status == 429:
            return CallResult("retry", reason="twilio_429", retry_after=answer.retry_after)
        if 400 <= answer.status < 500:
            return _refused(msgspec.json.decode(answer.body, type=_Refusal).code)
    except msgspec.MsgspecError:
        return CallResult("unknown", reason=f"twilio_{answer.status}_unreadable")
    return CallResult("unknown", reason=f"twilio_{answer.status}")


def _refused(code: int) -> CallResult:
    return CallResult("retry" if code in _OURS else "failed", reason=_REASONS.get(code, f"twilio_{code}"))
