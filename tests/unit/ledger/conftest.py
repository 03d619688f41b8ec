"""A small ledger in a folder of its own, written as bytes so that every test says exactly what the file holds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from paycue.ledger import InvoiceRow, RowError, read_mapping, read_rows

MAPPING = """\
columns:
  {account: Account, invoice: Invoice, issued: Issued, due: Due, amount: Amount, paid_on: Paid,
  currency: Currency, zone: Zone, email: Email}
"""
HEADER = b"Account,Invoice,Issued,Due,Amount,Paid,Currency,Zone,Email\n"

Read = Callable[..., list[InvoiceRow | RowError]]


@pytest.fixture
def read_ledger(tmp_path: Path) -> Read:
    """Reads a CSV: `body` below `header`, by MAPPING with `more` sections behind it, or by a `mapping` of its own."""

    def rows(body: str | bytes, header: bytes = HEADER, more: str = "", mapping: str = MAPPING) -> list[InvoiceRow | RowError]:
        path = tmp_path / "ledger.csv"
        path.write_bytes(header + (body if isinstance(body, bytes) else body.encode()))
        return list(read_rows(path, read_mapping(mapping + more, "mapping.yaml")))

    return rows
