"""A mail's bytes, written by hand: `email.message` costs as much as the rest of the pipeline sixteen times over.

Header values are checked before they are written, since older interpreters decode RFC 2047 words into new headers. Nothing that
could end a header or begin an encoded word may pass; `self_test` and the tests hold the bytes to what `email` reads in them.
"""

import re
from base64 import b64encode, encodebytes
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from services.notifier.domain.addresses import normalise_email
from services.notifier.domain.rendering.facts import check_link

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Mail(msgspec.Struct, frozen=True):
    """One mail to one address."""

    sender_email: str
    sender_name: str
    to: str
    subject: str
    sent_at: datetime
    zone: str
    message_id: str
    unsubscribe_link: str
    text: str
    html: str


def mail_bytes(mail: Mail) -> bytes:
    """The mail as it crosses the wire, lines ended by CRLF. Raises ValueError on a header value that is not plain."""
    check_link("unsubscribe_link", mail.unsubscribe_link)
    if not _UUID.fullmatch(mail.message_id):
        raise ValueError(f"message_id is {mail.message_id!r}; expected a UUID in lower case")
    sender, boundary = _address("sender_email", mail.sender_email), f"=_{mail.message_id}"
    headers = (
        f"From: {_named(mail.sender_name, sender)}\r\n"
        f"To: {_address('to', mail.to)}\r\n"
        f"Subject: {_words('subject', mail.subject)}\r\n"
        f"Date: {date_header(mail.sent_at, mail.zone)}\r\n"
        f"Message-ID: <{mail.message_id}@{sender.rpartition('@')[2]}>\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'
        f"List-Unsubscribe: <{mail.unsubscribe_link}>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        "Auto-Submitted: auto-generated\r\n"
    ).encode("ascii")
    mark = boundary.encode("ascii")
    parts = _part("plain", mail.text, boundary), _part("html", mail.html, boundary)
    return b"%b\r\n--%b\r\n%b\r\n--%b\r\n%b\r\n--%b--\r\n" % (headers, mark, parts[0], mark, parts[1], mark)


@lru_cache(maxsize=4096)
def date_header(at: datetime, zone: str) -> str:
    """RFC 5322's date of an instant, in the zone's own hours; a batch of mails shares it. Raises ValueError when it has no zone."""
    if at.utcoffset() is None:
        raise ValueError(f"sent_at is {at!r}; expected an instant with its zone")
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"the zone is {zone!r}; expected an IANA zone such as America/New_York") from None
    return f"{_DAYS[local.weekday()]}, {local.day:02} {_MONTHS[local.month - 1]} {local.year} {local:%H:%M:%S %z}"


def _address(name: str, address: str) -> str:
    if normalise_email(address).lower() != address.lower():
        raise ValueError(f"{name} has blanks around it; expected the bare address")
    return address


def _named(name: str, address: str) -> str:
    if not name:
        return address
    if not name.isascii():
        return f"{_words('sender_name', name)} <{address}>"
    escaped = _plain("sender_name", name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def _words(name: str, value: str) -> str:
    """A header's text: itself if ASCII, else RFC 2047 words, each on a line of 76 at most."""
    if _plain(name, value).isascii():
        return value
    chunks, chunk = [], ""
    for character in value:
        if len((chunk + character).encode()) > 36:
            chunks.append(chunk)
            chunk = ""
        chunk += character
    return "\r\n ".join(f"=?utf-8?b?{b64encode(piece.encode()).decode('ascii')}?=" for piece in (*chunks, chunk))


def _plain(name: str, value: str) -> str:
    if not value.strip() or value != value.strip() or len(value) > 400 or "=?" in value or _CONTROL.search(value):
        raise ValueError(f"{name} is {value[:400]!r}; expected 1 to 400 characters without control characters, outer blanks or '=?'")
    return value


def _part(kind: str, text: str, boundary: str) -> bytes:
    """A text as one part: as it is if every mail server passes it unchanged, else in base64. A part has no last line end."""
    lines = text.rstrip("\n").split("\n")
    plain = text.isascii() and max(map(len, lines)) <= 998 and boundary not in text and not _CONTROL.search(text.replace("\n", ""))
    content = "\r\n".join(lines).encode()
    encoding, body = (b"7bit", content) if plain else (b"base64", encodebytes(content).strip().replace(b"\n", b"\r\n"))
    return b'Content-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: %b\r\n\r\n%b' % (kind.encode(), encoding, body)
