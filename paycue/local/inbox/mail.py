"""Reads a mail as far as a person or a report needs: headers, the text part, the HTML part. Tens of microseconds a mail, where
the standard library takes a millisecond. Never raises on what a sender got wrong; it shows what can be read.
"""

import binascii
import quopri
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

import msgspec

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_MAX_DEPTH = 8


class Mail(msgspec.Struct, frozen=True):
    """What a mail says. Header values are unfolded and decoded, in the order they stand."""

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str

    def header(self, name: str) -> str:
        """The first header of that name, in lower case; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def parse(raw: bytes) -> Mail:
    """Reads a mail as it came over the wire."""
    headers, body = _split(raw)
    texts: dict[str, str] = {}
    for kind, text in _parts(headers, body, 0):
        texts.setdefault(kind, text)
    return Mail(tuple((name, _decoded(value)) for name, value in headers), texts.get("text/plain", ""), texts.get("text/html", ""))


def _split(raw: bytes) -> tuple[list[tuple[str, str]], bytes]:
    if raw.startswith(b"\r\n"):  # a part without headers
        return [], raw[2:]
    head, _, body = raw.partition(b"\r\n\r\n") if b"\r\n\r\n" in raw else raw.partition(b"\n\n")
    headers = []
    for line in _FOLD.sub(b"", head).splitlines():
        name, colon, value = line.partition(b":")
        if colon:
            headers.append((name.decode("utf-8", "replace").strip(), value.decode("utf-8", "replace").strip()))
    return headers, body


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _parts(headers: list[tuple[str, str]], body: bytes, depth: int) -> Iterator[tuple[str, str]]:
    """Each text of the mail with its type, in order."""
    named = {name.lower(): value for name, value in reversed(headers)}
    kind = Message()
    kind["content-type"] = named.get("content-type", "text/plain")
    boundary = kind.get_boundary()
    if kind.get_content_maintype() == "multipart" and boundary and depth < _MAX_DEPTH:
        for part in _cut(body, boundary.encode()):
            yield from _parts(*_split(part), depth + 1)
    elif kind.get_content_maintype() == "text":
        content = _content(body, named.get("content-transfer-encoding", "7bit").strip().lower())
        yield kind.get_content_type(), _text(content, kind.get_content_charset("utf-8"))


def _cut(body: bytes, boundary: bytes) -> Iterator[bytes]:
    if b"\r\n" not in body:
        body = body.replace(b"\n", b"\r\n")
    for chunk in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if chunk.startswith(b"--"):
            return
        yield chunk.partition(b"\r\n")[2]


def _content(body: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body)
        except binascii.Error:
            return body
    return quopri.decodestring(body) if encoding == "quoted-printable" else body


def _text(content: bytes, charset: str) -> str:
    try:
        text = content.decode(charset, "replace")
    except LookupError:
        text = content.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")
