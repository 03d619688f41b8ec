"""traceparent as the W3C writes it."""

import re

import pytest

from paycue.observability.trace import Trace, continued, current, new, parse, within

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_header_is_read_and_written_back() -> None:
    span = parse(HEADER)
    assert span == Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)
    assert span.header() == HEADER


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        HEADER.upper(),
        HEADER + "-more",
        f" {HEADER}",
        HEADER.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        HEADER + "\n",
    ],
)
def test_a_header_that_is_not_valid_begins_a_new_trace(header: str | None) -> None:
    assert parse(header) is None
    assert continued(header).trace_id not in HEADER


def test_a_later_version_may_say_more() -> None:
    assert parse(HEADER.replace("00-", "01-", 1) + "-more") is not None


def test_a_new_trace_and_a_child_are_well_formed() -> None:
    first = new()
    child = first.child()
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first.header())
    assert child.trace_id == first.trace_id
    assert child.span_id != first.span_id
    assert parse(child.header()) == child


def test_a_span_is_in_force_inside_its_block_only() -> None:
    assert current() is None
    with within(new()) as outer:
        with within(outer.child()) as inner:
            assert current() is inner
        assert current() is outer
    assert current() is None
