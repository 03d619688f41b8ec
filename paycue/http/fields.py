"""The values that every API takes, with the bounds that make a wrong one a 422 and never a database error.

Bounds of the business (an amount within what is open, say) belong to handlers, not here.
"""

from typing import Annotated

from fastapi import Path
from pydantic import BeforeValidator, StringConstraints

SLASH = "\ufdd0"
"""Stands for an encoded slash while a path is routed: an id such as 2013/001 is one segment. No text may hold this character."""

# A lone surrogate or a NUL never gets here; what is left out are control characters, as paycue.ids does.
_IDENTITY = r"^[^\x00-\x1f\x7f-\x9f]{1,64}$"


def _slashes(value: object) -> object:
    return value.replace(SLASH, "/") if isinstance(value, str) else value


AccountId = Annotated[
    str, BeforeValidator(_slashes), Path(pattern=_IDENTITY, description="The account's id, as the creditor's ERP writes it.")
]
"""A path parameter."""
PathId = Annotated[str, BeforeValidator(_slashes), Path(pattern=_IDENTITY)]
"""Another id as a path parameter: an invoice, payment or dispute. A slash in it is sent as %2F."""
Identity = Annotated[str, StringConstraints(pattern=_IDENTITY)]
"""The id of an invoice, payment, dispute or account in a body."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""Shaped like a code of ISO 4217; whether it is one, paycue.money knows."""
AmountText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,14}(\.[0-9]{1,4})?$")]
"""A decimal number with a point, such as 1234.50; it fits 64 bits in any currency's minor units."""
Note = Annotated[str, StringConstraints(max_length=4000)]
"""Free text of a person."""
