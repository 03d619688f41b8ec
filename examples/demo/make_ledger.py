"""Makes the demo's ledger: invented accounts, the same on every run, written to ledger.csv beside this file.

Nothing in it reaches a person: addresses are under .example, phone numbers come from ranges reserved for fiction
(+1 xxx 555 01xx in North America, +44 7700 900xxx in the United Kingdom). It must never hold anybody's real data.
"""

import csv
import hashlib
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple, TextIO

HEADER = ("account", "invoice", "issued", "due", "amount", "currency", "time_zone", "email", "phone", "paid", "disputed", "dispute_opened")
FIRST_DAY = date(2026, 1, 5)
ISSUE_DAYS = 28
TERMS = (14, 21, 14, 7, 5)
"""Days to pay. Five are so short that the first step, a week before the due date, falls before the invoice exists."""


class Place(NamedTuple):
    """Where a debtor lives, in which currency it is invoiced, and the reserved phone numbers there ("" where none are)."""

    zone: str
    currency: str
    phones: str


PLACES = (
    Place("America/New_York", "USD", "+1212555{:04d}"),
    Place("Europe/London", "GBP", "+447700900{:03d}"),
    Place("America/Los_Angeles", "USD", "+1213555{:04d}"),
    Place("Europe/Berlin", "EUR", ""),
    Place("Asia/Tokyo", "JPY", ""),
)
HABITS = ("prompt", "on time", "late", "on time", "very late", "late", "late", "never")


def draw(below: int, *parts: object) -> int:
    """A number from 0 to `below` - 1 that depends on `parts` alone."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % below


def paid_after_due(habit: str, invoice: str) -> int | None:
    """Days from the due date to the payment; None: not paid."""
    spread = draw(5, "days", invoice)
    return {"prompt": spread - 12, "on time": spread - 4, "late": spread + 3, "very late": 4 * spread + 9, "never": None}[habit]


def row(number: int, order: int) -> tuple[str, ...]:
    """Invoice `order` of account `number`."""
    account, invoice = f"A-{number}", f"{number}-{order:02d}"
    place, habit = PLACES[draw(len(PLACES), "place", account)], HABITS[draw(len(HABITS), "habit", account, order % 2)]
    by_phone = bool(place.phones) and draw(3, "phone", account) == 0
    issued = FIRST_DAY + timedelta(days=draw(ISSUE_DAYS, "issued", invoice))
    due = issued + timedelta(days=TERMS[draw(len(TERMS), "terms", invoice)])
    minor = 4_000 + draw(240_000, "amount", invoice)
    days = paid_after_due(habit, invoice)
    disputed = draw(9, "disputed", invoice) == 0
    return (
        account,
        invoice,
        issued.isoformat(),
        due.isoformat(),
        str(minor) if place.currency == "JPY" else f"{minor // 100}.{minor % 100:02d}",
        place.currency,
        place.zone,
        "" if by_phone else f"{account.lower()}@debtors.example",
        place.phones.format(100 + number % 100) if by_phone else "",
        "" if days is None else max(issued, due + timedelta(days=days)).isoformat(),
        "yes" if disputed else "no",
        (due + timedelta(days=draw(12, "opened", invoice) - 5)).isoformat() if disputed else "",
    )


def ledger(accounts: int = 60) -> Iterator[tuple[str, ...]]:
    """The rows of the ledger, one to five invoices for each account."""
    for number in range(1001, 1001 + accounts):
        for order in range(1, 2 + draw(5, "count", number)):
            yield row(number, order)


def write(target: TextIO) -> None:
    """Write header and rows as CSV."""
    lines = csv.writer(target, lineterminator="\n")
    lines.writerow(HEADER)
    lines.writerows(ledger())


if __name__ == "__main__":
    path = Path(__file__).with_name("ledger.csv")
    with path.open("w", encoding="utf-8", newline="") as target:
        write(target)
    sys.stdout.write(f"{path}: {sum(1 for _ in ledger())} invoices\n")
