"""The Twilio-shaped endpoint with Twilio's own client and its own signature check."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from paycue.clock import SteppedClock
from paycue.local.inbox import LocalInbox, TwilioFault
from paycue.local.inbox.faults import TwilioStage
from paycue.local.inbox.server import TWILIO_SID, TWILIO_TOKEN

pytestmark = [  # inside Twilio's client
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]
SENDER, DEBTOR = "+15005550006", "+14155550100"


class HereInsteadOfTwilio(AsyncTwilioHttpClient):  # type: ignore[misc]
    """Twilio's client, its requests sent to the inbox; `last` is the last answer."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base
        self.last: Response | None = None

    async def request(self, method: str, url: str, *args: object, **options: object) -> Response:
        self.last = await super().request(method, url.replace("https://api.twilio.com", self._base), *args, **options)
        return self.last


@asynccontextmanager
async def client_of(inbox: LocalInbox, sid: str = TWILIO_SID, token: str = TWILIO_TOKEN) -> AsyncIterator[Client]:
    async with HereInsteadOfTwilio(inbox.http_url) as http:
        yield Client(sid, token, http_client=http)


@pytest.fixture
async def twilio(inbox: LocalInbox) -> AsyncIterator[Client]:
    async with client_of(inbox) as client:
        yield client


class Webhook:
    """Receives one callback: the URL it was called by, the form, the signature."""

    def __init__(self) -> None:
        self.form: dict[str, str] = {}
        self.signature = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        self.form, self.signature = dict(parse_qsl(body.decode(), keep_blank_values=True)), headers["x-twilio-signature"]
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def webhook() -> AsyncIterator[tuple[Webhook, str]]:
    hook = Webhook()
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
    yield hook, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/callbacks/twilio?call=7"
    server.close()


async def test_a_text_message_is_kept_at_business_time(inbox: LocalInbox, twilio: Client) -> None:
    sent = await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="Invoice 7 is open")
    (message,) = inbox.received
    assert (message.channel, message.to, message.sender, message.text) == ("sms", DEBTOR, SENDER, "Invoice 7 is open")
    assert (message.message_id, message.sent_at, sent.status) == (sent.sid, datetime(2013, 2, 8, 14, tzinfo=UTC), "queued")


async def test_a_messaging_service_may_stand_for_the_number(inbox: LocalInbox, twilio: Client) -> None:
    sent = await twilio.messages.create_async(to=DEBTOR, messaging_service_sid="MG" + "1" * 32, body="x")
    assert (sent.status, sent.messaging_service_sid) == ("accepted", "MG" + "1" * 32)


@pytest.mark.parametrize(
    ("to", "body", "code"),
    [("0171 123", "x", 21211), ("", "x", 21604), (DEBTOR, "", 21602), (DEBTOR, "x" * 1601, 21617), ("+14155550199", "x", 21610)],
)
async def test_what_twilio_refuses_is_refused_with_its_code(inbox: LocalInbox, twilio: Client, to: str, body: str, code: int) -> None:
    inbox.twilio.opted_out.add("+14155550199")
    with pytest.raises(TwilioRestException) as refused:
        await twilio.messages.create_async(to=to, from_=SENDER, body=body)
    assert (refused.value.status, refused.value.code, inbox.count) == (400, code, 0)


async def test_a_wrong_token_is_refused(inbox: LocalInbox) -> None:
    async with client_of(inbox, token="wrong") as stranger:
        with pytest.raises(TwilioRestException) as refused:
            await stranger.messages.create_async(to=DEBTOR, from_=SENDER, body="x")
    assert (refused.value.status, refused.value.code, inbox.count) == (401, 20003, 0)


async def test_too_many_requests_say_when_to_come_back(inbox: LocalInbox, twilio: Client) -> None:
    inbox.fail(TwilioFault("before", status=429, code=20429, message="Too Many Requests", retry_after=3))
    with pytest.raises(TwilioRestException) as refused:
        await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="x")
    http = twilio.http_client
    assert isinstance(http, HereInsteadOfTwilio)
    assert http.last is not None
    assert (refused.value.status, http.last.headers["Retry-After"], inbox.count) == (429, "3", 0)


@pytest.mark.parametrize(("at", "kept"), [("before", 0), ("accepted", 1)])
async def test_a_server_error_may_come_before_or_after_acceptance(inbox: LocalInbox, twilio: Client, at: TwilioStage, kept: int) -> None:
    inbox.fail(TwilioFault(at, status=503))
    with pytest.raises(TwilioRestException) as failed:
        await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="x")
    assert (failed.value.status, inbox.count) == (503, kept)


async def test_an_accepted_message_may_never_be_answered(inbox: LocalInbox, twilio: Client) -> None:
    inbox.fail(TwilioFault("accepted", silent=True))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="x"), 0.2)
    assert inbox.count == 1


async def test_a_message_is_found_by_recipient_and_day(twilio: Client, clock: SteppedClock) -> None:
    await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="yesterday's")
    clock.set(clock.now() + timedelta(days=1))
    await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="today's /p/abc")
    await twilio.messages.create_async(to="+14155550101", from_=SENDER, body="another's")
    since = clock.now().replace(hour=0)
    assert [found.body for found in await twilio.messages.list_async(to=DEBTOR, date_sent_after=since)] == ["today's /p/abc"]
    assert [found.body for found in await twilio.messages.list_async(to=DEBTOR)] == ["today's /p/abc", "yesterday's"]


async def test_lists_are_paged(twilio: Client) -> None:
    for number in range(7):
        await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body=str(number))
    found = await twilio.messages.list_async(to=DEBTOR, page_size=3)
    assert [message.body for message in found] == ["6", "5", "4", "3", "2", "1", "0"]


async def test_one_message_is_fetched_by_its_sid(twilio: Client) -> None:
    sent = await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="x")
    fetched = await twilio.messages(sent.sid).fetch_async()
    assert (fetched.body, fetched.status, fetched.date_sent) == ("x", "sent", datetime(2013, 2, 8, 14, tzinfo=UTC))


async def test_an_unknown_sid_is_not_found(twilio: Client) -> None:
    with pytest.raises(TwilioRestException) as missing:
        await twilio.messages("SM" + "0" * 32).fetch_async()
    assert (missing.value.status, missing.value.code) == (404, 20404)


async def test_a_status_callback_bears_twilios_signature(inbox: LocalInbox, twilio: Client, webhook: tuple[Webhook, str]) -> None:
    hook, url = webhook
    sent = await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="x", status_callback=url)
    assert await inbox.twilio.send_status(sent.sid or "", "undelivered", 30003) == 204
    assert (hook.form["MessageStatus"], hook.form["ErrorCode"]) == ("undelivered", "30003")
    assert RequestValidator(TWILIO_TOKEN).validate(url, hook.form, hook.signature)
    assert (await twilio.messages(sent.sid or "").fetch_async()).status == "undelivered"


async def test_who_texts_stop_is_reported_and_refused_from_then_on(inbox: LocalInbox, twilio: Client, webhook: tuple[Webhook, str]) -> None:
    hook, url = webhook
    assert await inbox.twilio.reply(url, sender=DEBTOR, to=SENDER, body=" stop ") == 204
    assert RequestValidator(TWILIO_TOKEN).validate(url, hook.form, hook.signature)
    with pytest.raises(TwilioRestException) as refused:
        await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="x")
    assert (hook.form["Body"], hook.form["From"], refused.value.code) == (" stop ", DEBTOR, 21610)


async def test_a_text_messages_file_is_json_and_is_read_back(tmp_path: Path, clock: SteppedClock) -> None:
    async with LocalInbox(tmp_path, clock=clock) as inbox, client_of(inbox) as client:
        await client.messages.create_async(to=DEBTOR, from_=SENDER, body="Invoice 7: 12.00 €")
    kept = json.loads((tmp_path / "000001.json").read_text())
    assert (kept["to"], kept["from"], kept["body"], kept["sent_at"]) == (DEBTOR, SENDER, "Invoice 7: 12.00 €", "2013-02-08T14:00:00Z")
    async with LocalInbox(tmp_path, clock=clock) as again:
        assert again.received[0].text == "Invoice 7: 12.00 €"


async def test_it_is_known_when_a_message_began_to_arrive_and_by_which_call(inbox: LocalInbox, twilio: Client) -> None:
    before = time.monotonic()
    await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="Hello", status_callback="https://paycue.example/s?call=call-7")
    (message,) = inbox.received
    assert message.call_id == "call-7"
    assert before <= message.arrived_at <= time.monotonic()


async def test_a_message_that_is_not_taken_is_remembered_as_refused(inbox: LocalInbox, twilio: Client) -> None:
    inbox.fail(TwilioFault("before"))
    with pytest.raises(TwilioRestException):
        await twilio.messages.create_async(to=DEBTOR, from_=SENDER, body="Hello")
    assert (inbox.received, [(sms.to, sms.text) for sms in inbox.box.refused]) == ([], [(DEBTOR, "Hello")])
