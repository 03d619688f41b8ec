"""The SMTP sink with the client that the notifier uses, and with bytes no client would send."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiosmtplib
import pytest

from paycue.local.errors import LocalStackError
from paycue.local.inbox import LocalInbox, SmtpFault
from paycue.local.inbox.faults import SmtpStage
from paycue.local.inbox.smtp import MAX_SIZE

MAIL = b"From: a@lender.example\r\nTo: b@debtor.example\r\nSubject: Invoice 7\r\nDate: Fri, 8 Feb 2013 09:00:00 -0500\r\n\r\nHello\r\n"


@contextmanager
def fails_with(kind: type[Exception]) -> Iterator[None]:
    """Some error of the client; a dropped connection is not always the same one."""
    with pytest.raises(kind):
        yield


async def connected(inbox: LocalInbox) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=urlsplit(inbox.smtp_url).port, start_tls=False, timeout=2)
    await client.connect()
    return client


async def send(inbox: LocalInbox, raw: bytes = MAIL, *to: str) -> None:
    client = await connected(inbox)
    try:
        await client.sendmail("a@lender.example", list(to) or ["b@debtor.example"], raw)
    finally:
        client.close()


async def say(inbox: LocalInbox, *chunks: bytes) -> bytes:
    """What the sink answers to these bytes, each in a packet of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(inbox.smtp_url).port)
    for chunk in chunks:
        writer.write(chunk)
        await asyncio.sleep(0.005)
    writer.write(b"QUIT\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_a_mail_is_kept_byte_for_byte_with_its_envelope(inbox: LocalInbox) -> None:
    await send(inbox)
    (message,) = inbox.received
    assert (message.raw, message.to, message.sender) == (MAIL, "b@debtor.example", "a@lender.example")


async def test_leading_dots_survive_the_wire(inbox: LocalInbox) -> None:
    raw = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend.\r\n"
    await send(inbox, raw)
    assert inbox.received[0].raw == raw


async def test_one_mail_to_two_recipients_is_one_message(inbox: LocalInbox) -> None:
    await send(inbox, MAIL, "b@debtor.example", "c@debtor.example")
    assert [message.recipients for message in inbox.received] == [("b@debtor.example", "c@debtor.example")]


async def test_one_connection_carries_many_mails(inbox: LocalInbox) -> None:
    client = await connected(inbox)
    for number in range(20):
        await client.sendmail("a@lender.example", [f"b{number}@debtor.example"], MAIL)
    await client.quit()
    assert [message.number for message in inbox.received] == list(range(1, 21))


async def test_a_mail_cut_into_single_bytes_is_the_same_mail(inbox: LocalInbox) -> None:
    session = b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n" + MAIL + b".\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(inbox.smtp_url).port)
    for index in range(len(session)):
        writer.write(session[index : index + 1])
        await asyncio.sleep(0)
    await inbox.wait_for(1)
    writer.close()
    assert inbox.received[0].raw == MAIL


async def test_pipelined_commands_are_answered_in_order(inbox: LocalInbox) -> None:
    answer = await say(inbox, b"EHLO x\r\nMAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<b@x.example>\r\nDATA\r\nS: 1\r\n\r\nhi\r\n.\r\nNOOP\r\n")
    codes = [line[:3] for line in answer.splitlines() if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"250", b"221"]


@pytest.mark.parametrize(
    ("chunk", "code"),
    [
        (b"RCPT TO:<b@x.example>\r\n", b"503"),
        (b"DATA\r\n", b"503"),
        (b"MAIL FROM:<a@x.example>\r\nDATA\r\n", b"503"),
        (b"MAIL whatever\r\n", b"501"),
        (b"MAIL FROM:<a@x.example>\r\nRCPT TO:<>\r\n", b"501"),
        (b"\xff\xfe\x00\r\n", b"502"),
        (b"x" * 5000, b"500"),
    ],
)
async def test_what_is_no_smtp_is_refused_with_its_code(inbox: LocalInbox, chunk: bytes, code: bytes) -> None:
    assert code in [line[:3] for line in (await say(inbox, chunk)).splitlines()]


async def test_a_mail_that_is_too_big_is_refused(inbox: LocalInbox) -> None:
    with fails_with(aiosmtplib.SMTPException):
        await send(inbox, b"Subject: x\r\n\r\n" + b"x" * MAX_SIZE)
    assert inbox.count == 0


@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "dot"])
async def test_a_refusal_keeps_nothing_and_the_next_mail_goes_through(inbox: LocalInbox, at: SmtpStage) -> None:
    inbox.fail(SmtpFault(at, reply="451 4.7.1 Greylisted, try again"))
    with fails_with(aiosmtplib.SMTPException):
        await send(inbox)
    await send(inbox)
    assert inbox.count == 1


@pytest.mark.parametrize("at", ["connect", "mail", "rcpt", "data", "content", "dot"])
async def test_a_drop_before_acceptance_keeps_nothing(inbox: LocalInbox, at: SmtpStage) -> None:
    inbox.fail(SmtpFault(at))
    with fails_with(aiosmtplib.SMTPException):
        await send(inbox)
    assert inbox.count == 0


@pytest.mark.parametrize("silent", [False, True])
async def test_after_acceptance_the_mail_is_kept_though_the_sender_never_learns(inbox: LocalInbox, silent: bool) -> None:
    inbox.fail(SmtpFault("accepted", silent=silent))
    with fails_with(aiosmtplib.SMTPException):
        await send(inbox)
    assert inbox.count == 1


async def test_a_fault_of_one_recipient_leaves_the_others_alone(inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("rcpt", reply="550 5.1.1 No such user", to="gone@debtor.example", times=9))
    await send(inbox)
    with fails_with(aiosmtplib.SMTPRecipientsRefused):
        await send(inbox, MAIL, "gone@debtor.example")
    assert [message.to for message in inbox.received] == ["b@debtor.example"]


async def test_healing_ends_the_faults(inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("mail", reply="421 4.3.2 Going down", times=100))
    inbox.heal()
    await send(inbox)
    assert inbox.count == 1


async def test_a_folder_has_one_file_a_message_with_the_very_bytes(tmp_path: Path) -> None:
    async with LocalInbox(tmp_path / "inbox") as inbox:
        await send(inbox)
        await send(inbox, b"Subject: two\r\n\r\n8-bit \xff\r\n")
    files = {path.name: path.read_bytes() for path in (tmp_path / "inbox").iterdir()}
    assert files == {"000001.eml": MAIL, "000002.eml": b"Subject: two\r\n\r\n8-bit \xff\r\n"}


async def test_an_inbox_started_again_has_what_it_had_and_counts_on(tmp_path: Path) -> None:
    async with LocalInbox(tmp_path) as inbox:
        await send(inbox)
    async with LocalInbox(tmp_path) as again:
        await send(again)
        assert [(message.number, message.to, message.subject) for message in again.received] == [
            (1, "b@debtor.example", "Invoice 7"),
            (2, "b@debtor.example", "Invoice 7"),
        ]


async def test_only_the_newest_stay_in_memory_and_the_oldest_come_from_their_file(tmp_path: Path) -> None:
    async with LocalInbox(tmp_path, keep=10) as inbox:
        for _ in range(14):
            await send(inbox)
        assert (inbox.count, len(inbox.received), inbox.received[-1].number) == (14, 11, 14)
        first = inbox.box.get(1)
        assert first is not None
        assert first.raw == MAIL


async def test_waiting_for_more_than_comes_says_how_many_came(inbox: LocalInbox) -> None:
    await send(inbox)
    with pytest.raises(TimeoutError, match=r"1 messages were received within 0.05 s, 2 were expected"):
        await inbox.wait_for(2, timeout=0.05)


async def test_watchers_hear_of_a_mail_before_its_sender_is_answered(inbox: LocalInbox) -> None:
    heard: list[int] = []
    inbox.watch(lambda message: heard.append(message.number))
    await send(inbox)
    assert heard == [1]


async def test_a_full_disk_refuses_the_mail_instead_of_losing_it(tmp_path: Path) -> None:
    async with LocalInbox(tmp_path / "inbox") as inbox:
        (tmp_path / "inbox").rmdir()
        with fails_with(aiosmtplib.SMTPDataError):
            await send(inbox)
        assert inbox.count == 0


async def test_a_port_in_use_is_told_in_a_sentence(inbox: LocalInbox) -> None:
    taken = urlsplit(inbox.smtp_url).port or 0
    with pytest.raises(LocalStackError, match=f"cannot use port {taken} for SMTP .*choose another port"):
        await LocalInbox(smtp_port=taken).__aenter__()


async def test_it_is_known_when_a_mail_arrived_and_by_which_call(inbox: LocalInbox) -> None:
    before = time.monotonic()
    await send(inbox, b"Message-ID: <call-7@lender.example>\r\n" + MAIL)
    (message,) = inbox.received
    assert message.call_id == "call-7"
    assert before <= message.arrived_at <= time.monotonic()


async def test_a_mail_refused_after_its_dot_is_remembered_as_refused(inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("dot", reply="451 4.3.0 Later"))
    with fails_with(aiosmtplib.SMTPException):
        await send(inbox)
    assert (inbox.received, [(mail.to, mail.raw) for mail in inbox.box.refused]) == ([], [("b@debtor.example", MAIL)])
