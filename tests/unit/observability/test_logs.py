"""Logs carry the context, and neither secrets nor people's addresses."""

import io
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from paycue.auth.links import sign
from paycue.observability.logs import cleaned, configure, redact

TOKEN = sign(b"s" * 32, "payment", ("alpha", "acme"), datetime(2013, 1, 1, tzinfo=UTC))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the process's logs go; afterwards all is as before."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure("json", "info", stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_its_context(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(service="payments", trace="4bf9", tenant="alpha"):
        structlog.get_logger("paycue.bus").info("batch.folded", records=500)
    (line,) = lines(stream)
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "batch.folded",
        "records": 500,
        "level": "info",
        "logger": "paycue.bus",
        "service": "payments",
        "trace": "4bf9",
        "tenant": "alpha",
    }


def test_libraries_speak_through_the_same_chain(stream: io.StringIO) -> None:
    logging.getLogger("aiosmtplib").warning("cannot reach %s", "jo@debtors.example")
    logging.getLogger("aiokafka.consumer").info("fetched")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("cannot reach [email]", "warning")


def test_an_exception_is_logged_without_what_its_text_gave_away(stream: io.StringIO) -> None:
    try:
        raise ValueError("postgresql://paycue:hunter2@db/x refused jo@debtors.example")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(stream)
    assert "Traceback" in line["exception"]
    assert "hunter2" not in stream.getvalue()
    assert "jo@" not in stream.getvalue()


def test_a_console_line_is_cleaned_too(stream: io.StringIO) -> None:
    console = io.StringIO()
    configure("console", "info", console)
    secret = "Bearer of-good-news"
    try:
        raise ValueError(secret)
    except ValueError:
        structlog.get_logger().exception("failed", recipient="jo@debtors.example")
    assert "Traceback" in console.getvalue()
    assert "of-good-news" not in console.getvalue()
    assert "jo@" not in console.getvalue()


def test_below_the_level_nothing_is_written(stream: io.StringIO) -> None:
    structlog.get_logger("paycue").debug("noise")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail to Jo.O'Neil+x@debtors.example failed", "mail to [email] failed"),
        ("/v1/accounts/jo%40debtors.example", "/v1/accounts/[email]"),
        ("sms to +12125550100.", "sms to [phone]."),
        ("call +1 (212) 555-0100 now", "call [phone] now"),
        ("at 2013-02-08T09:00:00+00:00 and +0100", "at 2013-02-08T09:00:00+00:00 and +0100"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [secret]"),
        ("smtp://user:p@ss@mail.example:587", "smtp://user:***@mail.example:587"),
        (f"GET /pay/{TOKEN} 200", "GET /pay/[link] 200"),
        ("invoice 0001-22 of alpha:acme, due+7d, 1234.50 USD", "invoice 0001-22 of alpha:acme, due+7d, 1234.50 USD"),
        ("01234567-89ab-7def-8123-456789abcdef", "01234567-89ab-7def-8123-456789abcdef"),
    ],
)
def test_text_loses_addresses_and_secrets_and_nothing_else(text: str, clean: str) -> None:
    assert cleaned(text) == clean


def test_names_that_mean_secrets_or_addresses_hide_their_values() -> None:
    event = {
        "api_key": "abc",
        "twilio_auth_token": "t",
        "recipient": "1 Main Street",
        "to_email": "x",
        "key": "k-1",
        "count": 3,
        "secret": 7,
    }
    assert redact(None, "info", event) == {
        "api_key": "[secret]",
        "twilio_auth_token": "[secret]",
        "recipient": "[address]",
        "to_email": "[address]",
        "key": "k-1",
        "count": 3,
        "secret": "[secret]",
    }


def test_what_is_nested_or_an_object_is_cleaned_too() -> None:
    event = {"body": {"password": "x", "to": ["jo@debtors.example", b"raw"]}, "error": ValueError("jo@debtors.example")}
    assert redact(None, "info", event) == {
        "body": {"password": "[secret]", "to": ["[email]", "[3 bytes]"]},
        "error": "ValueError('[email]')",
    }


def test_a_structure_that_holds_itself_ends() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "[deeper]" in repr(redact(None, "info", {"loop": loop}))


def test_a_long_word_is_cleaned_in_linear_time() -> None:
    started = time.monotonic()
    cleaned("x" * 1_000_000 + " " + "+1 " * 100_000)
    assert time.monotonic() - started < 5
