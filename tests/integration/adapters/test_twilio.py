"""Twilio's transport where the network fails, and Twilio's callbacks."""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from twilio.request_validator import RequestValidator

from services.notifier.adapters.twilio_callbacks import CallbackVerifier, call_of, delivery_report, inbound_message
from services.notifier.adapters.twilio_http import Answer, TwilioHttp
from services.notifier.adapters.twilio_sms import TwilioSms, result_of
from services.notifier.domain.calls import ProviderCall
from services.notifier.domain.replies import DeliveryReport, InboundMessage

Build = Callable[..., ProviderCall]
URL = "https://pay.example.com/v1/providers/twilio/status?call=c%201"
_PATIENCE = 20.0
"""Seconds; a request without an end is a failure and not a test that never ends."""


class Wire:
    """A server that counts the requests it read, then does what `mode` says instead of answering well."""

    def __init__(self, mode: str) -> None:
        self.mode, self.requests, self.port = mode, 0, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0] or b"0")
            assert b"To=" in await reader.readexactly(length)
            self.requests += 1
            if self.mode == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            elif self.mode == "half":
                writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{")
            elif self.mode == "error":
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}")
            elif self.mode == "page":
                writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\n\r\n<html>no!")
        except asyncio.IncompleteReadError:
            writer.transport.abort()
        finally:
            writer.close()


@asynccontextmanager
async def wired(mode: str) -> AsyncIterator[tuple[Wire, TwilioSms]]:
    wire = Wire(mode)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    channel = TwilioSms(TwilioHttp(f"http://127.0.0.1:{wire.port}", "AC0", "t", seconds=0.5), status_callback="http://127.0.0.1:9/s")
    try:
        async with asyncio.timeout(_PATIENCE):
            yield wire, channel
    finally:
        await channel.close()
        server.close()
        await server.wait_closed()


@pytest.fixture
def sms(call: Build) -> Build:
    return lambda **fields: call(**({"channel": "sms", "recipient": "+12025550123", "sender": "+12025550199", "body": "b"} | fields))


@pytest.mark.parametrize("mode", ["reset", "half", "drop", "page", "error"])
async def test_a_request_that_was_sent_and_not_answered_well_is_unknown_and_never_repeated(mode: str, sms: Build) -> None:
    async with wired(mode) as (wire, channel):
        result = await channel.send(sms())
    assert (result.outcome, wire.requests) == ("unknown", 1)


async def test_a_refused_connection_is_certainly_no_message(sms: Build, unused_tcp_port: int) -> None:
    channel = TwilioSms(TwilioHttp(f"http://127.0.0.1:{unused_tcp_port}", "AC0", "t", seconds=2), status_callback="http://127.0.0.1:9/s")
    result = await channel.send(sms())
    assert (result.outcome, result.reason) == ("retry", "twilio_connect_ClientConnectorError")
    await channel.close()


async def test_a_connection_that_never_opens_is_certainly_no_message(sms: Build) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        channel = TwilioSms(TwilioHttp(f"http://127.0.0.1:{full.getsockname()[1]}", "AC0", "t", seconds=0.3), status_callback="http://x/s")
        async with asyncio.timeout(_PATIENCE):
            result = await channel.send(sms())
        await channel.close()
        for filler in fillers:
            filler.close()
    assert (result.outcome, result.reason) == ("retry", "twilio_connect_TimeoutError")


async def test_a_call_whose_time_is_over_posts_nothing(sms: Build) -> None:
    async with wired("page") as (wire, channel):
        result = await channel.send(sms(start_by_loop=asyncio.get_running_loop().time() - 0.01))
    assert (result.outcome, wire.requests) == ("not_started", 0)


async def test_the_time_is_looked_at_once_more_when_the_connection_is_open(sms: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    async with wired("page") as (wire, channel):
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def frozen_while_connecting(opening: socket.socket, address: tuple[str, int]) -> None:
            await connect(opening, address)
            time.sleep(0.15)  # noqa: ASYNC251

        monkeypatch.setattr(loop, "sock_connect", frozen_while_connecting)
        result = await channel.send(sms(start_by_loop=loop.time() + 0.1))
    assert (result.outcome, wire.requests) == ("not_started", 0)


async def test_no_number_and_no_text_is_logged(sms: Build, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with wired("reset") as (_, channel):
        await channel.send(sms(body="a secret text"))
    assert "sms call c1 ended as unknown" in caplog.text
    assert "2025550123" not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(201, '{"sid": "SM1"}', None), "accepted"),
        (Answer(200, '{"sid": "SM1"}', None), "accepted"),
        (Answer(201, "<html>", None), "unknown"),
        (Answer(302, "", None), "unknown"),
        (Answer(400, "not json", None), "unknown"),
        (Answer(400, '{"code": 21610}', None), "failed"),
        (Answer(429, "", 3.0), "retry"),
        (Answer(502, "", None), "unknown"),
    ],
)
def test_only_twilios_own_documents_are_believed(answer: Answer, outcome: str) -> None:
    assert result_of(answer).outcome == outcome


def signed(url: str, params: Mapping[str, str], token: str = "token") -> str:
    return str(RequestValidator(token).compute_signature(url, dict(params)))


def test_a_callback_is_believed_only_with_the_accounts_signature() -> None:
    verifier, params = CallbackVerifier("token"), {"MessageSid": "SM1", "MessageStatus": "delivered"}
    assert verifier.verify_callback(URL, params, signed(URL, params))
    assert not verifier.verify_callback(URL, params, signed(URL, params, "other"))
    assert not verifier.verify_callback(URL, params | {"MessageStatus": "failed"}, signed(URL, params))
    assert not verifier.verify_callback(URL + "x", params, signed(URL, params))
    assert not verifier.verify_callback(URL, params, "")


def test_a_status_callback_tells_of_the_call_in_its_address() -> None:
    params = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30006"}
    assert delivery_report(call_of(URL), params) == DeliveryReport("c 1", "SM1", "undelivered", "30006")


@pytest.mark.parametrize("url", ["https://x/s", "https://x/s?call=1&call=2"])
def test_a_callback_without_one_call_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected one"):
        call_of(url)


@pytest.mark.parametrize("params", [{}, {"MessageStatus": "delivered"}, {"MessageSid": "SM1", "MessageStatus": "eaten"}])
def test_a_malformed_status_callback_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        delivery_report("c", params)


@pytest.mark.parametrize(
    ("fields", "opt_out"),
    [({"Body": "STOP"}, True), ({"Body": "please stop"}, True), ({"Body": "x", "OptOutType": "STOP"}, True), ({"Body": "hi"}, False)],
)
def test_an_answer_is_read_with_whether_it_asks_us_to_stop(fields: dict[str, str], opt_out: bool) -> None:
    params = {"MessageSid": "SM2", "From": "+12025550123", "To": "+12025550199"} | fields
    assert inbound_message(params) == InboundMessage("SM2", "+12025550123", "+12025550199", fields["Body"], opt_out)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        *((said, "queued") for said in ("accepted", "scheduled", "queued", "sending")),
        *(("sent", "sent"), ("delivered", "delivered"), ("read", "delivered")),
        *(("undelivered", "undelivered"), ("failed", "failed"), ("canceled", "failed")),
    ],
)
def test_each_status_that_twilio_documents_has_its_meaning(said: str, means: str) -> None:
    assert delivery_report("call-1", {"MessageSid": "SM1", "MessageStatus": said}).status == means
