"""The values that every API takes, with the bounds that make a wrong one a 422 and never a database error.

Bounds of the business (an amount within what is open, say) belong to handlers, not here.
"""

import re
from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationInfo

from paycue.money import exponent, parse_minor

SLASH = "\ufdd0"
"""Stands for an encoded slash while a path is routed: an id such as 2013/001 is one segment. No text may hold this character."""

# A lone surrogate or a NUL never gets here; what is left out are control characters, as paycue.ids does.
_IDENTITY = r"^[^\x00-\x1f\x7f-\x9f]{1,64}$"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class RequestBody(BaseModel):
    """What somebody sends. A misspelt field is an error, not a default."""

    model_config = ConfigDict(extra="forbid")


def _slashes(value: object) -> object:
    return value.replace(SLASH, "/") if isinstance(value, str) else value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected text without control or invisible characters")
    return text


def _worded(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a few words")
    return text


def _day(value: object) -> object:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("expected a date as YYYY-MM-DD")
    return value


def _known(currency: str) -> str:
    exponent(currency)
    return currency


def above_zero(amount: str | None, info: ValidationInfo) -> str | None:
    """Refuses an amount that is not more than zero in the currency of the field before it. Zero is not "all of it"."""
    if amount is None or "currency" not in info.data:
        return amount
    if info.data["currency"] is None:
        raise ValueError("an amount needs its currency beside it; leave both out where none is meant")
    if parse_minor(amount, info.data["currency"]) <= 0:
        raise ValueError(f"{amount!r} is not more than zero; expected more, for zero never stands for all of it")
    return amount


# To be put into an annotation: an id in a path with its slashes back, a text that is plain to see, a text that says something.
Slashed = BeforeValidator(_slashes)
Printable, Worded = AfterValidator(_printable), AfterValidator(_worded)
Day = Annotated[date, BeforeValidator(_day)]
Text = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""What the store keeps as an empty text is null."""

AccountId = Annotated[str, Slashed, Path(pattern=_IDENTITY, description="The account's id, as the creditor's ERP writes it.")]
"""A path parameter."""
PathId = Annotated[str, Slashed, Path(pattern=_IDENTITY)]
"""Another id as a path parameter: an invoice, payment or dispute. A slash in it is sent as %2F."""
Identity = Annotated[str, StringConstraints(pattern=_IDENTITY)]
"""The id of an invoice, payment, dispute or account in a body."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""Shaped like a code of ISO 4217; whether it is one, paycue.money knows."""
KnownCurrency = Annotated[Currency, AfterValidator(_known)]
AmountText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,14}(\.[0-9]{1,4})?$")]
"""A decimal number with a point, such as 1234.50; it fits 64 bits in any currency's minor units."""
Note = Annotated[str, StringConstraints(max_length=4000)]
"""Free text of a person."""
