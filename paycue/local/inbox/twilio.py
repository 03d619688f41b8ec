"""A stand-in for Twilio's Messages API: the same paths, fields, errors, paging and signatures, over the local inbox.

It is stateful as the real one is: what it accepted is listed, who texted STOP is refused. It must never be kinder than Twilio.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

import httpx2
import msgspec
from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from paycue.clock import Clock
from paycue.ids import new_id
from paycue.local.inbox.box import Box
from paycue.local.inbox.faults import Faults, TwilioFault
from paycue.local.inbox.listing import listing
from paycue.local.inbox.received import Received, Sms

_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_START_WORDS = frozenset({"START", "YES", "UNSTOP"})
_MAX_BODY = 1_600


class TwilioError(NamedTuple):
    """One of Twilio's errors: HTTP status, code, message."""

    status: int
    code: int
    message: str


class Twilio:
    """One account of the provider."""

    def __init__(self, box: Box, clock: Clock, account_sid: str, auth_token: str) -> None:
        self.account_sid, self._token = account_sid, auth_token
        self._box, self._clock = box, clock
        self._authorization = "Basic " + base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self.faults = Faults[TwilioFault]()
        self.opted_out: set[str] = set()
        self.statuses: dict[str, tuple[str, int | None]] = {}
        self.closing = asyncio.Event()

    def allows(self, request: Request, account_sid: str) -> bool:
        """Whether the request carries this account's sid and token."""
        given = request.headers.get("authorization", "")
        return account_sid == self.account_sid and hmac.compare_digest(given.encode(), self._authorization.encode())

    def refusal(self, form: Mapping[str, str]) -> TwilioError | None:
        """Why Twilio would refuse the message; None: it would take it."""
        to, body = form.get("To", ""), form.get("Body", "")
        if not to:
            return TwilioError(400, 21604, "A 'To' phone number is required.")
        if not form.get("From") and not form.get("MessagingServiceSid"):
            return TwilioError(400, 21603, "A 'From' phone number is required.")
        if not body:
            return TwilioError(400, 21602, "Message body is required.")
        if len(body) > _MAX_BODY:
            return TwilioError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if not _PHONE.fullmatch(to):
            return TwilioError(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if to in self.opted_out:
            return TwilioError(400, 21610, "Attempt to send to unsubscribed recipient")
        return None

    def accept(self, form: Mapping[str, str], arrived_at: float = 0.0) -> Received:
        """Keep the message."""
        sms = self._sms(form)
        return self._box.add("sms", _kept(sms), sms.from_, (sms.to,), arrived_at)

    def refuse(self, form: Mapping[str, str], arrived_at: float) -> None:
        """Remember a message that is not taken."""
        sms = self._sms(form)
        self._box.refuse("sms", _kept(sms), sms.from_, (sms.to,), arrived_at)

    def _sms(self, form: Mapping[str, str]) -> Sms:
        return Sms(
            sid="SM" + UUID(new_id()).hex,
            to=form.get("To", ""),
            from_=form.get("From") or form.get("MessagingServiceSid", ""),
            body=form.get("Body", ""),
            sent_at=self._clock.now(),
            messaging_service_sid=form.get("MessagingServiceSid"),
            status_callback=form.get("StatusCallback"),
        )

    def find(self, sid: str) -> Received | None:
        """The message with that sid."""
        return next((message for message in self._box.newest("sms") if message.message_id == sid), None)

    def resource(self, message: Received, status: str | None = None) -> dict[str, object]:
        """Twilio's own JSON of a message."""
        sms, when = message.sms, _rfc2822(message.sms.sent_at)
        known, error = self.statuses.get(sms.sid, ("sent", None))
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sms.sid}"
        answer: dict[str, object] = {"account_sid": self.account_sid, "api_version": "2010-04-01", "body": sms.body}
        answer |= {"date_created": when, "date_sent": when, "date_updated": when, "direction": "outbound-api"}
        answer |= {"error_code": error, "error_message": None, "from": sms.from_, "messaging_service_sid": sms.messaging_service_sid}
        answer |= {"num_media": "0", "num_segments": str(1 + (len(sms.body) - 1) // 153 if len(sms.body) > 160 else 1)}
        answer |= {"price": None, "price_unit": "USD", "sid": sms.sid, "status": status or known, "to": sms.to}
        return answer | {"subresource_uris": {"media": f"{uri}/Media.json"}, "tags": None, "uri": f"{uri}.json"}

    async def send_status(self, sid: str, status: str, error_code: int | None = None) -> int:
        """Call the message's StatusCallback as Twilio does; the HTTP status it answered. Raises LookupError when it named none."""
        message = self.find(sid)
        if message is None or not message.sms.status_callback:
            raise LookupError(f"{sid} is unknown here or named no StatusCallback")
        self.statuses[sid] = (status, error_code)
        sms = message.sms
        form = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": status, "SmsStatus": status, "AccountSid": self.account_sid}
        form |= {"From": sms.from_, "To": sms.to, "ApiVersion": "2010-04-01"} | ({"ErrorCode": str(error_code)} if error_code else {})
        return await self._post(sms.status_callback or "", form)

    async def reply(self, url: str, *, sender: str, to: str, body: str) -> int:
        """A debtor texts back: call the inbound webhook; the HTTP status it answered. A stop word is obeyed here as well."""
        word = body.strip().upper()
        if word in _STOP_WORDS:
            self.opted_out.add(sender)
        elif word in _START_WORDS:
            self.opted_out.discard(sender)
        sid = "SM" + UUID(new_id()).hex
        form = {"MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "SmsStatus": "received", "AccountSid": self.account_sid}
        form |= {"From": sender, "To": to, "Body": body, "NumMedia": "0", "NumSegments": "1", "ApiVersion": "2010-04-01"}
        return await self._post(url, form | ({"OptOutType": "STOP"} if word in _STOP_WORDS else {}))

    async def _post(self, url: str, form: dict[str, str]) -> int:
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=10) as client:
            answer = await client.post(url, data=form, headers={"X-Twilio-Signature": sign(self._token, url, form)})
        return answer.status_code


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """The X-Twilio-Signature of a webhook: HMAC-SHA1 over the URL and the sorted fields, in base64."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


class Stamped:
    """Around the application: notes when each request began to arrive, as `request.state.arrived_at` (time.monotonic())."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["arrived_at"] = time.monotonic()
        await self._app(scope, receive, send)


def routes(twilio: Twilio, box: Box) -> APIRouter:
    """Twilio's paths."""
    router, api = APIRouter(prefix="/2010-04-01/Accounts/{account}"), _Api(twilio, box)
    router.add_api_route("/Messages.json", api.create, methods=["POST"])
    router.add_api_route("/Messages.json", api.list, methods=["GET"])
    router.add_api_route("/Messages/{sid}.json", api.fetch, methods=["GET"])
    return router


class _Api:
    def __init__(self, twilio: Twilio, box: Box) -> None:
        self._twilio, self._box = twilio, box

    async def create(self, account: str, request: Request) -> Response:
        if not self._twilio.allows(request, account):
            return _error(_AUTHENTICATE)
        arrived_at = getattr(request.state, "arrived_at", 0.0)
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        if (fault := self._twilio.faults.take("before", (form.get("To", ""),))) is not None:
            self._twilio.refuse(form, arrived_at)
            return await _fault(self._twilio, fault)
        if refused := self._twilio.refusal(form):
            self._twilio.refuse(form, arrived_at)
            return _error(refused)
        message = self._twilio.accept(form, arrived_at)
        if (fault := self._twilio.faults.take("accepted", (message.to,))) is not None:
            return await _fault(self._twilio, fault)
        return _json(201, self._twilio.resource(message, "accepted" if form.get("MessagingServiceSid") else "queued"))

    async def list(self, account: str, request: Request) -> Response:
        if not self._twilio.allows(request, account):
            return _error(_AUTHENTICATE)
        try:
            return _json(200, listing(self._twilio, self._box, request))
        except ValueError as error:
            return _error(TwilioError(400, 20001, str(error)))

    async def fetch(self, account: str, sid: str, request: Request) -> Response:
        if not self._twilio.allows(request, account):
            return _error(_AUTHENTICATE)
        message = self._twilio.find(sid)
        if message is None:
            return _error(TwilioError(404, 20404, f"The requested resource {request.url.path} was not found"))
        return _json(200, self._twilio.resource(message))


_AUTHENTICATE = TwilioError(401, 20003, "Authenticate")


async def _fault(twilio: Twilio, fault: TwilioFault) -> Response:
    if fault.silent:
        await twilio.closing.wait()
    answer = _error(TwilioError(fault.status, fault.code, fault.message))
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(fault.retry_after)
    return answer


def _kept(sms: Sms) -> bytes:
    return msgspec.json.format(msgspec.json.encode(sms))


def _error(error: TwilioError) -> Response:
    more = f"https://www.twilio.com/docs/errors/{error.code}"
    return _json(error.status, {"code": error.code, "message": error.message, "more_info": more, "status": error.status})


def _json(status: int, content: object) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")


def _rfc2822(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
