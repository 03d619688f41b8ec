from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class CreditorRegistered(_message.Message):
    __slots__ = ("tenant_id", "name", "zone", "live_from", "suspended", "sender_email", "sender_name", "sender_phone", "live_until")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    LIVE_FROM_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    SENDER_EMAIL_FIELD_NUMBER: _ClassVar[int]
    SENDER_NAME_FIELD_NUMBER: _ClassVar[int]
    SENDER_PHONE_FIELD_NUMBER: _ClassVar[int]
    LIVE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    name: str
    zone: str
    live_from: str
    suspended: str
    sender_email: str
    sender_name: str
    sender_phone: str
    live_until: str
    def __init__(self, tenant_id: _Optional[str] = ..., name: _Optional[str] = ..., zone: _Optional[str] = ..., live_from: _Optional[str] = ..., suspended: _Optional[str] = ..., sender_email: _Optional[str] = ..., sender_name: _Optional[str] = ..., sender_phone: _Optional[str] = ..., live_until: _Optional[str] = ...) -> None: ...

class ApiKeyRegistered(_message.Message):
    __slots__ = ("key_id", "secret_hash", "tenant_id", "scopes", "label", "revoked")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SECRET_HASH_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    secret_hash: bytes
    tenant_id: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    label: str
    revoked: bool
    def __init__(self, key_id: _Optional[str] = ..., secret_hash: _Optional[bytes] = ..., tenant_id: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., label: _Optional[str] = ..., revoked: _Optional[bool] = ...) -> None: ...
