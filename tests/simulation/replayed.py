"""The ledger that the same facts give when nothing goes wrong: folded one by one, in the order of their topics, by the same handlers.

Whatever happened to the services, and in whichever order they heard of things, their ledger has to be this one.
"""

from datetime import datetime
from typing import Any

import msgspec

from paycue.decision import Context
from paycue.events.v1 import invoice_pb2, payment_pb2
from services.payments.domain.account import PaymentAccount
from services.payments.domain.commands import IssueCreditNote
from services.payments.handlers import HANDLERS
from tests.simulation.actions import Asked
from tests.simulation.history import History, Key

Balances = dict[str, tuple[object, ...]]


def ledgers(history: History, obeyed: list[Asked], now: datetime) -> dict[Key, PaymentAccount]:
    """Every account's ledger of the records in `history` and the commands that were obeyed."""
    accounts: dict[Key, PaymentAccount] = {}
    seen = set[bytes]()

    def fold(key: Key, event: Any, cause: str) -> None:
        decision = HANDLERS[type(event)](accounts.get(key, PaymentAccount()), event, Context(now, *key, cause))
        accounts[key] = decision.state

    for _, _, envelope in history.envelopes:
        if envelope is not None and type(envelope.event) in HANDLERS and envelope.inbox_id not in seen:
            seen.add(envelope.inbox_id)
            fold((envelope.tenant, envelope.account), envelope.event, envelope.id)
    for asked in obeyed:
        if asked.service == "payments":
            fold((asked.tenant, asked.account), _as_event(asked), asked.command_id)
    return accounts


def _as_event(asked: Asked) -> Any:
    """An event is never refused, whatever is known already."""
    whose: dict[str, Any] = {"tenant_id": asked.tenant, "account_id": asked.account}
    command = asked.command
    if isinstance(command, IssueCreditNote):
        return invoice_pb2.CreditNoteIssued(**whose, **msgspec.structs.asdict(command))
    told = msgspec.structs.asdict(command) | {"received_on": command.received_on.isoformat()}
    return payment_pb2.PaymentReceived(**whose, **told)


def balances(account: PaymentAccount) -> Balances:
    """What does not depend on the order of facts."""
    invoices: Balances = {key: (one.fact, one.open_minor, one.credited_minor) for key, one in account.invoices.items()}
    spent: Balances = {
        key: (one.fact, one.allocations, one.reserved, one.unallocated_minor, one.returned_minor) for key, one in account.payments.items()
    }
    return invoices | spent
