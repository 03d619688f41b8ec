"""What no route should ever have to see: bodies without end, bytes that are not UTF-8, and characters PostgreSQL cannot store.

The middleware reads a whole body, 256 KiB at most, before the application runs; nothing here knows what a request means.
"""

import asyncio
import json
import re
from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paycue.http.fields import SLASH
from paycue.http.problems import FieldProblem, Problem, about, instance_of, invalid

LARGEST = 256 * 1024
_DEADLINE = 30.0
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


class Guarded:
    """Refuses what cannot be a request of this API; hands on the rest with its body read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        problem = _address_problem(scope) or _length_problem(scope)
        body = b""
        if problem is None:
            outcome = await _read(scope, receive)
            if outcome is None:
                return None
            body, problem = outcome
        if problem is not None:
            return await problem.response()(scope, receive, send)
        _keep_slashes(scope)
        return await self.app(scope, _replayed(body, receive), send)


def text_flaw(raw: bytes) -> str | None:
    """Why bytes cannot be text that we keep; None: they can."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte 0x{raw[error.start]:02x} at position {error.start}"
    return "it holds a NUL character" if "\0" in text else None


def json_flaw(raw: bytes) -> str | None:
    """Why a JSON body's strings cannot be kept: NUL or half a surrogate pair, written as escapes. Not JSON is left to the route."""
    lowered = raw.lower()
    if b"\\u0000" not in lowered and b"\\ud" not in lowered:
        return None
    try:
        waiting = [json.loads(raw)]
    except (ValueError, RecursionError):
        return None
    while waiting:
        match waiting.pop():
            case str(text) if "\0" in text:
                return "it holds a NUL character, written as an escape"
            case str(text) if any("\ud800" <= character <= "\udfff" for character in text):
                return "it holds half of a surrogate pair, written as an escape"
            case list(items):
                waiting.extend(items)
            case dict(fields):
                waiting.extend([*fields.keys(), *fields.values()])
    return None


def _body_flaw(body: bytes, content_type: str) -> str | None:
    kind = content_type.partition(";")[0].strip().lower()
    if not body or kind.startswith("multipart/"):
        return None
    if kind == "application/x-www-form-urlencoded":
        return text_flaw(unquote_to_bytes(body))
    return text_flaw(body) or json_flaw(body)


def _address_problem(scope: Scope) -> Problem | None:
    # What is decoded already has its invalid bytes replaced: the raw path tells.
    raw_path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    for part, raw in (("path", raw_path), ("query", scope.get("query_string", b""))):
        plain = unquote_to_bytes(raw)
        flaw = text_flaw(plain) or ("it holds U+FDD0, which is no character" if SLASH.encode() in plain else None)
        if flaw:
            return invalid([FieldProblem(part, "#", flaw)], instance_of(scope))
    return None


def _keep_slashes(scope: Scope) -> None:
    """Let an encoded slash belong to its segment: routing would split the id at it."""
    raw = scope.get("raw_path") or b""
    if b"%2f" in raw.lower():
        scope["path"] = unquote(_ENCODED_SLASH.sub(quote(SLASH), raw.decode()))


def _length_problem(scope: Scope) -> Problem | None:
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or len(length) > 18:
        return about(400, "The Content-Length is not a number of bytes.", instance_of(scope))
    return _too_large(scope) if int(length) > LARGEST else None


def _too_large(scope: Scope) -> Problem:
    return about(413, f"The body is larger than {LARGEST} bytes; send less, or in several requests.", instance_of(scope))


async def _read(scope: Scope, receive: Receive) -> tuple[bytes, Problem | None] | None:
    """The body, or the problem with it; None when the caller went away."""
    body = bytearray()
    try:
        async with asyncio.timeout(_DEADLINE):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > LARGEST:
                    return b"", _too_large(scope)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        return b"", about(408, f"The body did not arrive within {_DEADLINE:.0f} seconds.", instance_of(scope))
    flaw = _body_flaw(bytes(body), Headers(scope=scope).get("content-type", ""))
    return bytes(body), invalid([FieldProblem("body", "#", flaw)], instance_of(scope)) if flaw else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body once, then whatever the server says next."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
