"""What every event must carry beyond being protobuf: empty and wrong-type bytes parse, so required fields are checked here.

One table of rules by field name, since a field means the same in every event. A rule returns what is wrong, or nothing.
"""

from collections.abc import Callable
from datetime import date
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from paycue.events.v1.dispute_pb2 import DisputeOutcome
from paycue.ids import is_account, is_tenant
from paycue.money import known_currency

Rule = Callable[[object], str | None]


def fault(event: Message, *, keyed: bool = False) -> str | None:
    """The first thing wrong with an event, such as `due_on is '31.12.', expected YYYY-MM-DD`; None when it is sound.

    `keyed`: its tenant and its account are those of its key, and known to be sound.
    """
    for name, rule in _rules(event.DESCRIPTOR, keyed):
        if wrong := rule(value := getattr(event, name)):
            return f"{name} is {value!r}, expected {wrong}"
    return _across(event)


def _across(event: Message) -> str | None:
    """Rules between fields."""
    if not _dated(event.DESCRIPTOR):
        return None
    issued, due = event.issued_on, event.due_on  # type: ignore[attr-defined]
    if issued and due and due < issued:
        return f"due_on is {due!r}, expected a date on or after issued_on {issued!r}"
    return None


@lru_cache(maxsize=16384)
def _is_date(text: str) -> bool:
    try:
        # Week dates are ISO 8601 too. Years that calendars and databases agree on; nothing is owed outside of them.
        return 1900 <= (day := date.fromisoformat(text)).year < 2200 and day.isoformat() == text
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _identifier(value: object) -> str | None:
    return None if isinstance(value, str) and is_account(value) else "1 to 64 characters without control characters"


def _reference(value: object) -> str | None:
    sound = isinstance(value, str) and 0 < len(value) <= 128 and value.isprintable()
    return None if sound else "1 to 128 characters without control characters"


def _tenant(value: object) -> str | None:
    return None if isinstance(value, str) and is_tenant(value) else "a slug of [a-z0-9-]{1,32}"


def _day(value: object) -> str | None:
    return None if isinstance(value, str) and _is_date(value) else "a date as YYYY-MM-DD, of the years 1900 to 2199"


@lru_cache(maxsize=1024)
def _currency(value: object) -> str | None:
    return None if isinstance(value, str) and known_currency(value) else "a currency of ISO 4217, such as EUR"


def _positive(value: object) -> str | None:
    return None if isinstance(value, int) and value > 0 else "minor units greater than zero"


def _not_negative(value: object) -> str | None:
    return None if isinstance(value, int) and value >= 0 else "zero or more minor units"


def _zone(value: object) -> str | None:
    return None if value == "" or (value in _zones() and ZoneInfo(str(value))) else "an IANA time zone, such as Europe/Vienna"


def _outcome(value: object) -> str | None:
    return None if value and value in DisputeOutcome.values() else "an outcome of DisputeOutcome other than UNSPECIFIED"


def _identifiers(value: object) -> str | None:
    return next(filter(None, map(_identifier, value)), None)  # type: ignore[call-overload]


_BY_FIELD: dict[str, Rule] = {
    "tenant_id": _tenant,
    "account_id": _identifier,
    "invoice_id": _identifier,
    "invoice_ids": _identifiers,
    "payment_id": _reference,
    "return_id": _reference,
    "credit_note_id": _reference,
    "dispute_id": _reference,
    "reminder_id": _reference,
    "currency": _currency,
    "amount_minor": _positive,
    "disputed_minor": _not_negative,
    "credit_minor": _not_negative,
    "issued_on": _day,
    "due_on": _day,
    "received_on": _day,
    "zone": _zone,
    "outcome": _outcome,
}
_KEY = ("tenant_id", "account_id")
# Fields that mean less in some events than in most.
_EXCEPT: dict[str, dict[str, Rule | None]] = {
    "PaymentReturned": {"amount_minor": _not_negative},
    "DisputeResolved": {"currency": None},
    "DisputeRaised": {"currency": lambda value: None if value == "" else _currency(value)},
    "DisputeRegistered": {"currency": None},
}


@cache
def _dated(kind: Descriptor) -> bool:
    """Whether an event has both dates."""
    return {"issued_on", "due_on"} <= set(kind.fields_by_name)


@cache
def _rules(kind: Descriptor, keyed: bool) -> tuple[tuple[str, Rule], ...]:
    special = _EXCEPT.get(kind.name, {}) | (dict.fromkeys(_KEY) if keyed else {})
    rules = ((field.name, special.get(field.name, _BY_FIELD.get(field.name))) for field in kind.fields)
    return tuple((name, rule) for name, rule in rules if rule is not None)
