"""What a process must be told before it starts: typed settings from variables that begin with PAYCUE_.

`load` names every missing or unsafe variable at once, with what was found and what is expected. It must never print a secret,
and no secret has a default.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

PREFIX = "PAYCUE_"
_PLACEHOLDER = re.compile(r"change.?(me|this|it)|secret|passw|example|insecure|default|placeholder|qwert|letmein", re.IGNORECASE)
# Up to the last @ of the word: a password that was not percent-encoded may hold one.
_URL_PASSWORD = re.compile(r"(?<=://)([^:@/\s]*):\S*@")


class SettingsError(Exception):
    """The process cannot start; the text has one line per variable."""


def postgresql_url(text: str) -> str:
    """Raises ValueError unless `text` is a PostgreSQL URL that names a database."""
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres", "postgresql+asyncpg"):
        raise ValueError("not a PostgreSQL URL")
    if not parts.path.strip("/"):
        raise ValueError("it names no database")
    return text


def host_ports(text: str) -> str:
    """Raises ValueError unless `text` is host:port, or several of them with commas."""
    for broker in text.split(","):
        host, _, port = broker.rpartition(":")
        if not host.strip() or "/" in host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{broker!r} is not host:port")
    return text


def http_url(text: str) -> str:
    """`text` without its last slash. Raises ValueError unless it is an http or https URL of a host."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("not an http or https URL")
    return text.rstrip("/")


def strong_secret(text: str) -> str:
    """Raises ValueError for a secret that is short, a placeholder, or a repetition."""
    if len(text) < 32:
        raise ValueError("too short")
    if _PLACEHOLDER.search(text):
        raise ValueError("a well-known placeholder")
    if len(set(text)) < 8 or any(text == (text[:n] * len(text))[: len(text)] for n in range(1, len(text) // 2 + 1)):
        raise ValueError("a repetition, not random")
    return text


def secret_field(description: str, **options: Any) -> Any:
    """The field of a password, token, key or a URL with one: never in a repr, shown by its length in errors."""
    return Field(description=description, repr=False, **options)


def port_for(service: str, default: int) -> Any:
    """A service's own port: `http_port: int = port_for("scheduler", 8101)` reads PAYCUE_SCHEDULER_PORT, then PAYCUE_HTTP_PORT."""
    alias = AliasChoices(f"{PREFIX}{service.upper()}_PORT")
    return Field(default, ge=0, le=65535, validation_alias=alias, description="the API's port, 0 to 65535 (0: any free one)")


class KernelSettings(BaseSettings):
    """What every service needs. A service subclasses it and adds its own."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True)

    database_url: Annotated[str, AfterValidator(postgresql_url)] = secret_field("postgresql://user:password@host:port/database")
    database_role: str | None = Field(
        default=None, pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="the role every connection takes, such as paycue_scheduler"
    )
    kafka: Annotated[str, AfterValidator(host_ports)] = Field(description="the brokers, host:port or host:port,host:port")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="plaintext, ssl, sasl_plaintext or sasl_ssl"
    )
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_username: str | None = Field(default=None, description="the user of a sasl_* security")
    kafka_password: str | None = secret_field("the password of a sasl_* security", default=None)
    kafka_session_seconds: float = Field(
        default=10.0, ge=1, le=300, description="how long a member that died holds its partitions, 1 to 300; the brokers set bounds too"
    )
    kafka_ca_file: str | None = Field(default=None, description="a PEM file of the certificates that brokers are checked against")
    secret: Annotated[str, AfterValidator(strong_secret)] = secret_field(
        "at least 32 random characters that sign links, such as `openssl rand -hex 32` prints"
    )
    public_url: Annotated[str, AfterValidator(http_url)] = Field(description="where debtors reach us, such as https://pay.example.com")
    http_host: str = Field(default="127.0.0.1", description="the address the API listens on, such as 0.0.0.0")
    http_port: int = Field(default=8080, ge=0, le=65535, description="the API's port, 0 to 65535 (0: any free one)")
    log_format: Literal["json", "console"] = Field(default="json", description="json or console")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="debug, info, warning or error")

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        if self.kafka_security.startswith("sasl_") and not (self.kafka_username and self.kafka_password):
            raise ValueError(f"PAYCUE_KAFKA_SECURITY is {self.kafka_security}; set PAYCUE_KAFKA_USERNAME and PAYCUE_KAFKA_PASSWORD too")
        return self

    @property
    def signing_key(self) -> bytes:
        """The secret as bytes, for links."""
        return self.secret.encode()


S = TypeVar("S", bound=KernelSettings)


def load(settings: type[S]) -> S:
    """The settings of this process's environment. Raises SettingsError with a line for each variable that is missing or unsafe."""
    try:
        return cast(Callable[[], S], settings)()
    except ValidationError as error:
        lines = sorted({_line(settings, details) for details in error.errors(include_url=False)})
    except SourceError as error:
        lines = [masked(str(error))]
    raise SettingsError("\n".join(["paycue cannot start:", *(f"  {line}" for line in lines)]))


def masked(text: str) -> str:
    """`text` with the password of every URL in it replaced by three asterisks."""
    return _URL_PASSWORD.sub(r"\1:***@", text)


def _line(settings: type[KernelSettings], details: ErrorDetails) -> str:
    """One sentence: the variable, what was found, what is expected."""
    reason = details["msg"].removeprefix("Value error, ")
    if not details["loc"]:
        return reason
    name, field = _field(settings, str(details["loc"][0]))
    if details["type"] == "missing":
        return f"{name} is not set; expected: {field.description}"
    return f"{name} is {_shown(field, details['input'])}: {reason}; expected: {field.description}"


def _field(settings: type[KernelSettings], where: str) -> tuple[str, FieldInfo]:
    """The variable's name and its field, from the field's name or its alias."""
    for name, field in settings.model_fields.items():
        aliases = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else []
        if where == name or where in aliases:
            return (where if where in aliases else f"{PREFIX}{where.upper()}"), field
    raise KeyError(where)


def _shown(field: FieldInfo, found: object) -> str:
    """What was found; a secret by its length alone, a URL without its password and query."""
    text = str(found)
    if field.repr or "://" in text:
        return repr(masked(text.partition("?")[0] if not field.repr else text))
    return f"{len(text)} characters long (not shown)"
