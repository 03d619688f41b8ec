import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from paycue.events.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReminderItem(_message.Message):
    __slots__ = ("invoice_id", "currency", "open_minor", "balance_version", "issued_on", "due_on", "step")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    OPEN_MINOR_FIELD_NUMBER: _ClassVar[int]
    BALANCE_VERSION_FIELD_NUMBER: _ClassVar[int]
    ISSUED_ON_FIELD_NUMBER: _ClassVar[int]
    DUE_ON_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    currency: str
    open_minor: int
    balance_version: int
    issued_on: str
    due_on: str
    step: str
    def __init__(self, invoice_id: _Optional[str] = ..., currency: _Optional[str] = ..., open_minor: _Optional[int] = ..., balance_version: _Optional[int] = ..., issued_on: _Optional[str] = ..., due_on: _Optional[str] = ..., step: _Optional[str] = ...) -> None: ...

class ReminderDue(_message.Message):
    __slots__ = ("tenant_id", "account_id", "reminder_id", "policy", "policy_version", "stage", "channels", "items", "planned_on", "valid_until", "manual", "window_from", "window_to", "working_days")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REMINDER_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PLANNED_ON_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    MANUAL_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FROM_FIELD_NUMBER: _ClassVar[int]
    WINDOW_TO_FIELD_NUMBER: _ClassVar[int]
    WORKING_DAYS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    reminder_id: str
    policy: str
    policy_version: int
    stage: _common_pb2.Stage
    channels: _containers.RepeatedScalarFieldContainer[_common_pb2.Channel]
    items: _containers.RepeatedCompositeFieldContainer[ReminderItem]
    planned_on: str
    valid_until: _timestamp_pb2.Timestamp
    manual: bool
    window_from: str
    window_to: str
    working_days: bool
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., reminder_id: _Optional[str] = ..., policy: _Optional[str] = ..., policy_version: _Optional[int] = ..., stage: _Optional[_Union[_common_pb2.Stage, str]] = ..., channels: _Optional[_Iterable[_Union[_common_pb2.Channel, str]]] = ..., items: _Optional[_Iterable[_Union[ReminderItem, _Mapping]]] = ..., planned_on: _Optional[str] = ..., valid_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., manual: _Optional[bool] = ..., window_from: _Optional[str] = ..., window_to: _Optional[str] = ..., working_days: _Optional[bool] = ...) -> None: ...
