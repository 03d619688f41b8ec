"""What lists tell of an account is what their schema promises, although no model of it is made."""

from datetime import UTC, date, datetime

import msgspec

from services.scheduler.domain.account import Account, Item, Pause
from services.scheduler.schemas import AccountSummary, summary
from services.scheduler.store import AccountRow

DUE = date(2026, 2, 1)


def _invoice(invoice_id: str, currency: str, open_minor: int) -> Item:
    return Item(invoice_id, currency, open_minor, issued_on=DUE, due_on=DUE)


def test_an_account_in_a_list_is_written_as_its_model_would_write_it() -> None:
    invoices = [_invoice("1", "JPY", 500), _invoice("2", "EUR", 1999), _invoice("3", "EUR", 1), Item("4", "EUR", 7)]
    state = Account(items={item.invoice_id: item for item in invoices}, pauses={"": Pause("asked")})
    row = AccountRow("a", datetime(2026, 2, 3, 8, 30, 0, 250_000, UTC), None, state)
    told = msgspec.json.encode(summary(row))
    assert told == AccountSummary.model_validate(summary(row)).model_dump_json().encode()
    assert msgspec.json.decode(told)["open"] == [
        {"currency": "EUR", "open": "20.00", "open_invoices": 2},
        {"currency": "JPY", "open": "500", "open_invoices": 1},
    ]
