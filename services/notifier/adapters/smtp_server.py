"""Where mail is handed over, read from one URL. It must never show the password."""

from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

Tls = Literal["starttls", "implicit", "none"]
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SmtpServer(msgspec.Struct, frozen=True):
    """A mail server and how to talk to it."""

    host: str
    port: int
    tls: Tls
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port}, tls={self.tls})"


def smtp_server(url: str) -> SmtpServer:
    """The server of smtp://[user:password@]host:port[?tls=starttls|implicit|none].

    Without `tls`: none on this machine, implicit on port 465, else starttls. Raises ValueError on another form, and on a
    password that would cross a network in clear.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "smtp" or not parts.hostname or not port or parts.path not in ("", "/"):
        raise ValueError("expected smtp://[user:password@]host:port[?tls=starttls|implicit|none]")
    tls = _tls(parts.query, parts.hostname, port)
    user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
    if user and tls == "none" and parts.hostname not in _LOOPBACK:
        raise ValueError(f"tls=none would send the password to {parts.hostname} in clear; expected tls=starttls or tls=implicit")
    return SmtpServer(parts.hostname, port, tls, user, password)


def _tls(query: str, host: str, port: int) -> Tls:
    match parse_qs(query, keep_blank_values=True):
        case {"tls": ["starttls" | "implicit" | "none" as tls], **others} if not others:
            return tls
        case _ if not query:
            return "none" if host in _LOOPBACK else "implicit" if port == 465 else "starttls"
        case _:
            raise ValueError(f"found ?{query}; expected ?tls=starttls, ?tls=implicit or ?tls=none")
