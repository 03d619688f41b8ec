import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StopKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_KIND_UNSPECIFIED: _ClassVar[StopKind]
    STOP_KIND_PAYMENT: _ClassVar[StopKind]
    STOP_KIND_DISPUTE: _ClassVar[StopKind]
    STOP_KIND_CREDIT_NOTE: _ClassVar[StopKind]
    STOP_KIND_PAUSE: _ClassVar[StopKind]
    STOP_KIND_OPT_OUT: _ClassVar[StopKind]
    STOP_KIND_SUSPENSION: _ClassVar[StopKind]
STOP_KIND_UNSPECIFIED: StopKind
STOP_KIND_PAYMENT: StopKind
STOP_KIND_DISPUTE: StopKind
STOP_KIND_CREDIT_NOTE: StopKind
STOP_KIND_PAUSE: StopKind
STOP_KIND_OPT_OUT: StopKind
STOP_KIND_SUSPENSION: StopKind

class StopReceipt(_message.Message):
    __slots__ = ("tenant_id", "account_id", "stop_id", "kind", "cause", "taken_by", "invoice_ids", "accepted_at", "effective_at", "calls_in_flight", "none_started_after")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    STOP_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    TAKEN_BY_FIELD_NUMBER: _ClassVar[int]
    INVOICE_IDS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    CALLS_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    NONE_STARTED_AFTER_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    stop_id: str
    kind: StopKind
    cause: str
    taken_by: str
    invoice_ids: _containers.RepeatedScalarFieldContainer[str]
    accepted_at: _timestamp_pb2.Timestamp
    effective_at: _timestamp_pb2.Timestamp
    calls_in_flight: _containers.RepeatedScalarFieldContainer[str]
    none_started_after: _timestamp_pb2.Timestamp
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., stop_id: _Optional[str] = ..., kind: _Optional[_Union[StopKind, str]] = ..., cause: _Optional[str] = ..., taken_by: _Optional[str] = ..., invoice_ids: _Optional[_Iterable[str]] = ..., accepted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., calls_in_flight: _Optional[_Iterable[str]] = ..., none_started_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
