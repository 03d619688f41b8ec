from paycue.events.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_KIND_UNSPECIFIED: _ClassVar[AccountKind]
    ACCOUNT_KIND_CONSUMER: _ClassVar[AccountKind]
    ACCOUNT_KIND_COMMERCIAL: _ClassVar[AccountKind]
ACCOUNT_KIND_UNSPECIFIED: AccountKind
ACCOUNT_KIND_CONSUMER: AccountKind
ACCOUNT_KIND_COMMERCIAL: AccountKind

class AccountRegistered(_message.Message):
    __slots__ = ("tenant_id", "account_id", "version", "kind", "name", "locale", "zone", "contact_points")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    CONTACT_POINTS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    version: int
    kind: AccountKind
    name: str
    locale: str
    zone: str
    contact_points: _containers.RepeatedCompositeFieldContainer[_common_pb2.ContactPoint]
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[AccountKind, str]] = ..., name: _Optional[str] = ..., locale: _Optional[str] = ..., zone: _Optional[str] = ..., contact_points: _Optional[_Iterable[_Union[_common_pb2.ContactPoint, _Mapping]]] = ...) -> None: ...

class AccountState(_message.Message):
    __slots__ = ("tenant_id", "account_id", "version", "paused", "paused_invoice_ids", "stop_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    PAUSED_INVOICE_IDS_FIELD_NUMBER: _ClassVar[int]
    STOP_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    version: int
    paused: bool
    paused_invoice_ids: _containers.RepeatedScalarFieldContainer[str]
    stop_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., version: _Optional[int] = ..., paused: _Optional[bool] = ..., paused_invoice_ids: _Optional[_Iterable[str]] = ..., stop_id: _Optional[str] = ...) -> None: ...
