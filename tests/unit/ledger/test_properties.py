"""What holds for every ledger: no file of any bytes escapes the errors it is promised, and what is written is what is read."""

import csv
import io
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from paycue.handwritten import HandwrittenError, read
from paycue.ledger import InvoiceRow, LedgerError, RowError, read_mapping, read_rows
from paycue.money import decimal_text

HEADER = "a,i,d,e,m,p,c,z"
MAPPING = read_mapping("columns: {account: a, invoice: i, issued: d, due: e, amount: m, paid_on: p, currency: c, zone: z}")
DATES = st.dates(date(1980, 1, 1), date(2199, 12, 31))
CODES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=" "), min_size=1, max_size=64)
WRITTEN = st.tuples(
    CODES,
    CODES,
    DATES,
    st.integers(0, 400),
    st.integers(1, 10**15 - 1),
    st.sampled_from(["EUR", "JPY", "KWD", "CLF"]),
    st.none() | DATES,
    st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "UTC"]),
)


def rows_of(content: bytes) -> list[InvoiceRow | RowError]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "ledger.csv")
        path.write_bytes(content)
        return list(read_rows(path, MAPPING))


@settings(deadline=None)
@given(st.lists(WRITTEN, max_size=6, unique_by=lambda row: row[:2]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_written_is_what_is_read(
    written: list[tuple[str, str, date, int, int, str, date | None, str]], line_end: str, mark: bool
) -> None:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator=line_end)
    lines.writerow(HEADER.split(","))
    kept = [row for row in written if row[2] + timedelta(row[3]) <= date(2199, 12, 31)]
    for account, invoice, issued, days, minor, currency, paid_on, zone in kept:
        due = issued + timedelta(days)
        lines.writerow([account, invoice, issued, due, decimal_text(minor, currency), paid_on or "", currency, zone])
    rows = rows_of((b"\xef\xbb\xbf" if mark else b"") + text.getvalue().encode())
    found = [
        (row.account, row.invoice, row.issued, (row.due - row.issued).days, row.amount_minor, row.currency, row.paid_on, row.zone)
        for row in rows
        if isinstance(row, InvoiceRow)
    ]
    assert found == kept


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b'"', b",", b"\r", b"A,1,2026-01-05,2026-01-20,10.50,,EUR,UTC"]), max_size=12))
def test_no_bytes_below_the_header_stop_the_reading(lines: list[bytes]) -> None:
    rows = rows_of(b"\n".join([HEADER.encode(), *lines, b"LAST,1,2026-01-05,2026-01-20,10.50,,EUR,UTC", b""]))
    assert all(isinstance(row, InvoiceRow | RowError) for row in rows)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_a_refusal_of_the_file(content: bytes) -> None:
    with suppress(LedgerError):
        assert all(isinstance(row, InvoiceRow | RowError) for row in rows_of(content))


@settings(deadline=None)
@given(st.text(max_size=200) | st.text("{}[]:,-\n \"'&*!|>#%ab", max_size=60))
def test_any_text_is_a_mapping_or_a_refusal(text: str) -> None:
    with suppress(HandwrittenError):
        assert read(text).keys() is not None
    with suppress(HandwrittenError):
        assert read_mapping(text).columns
