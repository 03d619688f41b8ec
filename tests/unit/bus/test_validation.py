"""What every event must carry: one table of rules by field, and what each event needs less."""

from typing import Any

import pytest
from google.protobuf.message import Message

from paycue.bus.topics import event_classes
from paycue.bus.validation import fault
from paycue.events.v1.account_pb2 import AccountRegistered
from paycue.events.v1.dispute_pb2 import DisputeDecided, DisputeRaised, DisputeRegistered, DisputeResolved
from paycue.events.v1.payment_pb2 import PaymentReceived, PaymentReturned
from tests.unit.bus.story import invoice

WHO: dict[str, Any] = {"tenant_id": "acme", "account_id": "a1"}
PAID: dict[str, Any] = {**WHO, "payment_id": "p1", "currency": "EUR", "amount_minor": 5, "received_on": "2013-01-02"}


def test_a_sound_event_has_no_fault() -> None:
    assert fault(invoice()) is None
    assert fault(PaymentReceived(**PAID, invoice_ids=["1", "2"])) is None
    assert fault(AccountRegistered(**WHO, zone="Europe/Vienna")) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("tenant_id", ""), ("tenant_id", "Acme"), ("account_id", ""), ("account_id", "x" * 65), ("account_id", "a\x00")),
        *(("invoice_id", ""), ("currency", ""), ("currency", "usd"), ("currency", "ZZZ"), ("amount_minor", 0), ("amount_minor", -5)),
        *(
            ("issued_on", ""),
            ("issued_on", "2013-02-30"),
            ("issued_on", "2013-W01-1"),
            ("issued_on", "20130102"),
            ("issued_on", "0001-01-01"),
        ),
        *(("due_on", "2013-1-9"), ("due_on", "9999-12-31"), ("due_on", "2013-01-01")),
    ],
)
def test_an_invoice_without_sense_names_the_field_and_what_was_found(field: str, value: Any) -> None:
    assert (fault(invoice(**{field: value})) or "").startswith(f"{field} is {value!r}, expected ")


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (PaymentReceived(**{**PAID, "received_on": "today"}), "received_on"),
        (PaymentReceived(**{**PAID, "payment_id": "p\n"}), "payment_id"),
        (PaymentReceived(**{**PAID, "payment_id": "p" * 129}), "payment_id"),
        (PaymentReceived(**PAID, invoice_ids=["1", ""]), "invoice_ids"),
        (AccountRegistered(**WHO, zone="Mars/Phobos"), "zone"),
        (PaymentReturned(**WHO, return_id="r", payment_id="p", currency="EUR", amount_minor=-1), "amount_minor"),
        (DisputeRaised(**WHO, dispute_id="d", invoice_id="1", currency="ZZZ"), "currency"),
        (DisputeRaised(**WHO, dispute_id="d", invoice_id="1", disputed_minor=-1), "disputed_minor"),
        (DisputeDecided(**WHO, dispute_id="d"), "outcome"),
        (DisputeDecided(**{**WHO, "dispute_id": "d", "outcome": 99}), "outcome"),
    ],
)
def test_a_fault_names_the_field(event: Message, named: str) -> None:
    assert (fault(event) or "").startswith(f"{named} is ")


@pytest.mark.parametrize(
    "event",
    [
        PaymentReturned(**WHO, return_id="r", payment_id="p", currency="EUR", amount_minor=0),
        DisputeRaised(**WHO, dispute_id="d", invoice_id="1"),
        DisputeRegistered(**WHO, dispute_id="d", invoice_id="1"),
        DisputeResolved(**{**WHO, "dispute_id": "d", "invoice_id": "1", "outcome": 1}),
        AccountRegistered(**WHO),
    ],
)
def test_what_an_event_may_leave_out_is_no_fault(event: Message) -> None:
    assert fault(event) is None


@pytest.mark.parametrize("kind", [kind for name, kind in sorted(event_classes().items()) if "directory" not in kind.__module__])
def test_an_empty_event_of_any_type_is_a_fault(kind: type[Message]) -> None:
    assert (fault(kind()) or "").startswith("tenant_id is ''")
