"""A creditor's ledger as a CSV file: read by a mapping, checked row by row, turned into dated facts.

It publishes nothing and knows no service: `paycue import` and `paycue replay` decide where the facts go.
"""

from paycue.ledger.facts import SOURCE, Fact, Ledger, load_ledger
from paycue.ledger.mapping import Disputes, Formats, LedgerMapping, read_mapping
from paycue.ledger.reader import LedgerError, read_rows
from paycue.ledger.rows import InvoiceRow, RowError

__all__ = [
    "SOURCE",
    "Disputes",
    "Fact",
    "Formats",
    "InvoiceRow",
    "Ledger",
    "LedgerError",
    "LedgerMapping",
    "RowError",
    "load_ledger",
    "read_mapping",
    "read_rows",
]
