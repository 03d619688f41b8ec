"""Every error of every API as a problem (RFC 9457): what was found, what is expected, what to do.

A problem never carries a stack trace, an address of ours, or a value that the caller did not send to this very request.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from paycue.db.engine import TRANSIENT
from paycue.decision import Refused
from paycue.http.fields import SLASH
from paycue.ids import new_id

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger("paycue.http")


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one value. `pointer` is a JSON pointer as a URI fragment, relative to the part of the request it names."""

    part: str
    """body, query, path, header or cookie."""
    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document. `type` is stable for a title; about:blank says no more than the status does."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    instance: str = ""
    errors: tuple[FieldProblem, ...] = ()

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The document as an answer."""
        # about:blank is spelled out: clients switch on `type`.
        body = msgspec.json.encode({"type": self.type, **msgspec.to_builtins(self)})
        return Response(body, self.status, dict(headers or {}), MEDIA_TYPE)


def about(status: int, detail: str = "", instance: str = "") -> Problem:
    """The plain problem of a status."""
    known = HTTPStatus(status)
    plain = f"{known.description or known.phrase}."
    return Problem(status, known.phrase, detail if detail not in ("", known.phrase) else plain, instance=instance)


def invalid(errors: Sequence[FieldProblem], instance: str = "") -> Problem:
    """A request whose values are not what the API asks for."""
    detail = f"{len(errors)} value{'s are' if len(errors) != 1 else ' is'} not what this operation asks for; errors names each."
    return Problem(422, "Invalid request", detail, _urn("Invalid request"), instance, tuple(errors))


def instance_of(scope: Scope) -> str:
    """The path as it was asked for, safe to print."""
    return quote(scope["path"].encode("utf-8", "replace"), safe="/:@!$&'()*+,;=-._~").replace(quote(SLASH), "%2F")


def of_exception(error: Exception, scope: Scope) -> tuple[Problem, Mapping[str, str]]:
    """The problem of any exception that a handler or route raised, and headers that go with it."""
    instance = instance_of(scope)
    match error:
        case HTTPException():
            return about(error.status_code, str(error.detail), instance), error.headers or {}
        case Refused():
            return Problem(error.status, error.title, error.detail, _urn(error.title), instance), {}
        case RequestValidationError():
            return invalid([_field_problem(e) for e in error.errors()], instance), {}
    return _unexpected(error, instance)


def _unexpected(error: Exception, instance: str) -> tuple[Problem, Mapping[str, str]]:
    """503 for what goes away by itself, else 500; the log knows more under the problem's id."""
    number = new_id()
    if _transient(error):
        _log.warning("request.unavailable", id=number, path=instance, error=f"{type(error).__name__}: {error}")
        detail = f"The service cannot reach what it needs just now; send the same request again. Our log calls this {number}."
        return about(503, detail, f"urn:uuid:{number}"), {"Retry-After": "1"}
    _log.error("request.failed", id=number, path=instance, exc_info=error)
    detail = f"The fault is ours and nothing was changed. Our log calls this {number}; name it when you ask us."
    return about(500, detail, f"urn:uuid:{number}"), {}


def _transient(error: BaseException) -> bool:
    """Whether the error, or one behind it, is of the database's passing kinds. A value it cannot take is not."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TRANSIENT) and not isinstance(seen, ValueError):
            return True
        seen = seen.__cause__
    return False


def _field_problem(error: Mapping[str, Any]) -> FieldProblem:
    part, *path = error["loc"]
    if error["type"] == "json_invalid":
        return FieldProblem("body", "#", f"not JSON: {error['ctx']['error']} at character {path[0]}")
    pointer = "".join(f"/{quote(str(step).replace('~', '~0').replace('/', '~1').encode('utf-8', 'replace'))}" for step in path)
    return FieldProblem(str(part), f"#{pointer}", str(error["msg"]).removeprefix("Value error, "))


def _urn(title: str) -> str:
    """`urn:paycue:problem:unknown-invoice` for "Unknown invoice": a problem's title is its name."""
    slug = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
    return f"urn:paycue:problem:{quote(slug)}"


def install(app: FastAPI) -> None:
    """Every exception that a route raises becomes a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        problem, headers = of_exception(error, request.scope)
        return problem.response(headers)

    handler: Callable[[Request, Exception], Awaitable[Response]] = answer
    for raised in (HTTPException, RequestValidationError, Refused):
        app.add_exception_handler(raised, handler)
