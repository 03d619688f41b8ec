"""The facts a message may state, all of them from the claim, and what templates are given of them.

Nothing is made up here: a fact that is missing, malformed or says that nothing is owed is an error, never a blank in a letter.
"""

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Literal, TypedDict, get_args

import msgspec

from paycue.money import decimal_text

Stage = Literal["friendly", "firm", "final_demand", "agency", "legal"]
STAGES: tuple[Stage, ...] = get_args(Stage)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LINK = re.compile(r"https?://[!#-&(-;=?-\[\]-~]{1,800}")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


class Line(msgspec.Struct, frozen=True):
    """One covered invoice, as of the claim."""

    invoice_id: str
    open_minor: int
    currency: str
    due_on: date


class Facts(msgspec.Struct, frozen=True):
    """Everything one message states."""

    creditor_name: str
    account_id: str
    debtor_name: str
    """Empty: addressed as "customer"."""
    locale: str
    """BCP 47; `en` is what there are templates for, and what others get."""
    stage: Stage
    items: tuple[Line, ...]
    payment_link: str
    unsubscribe_link: str
    """The https address of RFC 8058's one-click POST; a mail needs it, an SMS does not."""
    message_id: str
    sent_at: datetime
    """Business time, with a zone; the mail's Date."""
    zone: str
    """The debtor's IANA zone, in which Date is written."""
    sender_email: str
    sender_name: str
    """Empty: the bare address is the From."""
    to: str


def check_facts(facts: Facts) -> None:
    """Raises ValueError, naming the fact, unless every fact that all channels state is there and may be stated."""
    if facts.stage not in STAGES:
        raise ValueError(f"the stage is {facts.stage!r}; expected one of {', '.join(STAGES)}")
    _check_text("creditor_name", facts.creditor_name)
    _check_text("debtor_name", facts.debtor_name or "customer")
    check_link("payment_link", facts.payment_link)
    if not facts.items:
        raise ValueError("no invoice is left to remind of; expected at least one open item")
    for line in facts.items:
        _check_line(line)


def check_link(name: str, link: object) -> None:
    """Raises ValueError unless `link` is one http or https address of 800 characters at most."""
    if not isinstance(link, str) or not _LINK.fullmatch(link) or "=?" in link:
        raise ValueError(f"{name} is {link!r}; expected one http or https address without spaces")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}; expected a name")
    if len(value) > 200 or _CONTROL.search(value) or "{{" in value or "{%" in value:
        raise ValueError(f"{name} is {value[:200]!r}; expected 200 characters at most, without control characters or template marks")


def _check_line(line: Line) -> None:
    _check_text("invoice_id", line.invoice_id)
    if type(line.open_minor) is not int or line.open_minor <= 0:
        raise ValueError(f"{line.open_minor!r} is open on invoice {line.invoice_id!r}; a reminder states only what is owed")
    if not _is_date(line.due_on):
        raise ValueError(f"invoice {line.invoice_id!r} is due on {line.due_on!r}; expected a date")


def _is_date(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


@lru_cache(maxsize=8192)
def date_words(day: date) -> str:
    """`1 February 2013`: a date that no country reads otherwise."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def amount_words(minor: int, currency: str) -> str:
    """`1,234.50 USD`: a point, the currency's full decimals, and thousands apart so that no amount looks like an invoice's number."""
    whole, point, decimals = decimal_text(minor, currency).partition(".")
    return f"{int(whole):,}{point}{decimals} {currency}"


class Item(TypedDict):
    """A covered invoice in words."""

    invoice: str
    amount: str
    due: str


class Context(TypedDict):
    """What templates may name. Every value is a text, ready to stand in a letter; lists hold such texts."""

    creditor: str
    debtor: str
    items: list[Item]
    totals: list[str]
    """One for each currency: amounts of different currencies are never added."""
    payment_link: str
    unsubscribe_link: str
    reply_to: str


def template_context(facts: Facts) -> Context:
    """The facts in words."""
    sums: dict[str, int] = {}
    for line in facts.items:
        sums[line.currency] = sums.get(line.currency, 0) + line.open_minor
    return {
        "creditor": facts.creditor_name,
        "debtor": facts.debtor_name.strip() or "customer",
        "items": [
            {"invoice": line.invoice_id, "amount": amount_words(line.open_minor, line.currency), "due": date_words(line.due_on)}
            for line in facts.items
        ],
        "totals": [amount_words(total, currency) for currency, total in sums.items()],
        "payment_link": facts.payment_link,
        "unsubscribe_link": facts.unsubscribe_link,
        "reply_to": facts.sender_email,
    }
