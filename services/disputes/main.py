"""Disputes: what is contested, and how it ended. Composition only."""

from pathlib import Path

from paycue import stops
from paycue.app import Service
from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from services.disputes.api import router
from services.disputes.handlers import HANDLERS
from services.disputes.invariants import INVARIANTS
from services.disputes.settings import DisputesSettings
from services.disputes.store import STORE

SERVICE = Service(
    name="disputes",
    about="What is contested on each account: every dispute from the day it is raised to its outcome, with the notes on it.",
    settings=DisputesSettings,
    store=STORE,
    handlers=HANDLERS,
    consumers={"disputes": (invoice_pb2.InvoiceIssued, dispute_pb2.DisputeRaised, payment_pb2.InvoiceSettled)},
    routers=(router, stops.router("disputes")),
    migrations=Path(__file__).parent / "migrations",
    invariants=INVARIANTS,
    takes_stops=True,
)
