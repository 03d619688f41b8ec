"""API keys: who may call what, for which creditor. `<key_id>.<secret>` is shown once; only the SHA-256 of its 256 random bits is kept.

Another creditor's things answer exactly as things that do not exist.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec
import structlog
from fastapi import Depends, HTTPException, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from paycue.ids import TENANT, new_id, new_secret

Mode = Literal["read", "write"]

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SCOPE = re.compile(r"\*|[a-z][a-z0-9-]*:(?:read|write)")
_BEARER = HTTPBearer(scheme_name="key", description="An API key, <key_id>.<secret>", auto_error=False)
_NO_SUCH_CREDITOR = "There is no such creditor, or this key is not for it."


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is kept. `tenant_id` empty: the operator's, for every creditor."""

    key_id: str
    secret_hash: bytes
    """SHA-256 of the secret, 32 bytes."""
    tenant_id: str
    scopes: tuple[str, ...]
    label: str = ""
    revoked: bool = False

    def allows(self, service: str, mode: Mode) -> bool:
        """Whether its scopes hold this one. Writing does not include reading."""
        return "*" in self.scopes or f"{service}:{mode}" in self.scopes


class Caller(msgspec.Struct, frozen=True):
    """Who is calling. `tenant` is the creditor of this request; empty on operator-level routes."""

    key_id: str
    tenant: str
    operator: bool


class Directory(Protocol):
    """Where keys and creditors are looked up: what a service has folded from the operator's directory."""

    async def api_key(self, key_id: str) -> ApiKey | None: ...

    async def creditor(self, tenant: str) -> object | None: ...


def mint(tenant: str, scopes: tuple[str, ...], label: str = "") -> tuple[ApiKey, str]:
    """A new key and its plain text, which nothing can show again. Raises ValueError on a bad tenant or scope."""
    if tenant and not TENANT.fullmatch(tenant):
        raise ValueError(f"{tenant!r} is not a creditor's slug: expected [a-z0-9-]{{1,32}}, or nothing for the operator")
    bad = [scope for scope in scopes if not SCOPE.fullmatch(scope)]
    if bad or not scopes:
        raise ValueError(f"{bad or 'no scope'} found; expected scopes such as scheduler:read, payments:write, or *")
    key_id, secret = new_id(), new_secret()
    return ApiKey(key_id, hashed(secret), tenant, tuple(scopes), label), f"{key_id}.{secret}"


def hashed(secret: str) -> bytes:
    """What is kept of a secret. Its 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def verify(key: ApiKey, secret: str) -> bool:
    """Whether the secret is the key's and the key still holds. Takes as long for a wrong secret as for the right one."""
    return hmac.compare_digest(hashed(secret), key.secret_hash) and not key.revoked


# Compared with when the id is unknown, so that an unknown id takes as long as a wrong secret.
_NOBODY = ApiKey("", hashed(""), "", (), revoked=True)

_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
_Creditor = Annotated[str, Path(description="The creditor's slug.")]


def authorised(service: str, mode: Mode) -> Callable[..., Awaitable[Caller]]:
    """The dependency of a route under `/v1/creditors/{creditor}`: its caller, or 401, 403, 404."""

    async def caller(request: Request, creditor: _Creditor, credentials: _Credentials) -> Caller:
        key = await _known(request.app.state, credentials)
        _require(key, service, mode)
        if key.tenant_id not in ("", creditor) or not TENANT.fullmatch(creditor):
            raise HTTPException(404, _NO_SUCH_CREDITOR)
        if not key.tenant_id and not await _exists(request.app.state, creditor):
            raise HTTPException(404, _NO_SUCH_CREDITOR)
        structlog.contextvars.bind_contextvars(tenant=creditor, key=key.key_id)
        return Caller(key.key_id, creditor, operator=not key.tenant_id)

    return caller


def operator_only(service: str, mode: Mode) -> Callable[..., Awaitable[Caller]]:
    """The dependency of an operator-level route: a creditor's key gets 403."""

    async def caller(request: Request, credentials: _Credentials) -> Caller:
        key = await _known(request.app.state, credentials)
        _require(key, service, mode)
        if key.tenant_id:
            raise HTTPException(403, "Only a key of the operator may do this; this one is a creditor's.")
        structlog.contextvars.bind_contextvars(key=key.key_id)
        return Caller(key.key_id, "", operator=True)

    return caller


async def _known(state: Any, credentials: HTTPAuthorizationCredentials | None) -> ApiKey:
    """The key that was presented. Raises 401, the same for an unknown id, a wrong secret and a revoked key."""
    if credentials is None:
        raise _unauthorised("Send an API key: Authorization: Bearer <key_id>.<secret>.", "")
    key_id, _, secret = credentials.credentials.partition(".")
    recent: ApiKey | None = state.recent.get(f"key:{key_id}")
    if recent is not None and verify(recent, secret):
        return recent
    directory: Directory = state.directory
    key = await directory.api_key(key_id) if _KEY_ID.fullmatch(key_id) else None
    if not verify(key or _NOBODY, secret) or key is None:
        raise _unauthorised("The API key is unknown or revoked.", ', error="invalid_token"')
    # Only for whoever has the secret: whether there is such a key is nobody else's to measure.
    state.recent.keep(f"key:{key_id}", key)
    return key


async def _exists(state: Any, creditor: str) -> bool:
    directory: Directory = state.directory
    found = state.recent.get(f"creditor:{creditor}") or await directory.creditor(creditor)
    if found is not None:
        state.recent.keep(f"creditor:{creditor}", found)
    return found is not None


def _unauthorised(detail: str, error: str) -> HTTPException:
    return HTTPException(401, detail, {"WWW-Authenticate": f'Bearer realm="paycue"{error}'})


def _require(key: ApiKey, service: str, mode: Mode) -> None:
    if not key.allows(service, mode):
        raise HTTPException(403, f"The key's scopes are {', '.join(key.scopes) or 'none'}; this needs {service}:{mode}.")
