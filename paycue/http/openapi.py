"""The API's description: deterministic, so that a snapshot of it can be compared, and with the problems that every operation may answer.

It describes what routes declare and adds nothing that the application does not do.
"""

import json
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from paycue.http.problems import MEDIA_TYPE, Problem

Json = dict[str, Any]

_ALWAYS = {"400": "The request cannot be read.", "422": "A value is not what the operation asks for.", "default": "Any other error."}
_SECURED = {
    "401": "No key, or one that is unknown or revoked.",
    "403": "The key lacks the scope.",
    "404": "There is no such thing, or it is another creditor's.",
}
_CHANGING = {"409": "The present state forbids it.", "413": "The body is larger than 256 KiB."}


def install(app: FastAPI) -> None:
    """Let the application describe itself with its problems."""

    def describe() -> Json:
        if not app.openapi_schema:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """The function's name: unique in an application, and stable when paths move."""
    return route.name


def text(app: FastAPI) -> str:
    """The description as canonical JSON, for snapshots."""
    return json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _described(app: FastAPI) -> Json:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            _add_problems(method, operation)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for ours in ("HTTPValidationError", "ValidationError"):
        schemas.pop(ours, None)
    (_, parts) = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    parts["Problem"]["required"] = ["type", "title", "status", "detail"]
    schemas.update(parts)
    return document


def _add_problems(method: str, operation: Json) -> None:
    """Each error that the operation may answer, as a problem document."""
    wanted = _ALWAYS | (_SECURED if operation.get("security") else {}) | (_CHANGING if method not in ("get", "head") else {})
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, description in wanted.items():
        operation["responses"][status] = {"description": description, "content": content}
