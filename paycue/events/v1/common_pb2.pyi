from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ContactKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTACT_KIND_UNSPECIFIED: _ClassVar[ContactKind]
    CONTACT_KIND_EMAIL: _ClassVar[ContactKind]
    CONTACT_KIND_PHONE: _ClassVar[ContactKind]

class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_UNSPECIFIED: _ClassVar[Channel]
    CHANNEL_EMAIL: _ClassVar[Channel]
    CHANNEL_SMS: _ClassVar[Channel]

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_FRIENDLY: _ClassVar[Stage]
    STAGE_FIRM: _ClassVar[Stage]
    STAGE_FINAL_DEMAND: _ClassVar[Stage]
    STAGE_AGENCY: _ClassVar[Stage]
    STAGE_LEGAL: _ClassVar[Stage]
CONTACT_KIND_UNSPECIFIED: ContactKind
CONTACT_KIND_EMAIL: ContactKind
CONTACT_KIND_PHONE: ContactKind
CHANNEL_UNSPECIFIED: Channel
CHANNEL_EMAIL: Channel
CHANNEL_SMS: Channel
STAGE_UNSPECIFIED: Stage
STAGE_FRIENDLY: Stage
STAGE_FIRM: Stage
STAGE_FINAL_DEMAND: Stage
STAGE_AGENCY: Stage
STAGE_LEGAL: Stage

class ContactPoint(_message.Message):
    __slots__ = ("kind", "address")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    kind: ContactKind
    address: str
    def __init__(self, kind: _Optional[_Union[ContactKind, str]] = ..., address: _Optional[str] = ...) -> None: ...
