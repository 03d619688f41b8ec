"""Records and envelopes: CloudEvents 1.0 in Kafka's binary mode, protobuf values, keys `tenant:account`.

Bytes are decoded here, one record at a time, and never inside the Kafka client: a deserializer that raises there loses other
partitions' records. What cannot be decoded says why and whom to park; nothing is guessed.
"""

from datetime import UTC, datetime
from functools import cache, lru_cache

import msgspec
from google.protobuf.message import DecodeError, Message

from paycue.bus.topics import PACKAGE, event_classes, topics
from paycue.bus.validation import fault
from paycue.ids import account_key, digest16_after, split_key
from paycue.observability.trace import parse

MAX_VALUE = 256 * 1024
"""Bytes. A larger value is a dead letter."""
MAX_ATTRIBUTE = 256
"""Characters of a CloudEvents attribute."""

Headers = tuple[tuple[str, bytes], ...]


class Record(msgspec.Struct, frozen=True):
    """What a bus delivers."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Outgoing(msgspec.Struct, frozen=True):
    """What a bus is given; `partition` is chosen already."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Headers


class Pending(msgspec.Struct, frozen=True):
    """An event for the outbox; the fields are the table's columns."""

    topic: str
    lane: int
    key: bytes
    type: str
    event_id: str
    at: datetime
    trace: str | None
    value: bytes


class Envelope(msgspec.Struct, frozen=True):
    """A decoded record."""

    id: str
    source: str
    type: str
    tenant: str
    account: str
    time: datetime
    trace: str | None
    event: Message
    record: Record
    heads: dict[str, bytes]
    """The record's headers by name, the first of each."""
    hashed: bytes = b""
    """Its identity, once somebody has asked for it."""

    # Asked for where an inbox keeps ids, and of an event that others follow from: most of our own need neither.
    @property
    def inbox_id(self) -> bytes:
        """Its identity: tenant, source and id."""
        if not self.hashed:
            known = self.tenant.encode(), self.heads["ce_source"]
            msgspec.structs.force_setattr(self, "hashed", digest16_after(known, self.heads["ce_id"]))
        return self.hashed

    @property
    def digest(self) -> bytes:
        """Its content: type and value."""
        return digest16_after((self.heads["ce_type"],), self.record.value or b"")[:8]


class Undecodable(Exception):
    """A record that cannot become an envelope; `account` names whom to park, None nobody."""

    def __init__(self, reason: str, tenant: str | None = None, account: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.tenant, self.account = reason, tenant, account


def header(headers: Headers, name: str) -> str | None:
    """The text of a header, or None."""
    for key, value in headers:
        if key == name:
            return value.decode("utf-8", "replace")
    return None


def type_of(record: Record) -> str | None:
    """The record's `ce_type`: routing never parses a payload."""
    for key, value in record.headers:
        if key == "ce_type":
            return _known_types().get(value) or value.decode("utf-8", "replace")
    return None


@cache
def _known_types() -> dict[bytes, str]:
    return {kind.encode(): kind for kind in event_classes()}


def decode(record: Record) -> Envelope:
    """The envelope of an account-keyed record. Raises Undecodable with the reason."""
    try:
        tenant, account = split_key(record.key)
    except ValueError as error:
        raise Undecodable(str(error)) from None
    # Of a header that came twice the first counts, as in type_of.
    heads = dict(reversed(record.headers))
    get = heads.get
    try:
        own_id, source = _attribute("ce_id", get("ce_id", b"")), _recurring("ce_source", get("ce_source", b""))
        kind = _recurring("ce_type", get("ce_type", b""))
        event = _event(record, kind)
        _same_account(event, tenant, account)
        time = _instant(get("ce_time", b""))
        if wrong := fault(event, keyed=True):
            raise ValueError(f"malformed: {wrong}")
    except ValueError as error:
        raise Undecodable(str(error), tenant, account) from None
    trace = _trace(heads["traceparent"]) if "traceparent" in heads else None
    return Envelope(own_id, source, kind, tenant, account, time, trace, event, record, heads)


def _attribute(name: str, value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    if not 0 < len(text) <= MAX_ATTRIBUTE or not text.isprintable():
        raise ValueError(f"malformed: the header {name} is {text[:99]!r}, expected 1 to {MAX_ATTRIBUTE} printable characters")
    return text


_recurring = lru_cache(maxsize=1024)(_attribute)
"""Of attributes that many records share."""


def _trace(value: bytes) -> str | None:
    text = value.decode("utf-8", "replace")
    return text if parse(text) else None


def _event(record: Record, kind: str) -> Message:
    if kind not in topics()[record.topic].types:
        raise ValueError(_wrong_type(kind, record.topic))
    if record.value is None or len(record.value) > MAX_VALUE:
        size = "nothing" if record.value is None else f"{len(record.value)} bytes"
        raise ValueError(f"malformed: the value is {size}, expected at most {MAX_VALUE} bytes of protobuf")
    try:
        return event_classes()[kind].FromString(record.value)
    except DecodeError as error:
        raise ValueError(f"malformed: {kind.rpartition('.')[2]} does not parse ({error})") from None


def _same_account(event: Message, tenant: str, account: str) -> None:
    if (named := event.tenant_id) != tenant:  # type: ignore[attr-defined]
        # A must not be able to park B, nor B's record A: nobody is parked.
        raise Undecodable(f"wrong tenant: the payload names {named!r}, the key {tenant!r}")
    if (named := event.account_id) != account:  # type: ignore[attr-defined]
        raise ValueError(f"wrong account: the payload names {named!r}, the key {account!r}")


def _wrong_type(kind: str, topic: str) -> str:
    package, _, name = kind.rpartition(".")
    if package.startswith("paycue.events.v") and package != PACKAGE:
        return f"newer schema: {kind} is not of {PACKAGE}"
    return f"unknown type: {topic} does not carry {name!r}"


@lru_cache(maxsize=4096)
def _instant(value: bytes) -> datetime:
    text = value.decode("utf-8", "replace")
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("no zone")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"malformed: ce_time is {text!r}, expected an RFC 3339 instant with its zone") from None


@lru_cache(maxsize=4096)
def _time_text(at: datetime) -> bytes:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()


def headers_for(event_id: str, source: str, kind: str, at: datetime, trace: str | None) -> Headers:
    """The CloudEvents headers of an event, attribute by attribute (Kafka protocol binding 1.0.2, section 3.2)."""
    made = (
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", kind.encode()),
        ("ce_time", _time_text(at)),
        ("content-type", b"application/protobuf"),
    )
    return (*made, ("traceparent", trace.encode())) if trace else made


def outgoing(
    event: Message, *, event_id: str, source: str, at: datetime, partition: int, key: bytes | None = None, trace: str | None = None
) -> Outgoing:
    """A record of `event` for the topic that carries its type; the key defaults to the account it names."""
    kind = event.DESCRIPTOR.full_name
    topic = next(topic.name for topic in topics().values() if kind in topic.types)
    key = key if key is not None else account_key(event.tenant_id, event.account_id)  # type: ignore[attr-defined]
    return Outgoing(topic, partition, key, event.SerializeToString(deterministic=True), headers_for(event_id, source, kind, at, trace))
