from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DisputeReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_REASON_UNSPECIFIED: _ClassVar[DisputeReason]
    DISPUTE_REASON_WRONG_AMOUNT: _ClassVar[DisputeReason]
    DISPUTE_REASON_ALREADY_PAID: _ClassVar[DisputeReason]
    DISPUTE_REASON_GOODS_NOT_RECEIVED: _ClassVar[DisputeReason]
    DISPUTE_REASON_INVOICE_NOT_RECEIVED: _ClassVar[DisputeReason]
    DISPUTE_REASON_QUALITY: _ClassVar[DisputeReason]
    DISPUTE_REASON_DUPLICATE: _ClassVar[DisputeReason]
    DISPUTE_REASON_NOT_MINE: _ClassVar[DisputeReason]
    DISPUTE_REASON_FRAUD: _ClassVar[DisputeReason]
    DISPUTE_REASON_SHORT_PAYMENT: _ClassVar[DisputeReason]
    DISPUTE_REASON_OTHER: _ClassVar[DisputeReason]

class DisputeOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_OUTCOME_UNSPECIFIED: _ClassVar[DisputeOutcome]
    DISPUTE_OUTCOME_VALID: _ClassVar[DisputeOutcome]
    DISPUTE_OUTCOME_PARTLY_VALID: _ClassVar[DisputeOutcome]
    DISPUTE_OUTCOME_INVALID: _ClassVar[DisputeOutcome]
    DISPUTE_OUTCOME_WITHDRAWN: _ClassVar[DisputeOutcome]
DISPUTE_REASON_UNSPECIFIED: DisputeReason
DISPUTE_REASON_WRONG_AMOUNT: DisputeReason
DISPUTE_REASON_ALREADY_PAID: DisputeReason
DISPUTE_REASON_GOODS_NOT_RECEIVED: DisputeReason
DISPUTE_REASON_INVOICE_NOT_RECEIVED: DisputeReason
DISPUTE_REASON_QUALITY: DisputeReason
DISPUTE_REASON_DUPLICATE: DisputeReason
DISPUTE_REASON_NOT_MINE: DisputeReason
DISPUTE_REASON_FRAUD: DisputeReason
DISPUTE_REASON_SHORT_PAYMENT: DisputeReason
DISPUTE_REASON_OTHER: DisputeReason
DISPUTE_OUTCOME_UNSPECIFIED: DisputeOutcome
DISPUTE_OUTCOME_VALID: DisputeOutcome
DISPUTE_OUTCOME_PARTLY_VALID: DisputeOutcome
DISPUTE_OUTCOME_INVALID: DisputeOutcome
DISPUTE_OUTCOME_WITHDRAWN: DisputeOutcome

class DisputeRaised(_message.Message):
    __slots__ = ("tenant_id", "account_id", "dispute_id", "invoice_id", "reason", "currency", "disputed_minor", "note")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_MINOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    dispute_id: str
    invoice_id: str
    reason: DisputeReason
    currency: str
    disputed_minor: int
    note: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., reason: _Optional[_Union[DisputeReason, str]] = ..., currency: _Optional[str] = ..., disputed_minor: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class DisputeReviewStarted(_message.Message):
    __slots__ = ("tenant_id", "account_id", "dispute_id", "note")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    dispute_id: str
    note: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class DisputeDecided(_message.Message):
    __slots__ = ("tenant_id", "account_id", "dispute_id", "outcome", "credit_minor", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CREDIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    dispute_id: str
    outcome: DisputeOutcome
    credit_minor: int
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., outcome: _Optional[_Union[DisputeOutcome, str]] = ..., credit_minor: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class DisputeRegistered(_message.Message):
    __slots__ = ("tenant_id", "account_id", "dispute_id", "invoice_id", "cause_id", "reason", "currency", "disputed_minor", "version")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DISPUTED_MINOR_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    dispute_id: str
    invoice_id: str
    cause_id: str
    reason: DisputeReason
    currency: str
    disputed_minor: int
    version: int
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., cause_id: _Optional[str] = ..., reason: _Optional[_Union[DisputeReason, str]] = ..., currency: _Optional[str] = ..., disputed_minor: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class DisputeRefused(_message.Message):
    __slots__ = ("tenant_id", "account_id", "dispute_id", "invoice_id", "cause_id", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    dispute_id: str
    invoice_id: str
    cause_id: str
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., cause_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DisputeReviewed(_message.Message):
    __slots__ = ("tenant_id", "account_id", "dispute_id", "invoice_id", "version")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    dispute_id: str
    invoice_id: str
    version: int
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class DisputeResolved(_message.Message):
    __slots__ = ("tenant_id", "account_id", "dispute_id", "invoice_id", "outcome", "currency", "credit_minor", "credit_whole", "version")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CREDIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDIT_WHOLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    dispute_id: str
    invoice_id: str
    outcome: DisputeOutcome
    currency: str
    credit_minor: int
    credit_whole: bool
    version: int
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., outcome: _Optional[_Union[DisputeOutcome, str]] = ..., currency: _Optional[str] = ..., credit_minor: _Optional[int] = ..., credit_whole: _Optional[bool] = ..., version: _Optional[int] = ...) -> None: ...
