from paycue.events.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReminderSent(_message.Message):
    __slots__ = ("tenant_id", "account_id", "reminder_id", "message_id", "channel", "invoice_ids")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REMINDER_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    INVOICE_IDS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    reminder_id: str
    message_id: str
    channel: _common_pb2.Channel
    invoice_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., reminder_id: _Optional[str] = ..., message_id: _Optional[str] = ..., channel: _Optional[_Union[_common_pb2.Channel, str]] = ..., invoice_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ReminderFailed(_message.Message):
    __slots__ = ("tenant_id", "account_id", "reminder_id", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REMINDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    reminder_id: str
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., reminder_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReminderSkipped(_message.Message):
    __slots__ = ("tenant_id", "account_id", "reminder_id", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REMINDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    reminder_id: str
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., reminder_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReminderExpired(_message.Message):
    __slots__ = ("tenant_id", "account_id", "reminder_id", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REMINDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    reminder_id: str
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., reminder_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReminderUnknown(_message.Message):
    __slots__ = ("tenant_id", "account_id", "reminder_id", "message_id", "channel")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REMINDER_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    reminder_id: str
    message_id: str
    channel: _common_pb2.Channel
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., reminder_id: _Optional[str] = ..., message_id: _Optional[str] = ..., channel: _Optional[_Union[_common_pb2.Channel, str]] = ...) -> None: ...
