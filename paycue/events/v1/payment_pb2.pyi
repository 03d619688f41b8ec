from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReturnKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETURN_KIND_UNSPECIFIED: _ClassVar[ReturnKind]
    RETURN_KIND_DECLINED_CHEQUE: _ClassVar[ReturnKind]
    RETURN_KIND_RETURNED_DIRECT_DEBIT: _ClassVar[ReturnKind]
    RETURN_KIND_CHARGEBACK: _ClassVar[ReturnKind]
RETURN_KIND_UNSPECIFIED: ReturnKind
RETURN_KIND_DECLINED_CHEQUE: ReturnKind
RETURN_KIND_RETURNED_DIRECT_DEBIT: ReturnKind
RETURN_KIND_CHARGEBACK: ReturnKind

class PaymentReceived(_message.Message):
    __slots__ = ("tenant_id", "account_id", "payment_id", "currency", "amount_minor", "received_on", "invoice_ids")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_ON_FIELD_NUMBER: _ClassVar[int]
    INVOICE_IDS_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    payment_id: str
    currency: str
    amount_minor: int
    received_on: str
    invoice_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount_minor: _Optional[int] = ..., received_on: _Optional[str] = ..., invoice_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class PaymentReturned(_message.Message):
    __slots__ = ("tenant_id", "account_id", "return_id", "payment_id", "currency", "amount_minor", "kind", "reason_code")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    return_id: str
    payment_id: str
    currency: str
    amount_minor: int
    kind: ReturnKind
    reason_code: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., return_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount_minor: _Optional[int] = ..., kind: _Optional[_Union[ReturnKind, str]] = ..., reason_code: _Optional[str] = ...) -> None: ...

class Allocation(_message.Message):
    __slots__ = ("invoice_id", "amount_minor")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    amount_minor: int
    def __init__(self, invoice_id: _Optional[str] = ..., amount_minor: _Optional[int] = ...) -> None: ...

class InvoiceBalance(_message.Message):
    __slots__ = ("invoice_id", "currency", "open_minor", "version", "reopening", "cause_id")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    OPEN_MINOR_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REOPENING_FIELD_NUMBER: _ClassVar[int]
    CAUSE_ID_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    currency: str
    open_minor: int
    version: int
    reopening: int
    cause_id: str
    def __init__(self, invoice_id: _Optional[str] = ..., currency: _Optional[str] = ..., open_minor: _Optional[int] = ..., version: _Optional[int] = ..., reopening: _Optional[int] = ..., cause_id: _Optional[str] = ...) -> None: ...

class PaymentApplied(_message.Message):
    __slots__ = ("tenant_id", "account_id", "payment_id", "cause_id", "currency", "allocations", "reserved", "unallocated_minor")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    UNALLOCATED_MINOR_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    payment_id: str
    cause_id: str
    currency: str
    allocations: _containers.RepeatedCompositeFieldContainer[Allocation]
    reserved: _containers.RepeatedCompositeFieldContainer[Allocation]
    unallocated_minor: int
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., cause_id: _Optional[str] = ..., currency: _Optional[str] = ..., allocations: _Optional[_Iterable[_Union[Allocation, _Mapping]]] = ..., reserved: _Optional[_Iterable[_Union[Allocation, _Mapping]]] = ..., unallocated_minor: _Optional[int] = ...) -> None: ...

class PaymentRejected(_message.Message):
    __slots__ = ("tenant_id", "account_id", "payment_id", "cause_id", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    payment_id: str
    cause_id: str
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., cause_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class InvoiceSettled(_message.Message):
    __slots__ = ("tenant_id", "account_id", "balance")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    balance: InvoiceBalance
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., balance: _Optional[_Union[InvoiceBalance, _Mapping]] = ...) -> None: ...

class InvoiceReopened(_message.Message):
    __slots__ = ("tenant_id", "account_id", "balance", "reason")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    balance: InvoiceBalance
    reason: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., balance: _Optional[_Union[InvoiceBalance, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class BalanceChanged(_message.Message):
    __slots__ = ("tenant_id", "account_id", "balances")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    balances: _containers.RepeatedCompositeFieldContainer[InvoiceBalance]
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., balances: _Optional[_Iterable[_Union[InvoiceBalance, _Mapping]]] = ...) -> None: ...

class CreditNoteApplied(_message.Message):
    __slots__ = ("tenant_id", "account_id", "credit_note_id", "cause_id", "invoice_id")
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_NOTE_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    tenant_id: str
    account_id: str
    credit_note_id: str
    cause_id: str
    invoice_id: str
    def __init__(self, tenant_id: _Optional[str] = ..., account_id: _Optional[str] = ..., credit_note_id: _Optional[str] = ..., cause_id: _Optional[str] = ..., invoice_id: _Optional[str] = ...) -> None: ...
