"""What surrounds every request: its trace, its metrics and log line, the security headers, and the net under every exception.

Plain ASGI, because Starlette's BaseHTTPMiddleware breaks context variables and cancellation. It never reads a body.
"""

import re
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paycue.http.problems import instance_of, of_exception
from paycue.observability import metrics, trace

_log = structlog.get_logger("paycue.http")

_TOKENS = re.compile(r"^(/[pu]/).+")
_QUIET = ("/healthz", "/readyz", "/metrics")
_DOCS = ("/docs", "/redoc")
_NOTHING = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
# Our own pages carry their styles in themselves and post only to us.
_PAGE = _NOTHING + b"; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'"
_DOCS_PAGE = (
    b"default-src 'self'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net "
    b"https://fonts.googleapis.com; font-src https://fonts.gstatic.com; img-src data: https:; worker-src blob:; frame-ancestors 'none'"
)
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class Observed:
    """Continues the caller's trace, counts and logs the request, and adds the headers that every answer carries."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        span = trace.continued(Headers(scope=scope).get("traceparent"))
        started, status = time.monotonic(), 499

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(scope, message, span)
            await send(message)

        with trace.within(span), structlog.contextvars.bound_contextvars(service=self.service, trace=span.trace_id):
            try:
                await self.app(scope, receive, answered)
            finally:
                self._record(scope, status, time.monotonic() - started)
                structlog.contextvars.unbind_contextvars("tenant", "key")
        return None

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        """Status 499: the caller went away before an answer."""
        operation = _operation(scope)
        metrics.HTTP_REQUESTS.labels(self.service, operation, _method(scope), str(status)).inc()
        metrics.HTTP_SECONDS.labels(self.service, operation).observe(seconds)
        say = _log.debug if scope["path"] in _QUIET else _log.info
        say(
            "request",
            method=_method(scope),
            path=_shown(instance_of(scope)),
            operation=operation,
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )


def _shown(path: str) -> str:
    """The path for a log: a debtor's link is a key to their page, and logs are read by others."""
    return _TOKENS.sub(r"\1-", path)


class Caught:
    """Turns every exception that nothing else caught into a problem, once, and lets the log know."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noticed(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noticed)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            problem, headers = of_exception(error, scope)
            await problem.response(headers)(scope, receive, send)


def _method(scope: Scope) -> str:
    """The method, or OTHER: a label must not grow with what callers invent."""
    method: str = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "OTHER"


def _operation(scope: Scope) -> str:
    """The route's function name; a path without a route has none."""
    endpoint: Any = scope.get("endpoint")
    return getattr(endpoint, "__name__", "unknown")


def _add_headers(scope: Scope, message: Message, span: trace.Trace) -> None:
    raw: list[tuple[bytes, bytes]] = message.setdefault("headers", [])
    given = dict(raw)
    page = given.get(b"content-type", b"").startswith(b"text/html")
    policy = _DOCS_PAGE if scope["path"].startswith(_DOCS) else _PAGE if page else _NOTHING
    ours = (*_SECURITY, (b"content-security-policy", policy))
    raw += [header for header in ours if header[0] not in given]
    MutableHeaders(raw=raw)["traceparent"] = span.header()
