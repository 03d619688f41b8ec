"""One cell of a ledger at a time: text in, value out, for the columns of a CSV and for the constants of a mapping alike.

Every function raises BadValue, which says what was found and what is expected; none repairs a value by guessing.
"""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import available_timezones

from paycue.ids import ACCOUNT
from paycue.money import exponent, known_currency

FIRST_YEAR, LAST_YEAR = 1980, 2199
LARGEST_MINOR = 10**15 - 1
"""Far above any invoice, far below where sums of 64-bit integers overflow."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@)(?!.*=\?){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*\.[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_MARKS = str.maketrans("", "", " -.()/")
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LONGEST_NAME = 200
_SHOWN = 60


class BadValue(ValueError):
    """A cell that does not say what it should."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found, self.expected = found, expected


def shown(text: str) -> str:
    """A value as errors quote it: control characters escaped, cut when long."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...") if text else "nothing"


def identity(text: str) -> str:
    """An account's or invoice's code."""
    if not ACCOUNT.fullmatch(text):
        raise BadValue(
            shown(text) if len(text) <= 64 else f"{len(text)} characters", "1 to 64 characters, none of them a control character"
        )
    return text


@lru_cache(maxsize=65536)
def day(text: str, pattern: str) -> date:
    """A date written in a strptime format."""
    try:
        value = datetime.strptime(text, pattern).replace(tzinfo=UTC).date()
    except ValueError:
        raise BadValue(shown(text), f"a date written as {pattern}, such as {date(2013, 1, 31).strftime(pattern)}") from None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise BadValue(shown(text), f"a date from {FIRST_YEAR} to {LAST_YEAR}")
    return value


def amount(text: str, sign: str, code: str) -> int:
    """Minor units, above zero, of a plain number with the decimal sign `sign` and no grouping."""
    places = exponent(code)
    if not _number(sign).fullmatch(text):
        raise BadValue(shown(text), f"a number such as 1234{sign}50, without grouping" if places else "a whole number such as 1234")
    whole, _, decimals = text.partition(sign)
    if len(decimals) > places:
        raise BadValue(shown(text), f"at most {places} decimals, as {code} has" if places else f"no decimals, as {code} has none")
    minor = int(whole + decimals.ljust(places, "0")) if len(whole) <= 16 else LARGEST_MINOR + 1
    if not 0 < minor <= LARGEST_MINOR:
        raise BadValue(
            shown(text), "an amount above zero" if minor <= LARGEST_MINOR else f"an amount of {LARGEST_MINOR} minor units at most"
        )
    return minor


def currency(text: str) -> str:
    """An ISO 4217 code."""
    if not known_currency(text):
        raise BadValue(shown(text), "a currency of ISO 4217 in capitals, such as EUR or USD")
    return text


def zone(text: str) -> str:
    """An IANA time zone."""
    if text not in _zones():
        raise BadValue(shown(text), "an IANA time zone, such as America/New_York")
    return text


def locale(text: str) -> str:
    """A BCP 47 language tag."""
    if not _LOCALE.fullmatch(text):
        raise BadValue(shown(text), "a BCP 47 language tag, such as en or de-AT")
    return text


def name(text: str) -> str:
    """Who the debtor is, on one line."""
    if not text.isprintable() or len(text) > _LONGEST_NAME:
        raise BadValue(shown(text), f"a name of at most {_LONGEST_NAME} printable characters")
    return text


def email(text: str) -> str:
    """One plain ASCII address (RFC 5321), so that it stands alone in a `To` header; what lies behind it only sending can tell."""
    if not _EMAIL.fullmatch(text):
        raise BadValue(shown(text), "one e-mail address in ASCII, such as someone@debtors.example")
    return text


def phone(text: str) -> str:
    """A phone number in E.164; spaces, hyphens, dots, slashes and brackets within it are dropped."""
    digits = text.translate(_PHONE_MARKS)
    if not _PHONE.fullmatch(digits):
        raise BadValue(shown(text), "a phone number with its country, such as +12025550123")
    return digits


@lru_cache(maxsize=2)
def _number(sign: str) -> re.Pattern[str]:
    return re.compile(rf"-?[0-9]+(?:{re.escape(sign)}[0-9]+)?")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
