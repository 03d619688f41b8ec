"""The CSV itself: records out of bytes, rows out of records, one at a time and in the order of the file.

A bad row becomes a RowError and is skipped, the rest goes on; only a file that cannot be read as a whole raises LedgerError.
"""

from collections.abc import Iterator
from pathlib import Path

from paycue.handwritten import HandwrittenError
from paycue.ledger import values
from paycue.ledger.mapping import OPENED, LedgerMapping
from paycue.ledger.records import Broken, Record, records
from paycue.ledger.rows import InvoiceRow, RowError, RowParser, named


class LedgerError(HandwrittenError):
    """A CSV file that cannot be read as a whole: not there, not UTF-8 from its first line on, without a column the mapping names."""


def read_rows(path: Path, mapping: LedgerMapping) -> Iterator[InvoiceRow | RowError]:
    """The rows of a CSV. The same invoice again is left out if it says the same, and an error if it does not. Raises LedgerError."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            yield from _rows(records(lines, mapping.formats.delimiter), str(path), mapping)
    except OSError as error:
        raise LedgerError(str(path), 0, "", (error.strerror or str(error)).lower(), "a CSV file that can be read") from None


def _rows(found: Iterator[Record | Broken], file: str, mapping: LedgerMapping) -> Iterator[InvoiceRow | RowError]:
    header = _header(next(found, None), file, mapping)
    parse, seen = RowParser(mapping, header, file), _Seen(file, named(mapping, "invoice"))
    for record in found:
        row = parse.row(record)
        if isinstance(row, InvoiceRow):
            known = seen.check(row, record.line)
            if known is None:
                continue
            row = known
        yield row


def _header(found: Record | Broken | None, file: str, mapping: LedgerMapping) -> list[str]:
    """The names of the columns, after a check that the mapping's are there, once each."""
    if not isinstance(found, Record):
        problem = found.found if found else "nothing"
        raise LedgerError(file, 1, "", problem, "a line with the names of the columns, in UTF-8")
    header = [cell.strip(" ") for cell in found.cells]
    for field, column in _wanted(mapping).items():
        if header.count(column) != 1:
            what = f"no column {column!r} among {', '.join(header)}" if column not in header else f"the column {column!r} more than once"
            hint = f", or {', '.join(OPENED)}" if field == "disputes.opened" else ""
            raise LedgerError(file, found.line, field, what, f"that column once, as {mapping.file} says{hint}")
    return header


def _wanted(mapping: LedgerMapping) -> dict[str, str]:
    wanted = dict(mapping.columns)
    if mapping.disputes:
        wanted["disputes.column"] = mapping.disputes.column
        if mapping.disputes.opened not in OPENED:
            wanted["disputes.opened"] = mapping.disputes.opened
    return wanted


class _Seen:
    """Invoices met so far: the first row of an invoice stands."""

    def __init__(self, file: str, field: str) -> None:
        self._file, self._field = file, field
        self._rows: dict[tuple[str, str], tuple[int, InvoiceRow]] = {}

    def check(self, row: InvoiceRow, line: int) -> InvoiceRow | RowError | None:
        """The row if it is new, None if it repeats itself, an error if it contradicts."""
        first, known = self._rows.setdefault((row.account, row.invoice), (line, row))
        if known is row:
            return row
        if known == row:
            return None
        found = f"{values.shown(row.invoice)} of account {values.shown(row.account)} again, with other content"
        return RowError(self._file, line, self._field, found, f"the content of line {first}, or another invoice number")
