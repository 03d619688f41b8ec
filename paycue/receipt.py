"""The receipt of a stop as every service keeps it: what whoever asked for the stop is answered. Values only."""

from datetime import datetime

import msgspec


class Receipt(msgspec.Struct, frozen=True):
    """A stop that was acknowledged; a row of `stop_receipt` in each service's schema."""

    stop_id: str
    kind: str
    """`payment`, `dispute`, `credit_note`, `pause`, `opt_out` or `suspension`."""
    cause: str
    """What it was, such as `payment:P-5001`."""
    invoice_ids: str
    """A JSON array; empty: the whole account."""
    accepted_at: datetime
    effective_at: datetime
    calls_in_flight: str
    """A JSON array of call ids: what had started and not ended when the stop took effect."""
    none_started_after: datetime
