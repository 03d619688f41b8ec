"""What is said of a phone number itself, by SMS, before or after an account has it; and accounts that get a number from another."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from paycue.events.v1 import account_pb2, common_pb2
from tests.simulation.actions import Action, Debtor, Fact, Replied

if TYPE_CHECKING:
    from tests.simulation.book import Book

Reached = dict[tuple[str, str], tuple[str, ...]]
"""By account: addresses that it gets later on."""


def replies(book: Book) -> tuple[list[Action], Reached]:
    """STOPs to numbers of the book, often while somebody is registered with them, and who gets such a number later."""
    chance, said, reached = book.chance, list[Action](), Reached()
    if not chance.happens(0.4):
        return said, reached
    for owner in chance.some_of([debtor for debtor in book.debtors if len(debtor.addresses) > 1], 0.6):
        number = owner.addresses[1]
        opening = book.moment(chance.one_of([bill for bill in book.bills if bill.debtor is owner]), book.policies[owner.tenant][0])
        # When the accounts are registered, when a reminder may leave, or any time before.
        at = chance.one_of((book.start + timedelta(seconds=chance.between(0, 70)), opening, book.start + (opening - book.start) / 2))
        said.append(Action(at, Replied(number, f"SM-{number}")))
        other = chance.one_of(book.debtors)
        if other is not owner and (other.tenant, other.account) not in reached:
            reached[other.tenant, other.account] = (number,)
            moved = max(at + timedelta(seconds=chance.one_of((3.0, 0.1)) * chance.between(-1, 1)), book.start + timedelta(minutes=3))
            said.append(Action(chance.one_of((moved, opening)), Fact(registered(other, 2, (number,)), f"moved-{number}")))
    return said, reached


def registered(debtor: Debtor, version: int = 1, more: tuple[str, ...] = ()) -> account_pb2.AccountRegistered:
    """The account as its ERP tells it, with `more` addresses."""
    kinds = {True: common_pb2.CONTACT_KIND_EMAIL, False: common_pb2.CONTACT_KIND_PHONE}
    points = [common_pb2.ContactPoint(kind=kinds["@" in address], address=address) for address in (*debtor.addresses, *more)]
    who = {"tenant_id": debtor.tenant, "account_id": debtor.account, "name": f"Debtor {debtor.account}"}
    return account_pb2.AccountRegistered(**who, version=version, locale="en", zone=debtor.zone, contact_points=points)
