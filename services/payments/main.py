"""Payments: what is owed and paid. Composition only."""

from pathlib import Path

from paycue import stops
from paycue.app import Service
from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from services.payments.api import pages, router
from services.payments.handlers import HANDLERS
from services.payments.invariants import INVARIANTS
from services.payments.settings import PaymentsSettings
from services.payments.store import STORE

SERVICE = Service(
    name="payments",
    about="The ledger of each account: what is owed, what was paid, and which money paid which invoice.",
    settings=PaymentsSettings,
    store=STORE,
    handlers=HANDLERS,
    consumers={"payments": (invoice_pb2.InvoiceIssued, payment_pb2.PaymentReceived, dispute_pb2.DisputeResolved)},
    routers=(router, pages, stops.router("payments")),
    migrations=Path(__file__).parent / "migrations",
    invariants=INVARIANTS,
    takes_stops=True,
)
