from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InvoiceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INVOICE_KIND_UNSPECIFIED: _ClassVar[InvoiceKind]
    INVOICE_KIND_INVOICE: _ClassVar[InvoiceKind]
    INVOICE_KIND_DEPOSIT_BALANCE: _ClassVar[InvoiceKind]
    INVOICE_KIND_SCHEDULED_PAYMENT: _ClassVar[InvoiceKind]
    INVOICE_KIND_PREPAYMENT: _ClassVar[InvoiceKind]
    INVOICE_KIND_SUBSCRIPTION_CYCLE: _ClassVar[InvoiceKind]
INVOICE_KIND_UNSPECIFIED: InvoiceKind
INVOICE_KIND_INVOICE: InvoiceKind
INVOICE_KIND_DEPOSIT_BALANCE: InvoiceKind
INVOICE_KIND_SCHEDULED_PAYMENT: InvoiceKind
INVOICE_KIND_PREPAYMENT: InvoiceKind
INVOICE_KIND_SUBSCRIPTION_CYCLE: InvoiceKind

class InvoiceIssued(_message.Message):
    __slots__ = ("tenant_id", "account_id", "invoice_id", "kind", "currency", "amount_minor", "issued_on", "due_on")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ISSUED_ON_FIELD_NUMBER: _ClassVar[int]
    DUE_ON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    invoice_id: str
    kind: InvoiceKind
    currency: str
    amount_minor: int
    issued_on: str
    due_on: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., kind: _Optional[_Union[InvoiceKind, str]] = ..., currency: _Optional[str] = ..., amount_minor: _Optional[int] = ..., issued_on: _Optional[str] = ..., due_on: _Optional[str] = ...) -> None: ...

class CreditNoteIssued(_message.Message):
    __slots__ = ("tenant_id", "account_id", "credit_note_id", "invoice_id", "currency", "amount_minor", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_NOTE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    credit_note_id: str
    invoice_id: str
    currency: str
    amount_minor: int
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., credit_note_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount_minor: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...
