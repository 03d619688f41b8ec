"""The quick reader of mail says what the standard library's says."""

from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from paycue.local.inbox.received import Received

TEXT = "Dear Zoë,\n\ninvoice 0042 is open: 1,234.50 EUR – due 8 Feb.\n" + "A long line. " * 40 + "\n.dot\n"


def received(raw: bytes) -> Received:
    return Received(1, "email", "b@x.example", "a@x.example", raw, 0.0)


def written(encoding: str, charset: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"], message["To"] = "Überfällig: your invoice 0042 of a rather long name that folds over two lines", "b@x.example"
    message.set_content(TEXT.replace("–", "-"), cte=encoding, charset=charset)
    return message


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
@pytest.mark.parametrize("shape", ["plain", "alternative", "attachment"])
def test_text_and_subject_are_those_of_the_standard_library(encoding: str, charset: str, shape: str) -> None:
    message = written(encoding, charset)
    if shape != "plain":
        message.add_alternative("<p>Zoë</p>", subtype="html")
    if shape == "attachment":
        message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="invoice.pdf")
    body = message.get_body(("plain",))
    assert body is not None
    read = received(message.as_bytes())
    assert (read.text.rstrip("\n"), read.subject) == (str(body.get_content()).replace("\r\n", "\n").rstrip("\n"), message["Subject"])


def test_the_html_part_is_read_beside_the_text() -> None:
    message = written("base64", "utf-8")
    message.add_alternative("<p>Zoë</p>", subtype="html")
    assert received(message.as_bytes()).mail.html.strip() == "<p>Zoë</p>"


def test_the_date_keeps_the_offset_it_was_written_with() -> None:
    sent = received(b"Date: Fri, 8 Feb 2013 09:00:00 -0500\r\n\r\n").sent_at
    assert (sent, sent and sent.utcoffset()) == (datetime(2013, 2, 8, 9, tzinfo=timezone(timedelta(hours=-5))), timedelta(hours=-5))


def test_a_date_without_a_zone_is_utc() -> None:
    assert received(b"Date: Fri, 8 Feb 2013 09:00:00 -0000\r\n\r\n").sent_at == datetime(2013, 2, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"no headers at all", b"Date: yesterday\r\n\r\nx", b"Content-Type: multipart/mixed\r\n\r\nx"]
)
def test_what_cannot_be_read_is_never_an_error(raw: bytes) -> None:
    read = received(raw)
    assert (read.sent_at, read.message_id) == (None, "")


@pytest.mark.parametrize(
    "raw",
    [
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--\r\n',
        b"Content-Type: text/plain; charset=klingon\r\n\r\nhello",
        b"Subject: =?klingon?B?????=\r\n\r\nhello",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 50,
    ],
)
def test_broken_mail_is_shown_as_far_as_it_goes(raw: bytes) -> None:
    read = received(raw)
    assert isinstance(read.text + read.subject, str)


def test_folded_headers_are_unfolded_and_message_ids_lose_their_brackets() -> None:
    read = received(b"Subject: one\r\n two\r\nMessage-ID:\r\n <a.b@x.example>\r\n\r\n")
    assert (read.subject, read.message_id) == ("one two", "a.b@x.example")
