"""Mail over SMTP against a server that fails in every phase."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from services.notifier.adapters.smtp import SmtpChannel
from services.notifier.adapters.smtp_server import SmtpServer
from services.notifier.domain.calls import CallResult, ProviderCall

Build = Callable[..., ProviderCall]
MAIL = b"From: us@operator.example\r\nTo: you@debtors.example\r\nSubject: s\r\n\r\n.a line that begins with a point\r\nend\r\n"


class Faulty(Protocol):
    mode: str
    port: int
    accepted: list[bytes]
    commands: list[bytes]
    connections: int
    most_open: int
    release: asyncio.Event
    took_one: asyncio.Event
    before_354: object


@pytest.fixture
async def channel(smtp: Faulty) -> AsyncIterator[SmtpChannel]:
    opened = SmtpChannel(SmtpServer("127.0.0.1", smtp.port, "none"), call_seconds=0.4, final_reply_seconds=0.4)
    yield opened
    smtp.release.set()
    await opened.close()


@pytest.mark.parametrize(
    ("mode", "outcome", "reason", "server_has_it"),
    [
        ("ok", "accepted", "", True),
        ("silent_greeting", "retry", "smtp_connect_", False),
        ("greeting_554", "retry", "smtp_connect_554", False),
        ("no_ehlo", "accepted", "", True),
        # A server that does not greet us says nothing of a mail.
        ("no_hello", "retry", "smtp_connect_550", False),
        ("ehlo_421", "retry", "smtp_connect_421", False),
        ("rcpt_251", "accepted", "", True),
        ("drop_at_mail", "retry", "smtp_before_dot_", False),
        ("mail_421", "retry", "smtp_421_4.7.0", False),
        ("mail_553", "failed", "smtp_553_5.1.8", False),
        ("drop_at_rcpt", "retry", "smtp_before_dot_", False),
        ("hang_at_rcpt", "retry", "smtp_before_dot_", False),
        ("greylisted", "retry", "smtp_451_4.7.1", False),
        ("rcpt_550", "failed", "smtp_550_5.1.1", False),
        ("nonsense_at_rcpt", "retry", "smtp_before_dot_", False),
        ("drop_at_data", "retry", "smtp_before_dot_", False),
        ("data_452", "retry", "smtp_452_4.3.1", False),
        ("reject_554", "failed", "smtp_554_5.7.1", False),
        ("reject_451", "retry", "smtp_451_4.3.0", False),
        ("reject_then_drop", "unknown", "smtp_after_dot_", False),
        ("accept_then_drop", "unknown", "smtp_after_dot_", True),
        ("accept_then_hang", "unknown", "smtp_after_dot_", True),
        ("accept_then_nonsense", "unknown", "smtp_after_dot_", True),
        ("accept_then_354", "unknown", "smtp_after_dot_354", True),
    ],
)
async def test_what_we_say_of_a_mail_is_never_more_than_what_is_certain(
    smtp: Faulty, channel: SmtpChannel, call: Build, mode: str, outcome: str, reason: str, server_has_it: bool
) -> None:
    smtp.mode = mode
    result = await channel.send(call())
    assert (result.outcome, bool(smtp.accepted)) == (outcome, server_has_it)
    assert result.reason.startswith(reason)
    assert "@" not in result.reason + result.reference


async def test_a_server_that_dies_within_a_long_mail_has_not_accepted_it(smtp: Faulty, channel: SmtpChannel, call: Build) -> None:
    smtp.mode = "drop_in_mail"
    result = await channel.send(call(raw=MAIL + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 200_000))
    assert (result.outcome, smtp.accepted) == ("retry", [])


async def test_the_mail_arrives_byte_for_byte_with_its_points_doubled_on_the_wire(smtp: Faulty, channel: SmtpChannel, call: Build) -> None:
    result = await channel.send(call())
    assert smtp.accepted == [MAIL.replace(b"\r\n.a line", b"\r\n..a line")]
    assert result.reference == "2.0.0 Ok: queued as 4ABC"


async def test_a_long_mail_arrives_whole(smtp: Faulty, channel: SmtpChannel, call: Build) -> None:
    raw = MAIL + (b"z" * 76 + b"\r\n") * 40_000
    assert (await channel.send(call(raw=raw))).outcome == "accepted"
    assert len(smtp.accepted[0]) == len(raw) + 1


async def test_a_call_whose_time_is_over_sends_nothing(smtp: Faulty, channel: SmtpChannel, call: Build) -> None:
    result = await channel.send(call(start_by_loop=asyncio.get_running_loop().time() - 1))
    assert (result.outcome, smtp.accepted) == ("not_started", [])
    assert not any(command.startswith(b"MAIL") for command in smtp.commands)


async def test_the_time_is_looked_at_once_more_before_the_final_dot(smtp: Faulty, channel: SmtpChannel, call: Build) -> None:
    async def past_start_by() -> None:
        # A process that was frozen and goes on: the loop itself stands still.
        time.sleep(0.15)  # noqa: ASYNC251

    smtp.before_354 = past_start_by
    result = await channel.send(call(start_by_loop=asyncio.get_running_loop().time() + 0.1))
    assert (result.outcome, smtp.accepted) == ("not_started", [])


async def test_a_call_that_finds_no_free_connection_in_time_is_not_started(smtp: Faulty, call: Build) -> None:
    channel = SmtpChannel(SmtpServer("127.0.0.1", smtp.port, "none"), connections=1, final_reply_seconds=5)
    smtp.mode = "accept_then_hang"
    first = asyncio.create_task(channel.send(call()))
    await smtp.took_one.wait()
    async with asyncio.timeout(2):
        second = await channel.send(call(call_id="c2", start_by_loop=asyncio.get_running_loop().time() + 0.05))
    smtp.release.set()
    assert (second.outcome, (await first).outcome) == ("not_started", "unknown")
    await channel.close()


async def test_connections_are_used_again_and_never_by_two_mails_at_once(smtp: Faulty, call: Build) -> None:
    channel = SmtpChannel(SmtpServer("127.0.0.1", smtp.port, "none"), connections=4)
    results = await asyncio.gather(*(channel.send(call(call_id=f"c{n}")) for n in range(60)))
    assert {result.outcome for result in results} == {"accepted"}
    assert (len(smtp.accepted), smtp.connections, smtp.most_open) == (60, 4, 4)
    await channel.close()


async def test_a_refused_mail_leaves_a_clean_connection_for_the_next(smtp: Faulty, channel: SmtpChannel, call: Build) -> None:
    smtp.mode = "rcpt_550"
    assert (await channel.send(call())).outcome == "failed"
    smtp.mode = "ok"
    assert (await channel.send(call())).outcome == "accepted"
    assert smtp.connections == 1
    assert smtp.commands.count(b"RSET") == 1


async def test_a_connection_that_the_server_gave_up_is_opened_again_within_the_call(
    smtp: Faulty, channel: SmtpChannel, call: Build
) -> None:
    assert (await channel.send(call())).outcome == "accepted"
    smtp.mode = "drop_at_mail_once"
    assert (await channel.send(call())).outcome == "accepted"
    assert (smtp.connections, len(smtp.accepted)) == (2, 2)


async def test_idle_connections_are_closed(smtp: Faulty, call: Build) -> None:
    channel = SmtpChannel(SmtpServer("127.0.0.1", smtp.port, "none"), idle_seconds=0.05)
    await channel.send(call())
    await asyncio.sleep(0.2)
    await channel.send(call())
    assert smtp.connections == 2
    await channel.close()


async def test_nobody_listening_is_a_matter_for_later(call: Build, unused_tcp_port: int) -> None:
    channel = SmtpChannel(SmtpServer("127.0.0.1", unused_tcp_port, "none"))
    result = await channel.send(call())
    assert (result.outcome, result.reason) == ("retry", "smtp_connect_SMTPConnectError")


async def test_a_server_without_tls_gets_neither_mail_nor_password(smtp: Faulty, call: Build) -> None:
    channel = SmtpChannel(SmtpServer("127.0.0.1", smtp.port, "starttls", "user", "pw"), call_seconds=1)
    assert (await channel.send(call())).outcome == "retry"
    assert {command.split()[0] for command in smtp.commands} <= {b"EHLO", b"HELO", b"STARTTLS"}
    await channel.close()


@pytest.mark.parametrize("raw", [b"", b"a: b\r\n\r\nno end", b"a\nb\r\n", b"a\rb\r\n", b"a\r\n.\n\r\n"])
async def test_bytes_that_two_servers_could_read_differently_are_refused(channel: SmtpChannel, call: Build, raw: bytes) -> None:
    assert await channel.send(call(raw=raw)) == CallResult("failed", reason="malformed_mail")


@pytest.mark.parametrize("recipient", ["you@debtors.example>\r\nRCPT TO:<x@evil.example", "yöu@debtors.example"])
async def test_an_address_that_would_be_another_command_is_refused(smtp: Faulty, channel: SmtpChannel, call: Build, recipient: str) -> None:
    assert await channel.send(call(recipient=recipient)) == CallResult("failed", reason="malformed_address")
    assert not any(command.startswith(b"RCPT") for command in smtp.commands)


async def test_without_a_lookup_nobody_can_tell(channel: SmtpChannel, call: Build) -> None:
    assert await channel.find(call()) == "cannot_tell"
