"""Records of a CSV text, with the line each one starts on. It knows nothing of columns and mappings.

A record that cannot be read (a quote left open, bytes that are not UTF-8) is given back as Broken and never swallows the lines after it.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

_LONGEST_RECORD = 50
"""Lines that one quoted cell may run over, before its opening quote counts as a mistake."""


class Record(msgspec.Struct, frozen=True):
    """Cells, and the line they start on (from 1)."""

    line: int
    cells: list[str]


class Broken(msgspec.Struct, frozen=True):
    """A line that is no record."""

    line: int
    found: str
    expected: str


def records(lines: Iterable[str], delimiter: str) -> Iterator[Record | Broken]:
    """Records of lines that were decoded with `surrogateescape`; blank lines are left out."""
    source, again, line = iter(lines), deque[str](), 1
    while chunk := _take(source, again):
        found = _record(chunk, source, again, delimiter, line)
        line += len(chunk)
        if isinstance(found, Broken) or found.cells:
            yield found


def _take(source: Iterator[str], again: deque[str]) -> list[str]:
    """The next line, as a list of one; an empty list at the end."""
    line = again.popleft() if again else next(source, None)
    return [] if line is None else [line]


def _record(chunk: list[str], source: Iterator[str], again: deque[str], delimiter: str, line: int) -> Record | Broken:
    """Read `chunk`, which grows by the lines that an open quote runs over, and shrinks back to one if it never closes."""
    while True:
        try:
            cells = next(csv.reader(chunk, delimiter=delimiter, strict=True))
        except csv.Error as error:
            more = _take(source, again) if "unexpected end of data" in str(error) and len(chunk) < _LONGEST_RECORD else []
            if more:
                chunk += more
                continue
            again.extendleft(reversed(chunk[1:]))
            del chunk[1:]
            return Broken(line, f"a line that is no CSV ({error})", 'cells without a quote, or "quoted" with "" for a quote inside')
        return _decoded(Record(line, cells))


def _decoded(record: Record) -> Record | Broken:
    for cell in record.cells:
        if not cell.isascii() and not cell.isprintable() and any("\ud800" <= character <= "\udfff" for character in cell):
            raw = cell.encode("utf-8", "surrogateescape")
            return Broken(record.line, f"bytes that are not UTF-8: {raw[:60]!r}", "a text in UTF-8")
    return record
