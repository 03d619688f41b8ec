"""Structured logs: one event a line, as JSON or for a console, with service, trace and tenant from the context.

Secrets and people's addresses never reach a log: the last step before rendering takes them out, whoever put them in, libraries included.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Literal, TextIO

import structlog

from paycue.settings import masked

_SECRET_NAMES = re.compile(
    r"secret|passw|passphrase|token|authori[sz]ation|credential|cookie|signature|private_?key|api_?key|database_url|smtp_url",
    re.IGNORECASE,
)
_ADDRESS_NAMES = re.compile(r"^(e?mail|phone|address|recipient|contact)(_\w+)?$|_(e?mail|phone|address|recipient)$", re.IGNORECASE)
# The look-behind and the possessive runs keep a long word without an @ linear: it is tried once, not at each of its characters.
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]++(?:'[\w.+-]++){0,3}+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w+])(?:\+|%2B)\d(?:[ ().-]{0,2}\d){6,14}(?!\d)")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE)
_LINK = re.compile(r"\bk[a-z2-7]{40,}\b")
# What all of them need, long links aside: most texts of a line have none of it.
_SUSPECT = re.compile(r"[@+\s]|%(?:40|2B)", re.IGNORECASE)
_SHORTER_THAN_LINKS = 40
_DEEPEST = 8


def configure(form: Literal["json", "console"] = "json", level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log of the process, the libraries' too, through one chain to `stream` (absent: standard error)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    rendering = _rendering(form, colors=handler.stream.isatty())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=rendering))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # A line for each record fetched, and for each request that we log ourselves.
    for noisy in ("aiokafka", "uvicorn.access", "sqlalchemy.engine", "httpx2", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _rendering(form: Literal["json", "console"], colors: bool) -> list[structlog.typing.Processor]:
    """The end of the chain: exceptions become text, text is cleaned, and then it is written."""
    # Plain tracebacks: the pretty ones print local variables, which nothing has cleaned.
    console = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    last: structlog.typing.Processor = structlog.processors.JSONRenderer() if form == "json" else console
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, redact, last]


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event without secrets and addresses."""
    return {name: _clean(name, value, 0) for name, value in event.items()}


def cleaned(text: str) -> str:
    """`text` without e-mail addresses, phone numbers, bearer tokens, passwords of URLs and signed links."""
    if len(text) <= _SHORTER_THAN_LINKS and not _SUSPECT.search(text):
        return text
    text = _BEARER.sub(r"\1 [secret]", masked(text))
    return _LINK.sub("[link]", _PHONE.sub("[phone]", _MAIL.sub("[email]", text)))


@lru_cache(maxsize=1024)
def _told_by(name: str) -> str:
    """What stands for any value of this name; nothing where the value may be looked at. The same names come again and again."""
    return "[secret]" if _SECRET_NAMES.search(name) else "[address]" if _ADDRESS_NAMES.search(name) else ""


def _clean(name: str, value: Any, depth: int) -> Any:
    """`value` under `name`. What is neither plain nor a collection is shown by its cleaned repr."""
    told = _told_by(name)
    if value is None or isinstance(value, bool | int | float):
        return "[secret]" if told == "[secret]" and value is not None else value
    if told == "[secret]":
        return told
    if told and isinstance(value, str):
        return told
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth >= _DEEPEST:
        return "[deeper]"
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(name, item, depth + 1) for item in value]
    return cleaned(repr(value))
