"""Money: integer minor units and an ISO 4217 exponent. No float comes near an amount."""

from decimal import Decimal, InvalidOperation

import msgspec
from iso4217 import Currency

_EXPONENTS = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


class Money(msgspec.Struct, frozen=True, order=True):
    """An amount of one currency in minor units (cents for EUR, yen for JPY)."""

    currency: str
    minor: int

    def __str__(self) -> str:
        return f"{decimal_text(self.minor, self.currency)} {self.currency}"


def known_currency(code: str) -> bool:
    """Whether `code` is a currency of ISO 4217 that has minor units (gold and test codes have none)."""
    return code in _EXPONENTS


def exponent(currency: str) -> int:
    """Decimals of a currency as ISO 4217 lists them: 2 for EUR, 0 for JPY, 3 for KWD. Raises ValueError on an unknown one."""
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not a currency of ISO 4217, such as EUR or USD") from None


def parse_minor(text: str, currency: str) -> int:
    """Minor units of a decimal number with a point. Raises ValueError on anything else and on more decimals than the currency has."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal number such as 1234.50") from None
    if not value.is_finite() or "e" in text.lower() or "_" in text:
        raise ValueError(f"{text!r} is not a decimal number such as 1234.50")
    scaled = value.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text!r} has more decimals than {currency} has ({exponent(currency)})")
    return int(scaled)


def decimal_text(minor: int, currency: str) -> str:
    """`1234.50` for 123450 minor units of a currency with two decimals: a point and the currency's full decimals."""
    places = exponent(currency)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
