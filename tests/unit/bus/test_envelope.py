"""What a record must be to become an envelope, and what is said, and who is parked, when it is not."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycue.bus.envelope import MAX_VALUE, Record, Undecodable, decode, headers_for, outgoing
from paycue.events.v1.directory_pb2 import CreditorRegistered
from tests.unit.bus.story import AT, changed, invoice, record

NOBODY = (None, None)
ITS_ACCOUNT = ("acme", "a1")
KIND = "paycue.events.v1.InvoiceIssued"


def refused(bad: Record) -> tuple[str, tuple[str | None, str | None]]:
    with pytest.raises(Undecodable) as caught:
        decode(bad)
    return caught.value.reason, (caught.value.tenant, caught.value.account)


def valued(value: bytes | None) -> Record:
    return msgspec.structs.replace(record(), value=value)


def headed(**headers: str | None) -> Record:
    return msgspec.structs.replace(record(), headers=changed(record().headers, **headers))


def keyed(key: bytes | None) -> Record:
    return msgspec.structs.replace(record(), key=key)


def test_a_sound_record_becomes_an_envelope() -> None:
    e = decode(record(event_id="e-1", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"))
    assert (e.id, e.source, e.type, e.tenant, e.account) == ("e-1", "urn:erp", KIND, "acme", "a1")
    assert (e.time, e.event) == (AT, invoice())
    assert e.trace == "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def test_what_was_published_is_what_is_decoded() -> None:
    made = outgoing(invoice(), event_id="e-1", source="urn:erp", at=AT, partition=3)
    e = decode(Record(made.topic, made.partition, 0, made.key, made.value, made.headers))
    assert (e.event, e.id, e.time, made.key, made.topic) == (invoice(), "e-1", AT, b"acme:a1", "erp.invoices.v1")


@pytest.mark.parametrize("key", [None, b"", b"acme", b"ACME:a1", b"acme:\xff\xfe", b"acme:a\x00"])
def test_a_key_that_is_none_parks_nobody(key: bytes | None) -> None:
    reason, whom = refused(keyed(key))
    assert "is not tenant:account" in reason
    assert whom == NOBODY


def test_a_payload_of_another_tenant_than_its_key_parks_nobody() -> None:
    reason, whom = refused(record(invoice(tenant_id="beta"), key=b"acme:a1"))
    assert reason == "wrong tenant: the payload names 'beta', the key 'acme'"
    assert whom == NOBODY


def test_a_payload_of_another_account_than_its_key_parks_the_keys() -> None:
    assert refused(record(invoice("a2"), key=b"acme:a1")) == ("wrong account: the payload names 'a2', the key 'a1'", ITS_ACCOUNT)


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type"])
@pytest.mark.parametrize("text", [None, "", "a\x00b", "a\nb", "x" * 257])
def test_a_header_that_is_missing_or_no_text_is_malformed(name: str, text: str | None) -> None:
    reason, whom = refused(headed(**{name: text}))
    assert reason.startswith(f"malformed: the header {name} is ")
    assert whom == ITS_ACCOUNT


@pytest.mark.parametrize("text", [None, "", "yesterday", "2013-01-02T05:00:00", "2013-01-02", "0001-01-01T00:00:00+14:00"])
def test_a_time_without_a_zone_or_sense_is_malformed(text: str | None) -> None:
    reason, whom = refused(record(ce_time=text))
    assert reason.startswith(f"malformed: ce_time is {text or ''!r}, expected an RFC 3339 instant")
    assert whom == ITS_ACCOUNT


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("paycue.events.v2.InvoiceIssued", "newer schema: paycue.events.v2.InvoiceIssued is not of paycue.events.v1"),
        ("paycue.events.v1.Surprise", "unknown type: erp.invoices.v1 does not carry 'Surprise'"),
        ("paycue.events.v1.PaymentReceived", "unknown type: erp.invoices.v1 does not carry 'PaymentReceived'"),
        ("com.example.Order", "unknown type: erp.invoices.v1 does not carry 'Order'"),
    ],
)
def test_a_type_that_does_not_belong_here_is_named(kind: str, reason: str) -> None:
    assert refused(record(ce_type=kind)) == (reason, ITS_ACCOUNT)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (None, "the value is nothing"),
        (b"x" * (MAX_VALUE + 1), f"the value is {MAX_VALUE + 1} bytes"),
        (b"\x0a\xff", "InvoiceIssued does not parse"),
        (invoice().SerializeToString()[:-3], "InvoiceIssued does not parse"),
    ],
)
def test_a_value_that_is_no_message_is_malformed(value: bytes | None, part: str) -> None:
    reason, whom = refused(valued(value))
    assert reason.startswith("malformed: ")
    assert part in reason
    assert whom == ITS_ACCOUNT


def test_empty_bytes_parse_and_name_no_tenant_so_nobody_is_parked() -> None:
    assert refused(valued(b"")) == ("wrong tenant: the payload names '', the key 'acme'", NOBODY)


def test_a_field_without_sense_is_malformed() -> None:
    reason, whom = refused(record(invoice(due_on="31.12.2013")))
    assert reason == "malformed: due_on is '31.12.2013', expected a date as YYYY-MM-DD, of the years 1900 to 2199"
    assert whom == ITS_ACCOUNT


def test_an_unreadable_trace_is_dropped_and_never_a_fault() -> None:
    assert decode(record(traceparent="\x00garbage")).trace is None


def test_of_a_header_that_came_twice_the_first_counts() -> None:
    twice = record()
    e = decode(msgspec.structs.replace(twice, headers=(*twice.headers, ("ce_id", b"second"))))
    assert e.id == "1"


def test_identity_is_tenant_source_and_id_and_content_is_type_and_value() -> None:
    first, same, content = decode(record()), decode(record(offset=7)), decode(record(invoice(amount_minor=7)))
    source, tenant = decode(record(ce_source="urn:other")), decode(record(invoice(tenant_id="beta")))
    assert (first.inbox_id, first.digest) == (same.inbox_id, same.digest)
    assert first.inbox_id == content.inbox_id
    assert first.digest != content.digest
    assert len({first.inbox_id, source.inbox_id, tenant.inbox_id}) == 3


def test_headers_are_those_of_the_kafka_binding() -> None:
    assert dict(headers_for("1", "urn:erp", KIND, datetime(2013, 1, 2, 5, 0, 0, 120000, tzinfo=UTC), None)) == {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"urn:erp",
        "ce_type": KIND.encode(),
        "ce_time": b"2013-01-02T05:00:00.120000Z",
        "content-type": b"application/protobuf",
    }


def test_a_directory_event_has_the_key_it_is_given() -> None:
    event = CreditorRegistered(tenant_id="acme")
    assert outgoing(event, event_id="1", source="s", at=AT, partition=0, key=b"creditor:acme").key == b"creditor:acme"


@given(
    st.binary(max_size=200), st.binary(max_size=40), st.dictionaries(st.sampled_from(["ce_id", "ce_time", "ce_type"]), st.text(max_size=20))
)
def test_any_bytes_are_an_envelope_or_undecodable_and_nothing_else(value: bytes, key: bytes, headers: dict[str, str]) -> None:
    spoilt = {name: text for name, text in headers.items() if text.isprintable()}
    bad = msgspec.structs.replace(headed(**spoilt), value=value, key=key)
    with pytest.raises(Undecodable):
        decode(bad)


@given(st.integers(0, 60), st.integers(0, 255))
def test_a_record_with_one_wrong_byte_is_an_envelope_of_its_key_or_undecodable(position: int, byte: int) -> None:
    value = bytearray(record().value or b"")
    value[position % len(value)] = byte
    try:
        e = decode(valued(bytes(value)))
    except Undecodable:
        return
    assert (e.tenant, e.account) == ITS_ACCOUNT
