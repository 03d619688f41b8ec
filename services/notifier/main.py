"""The notifier: delivers one reminder once, on the right channel, lawfully. Composition only."""

from pathlib import Path

from paycue import stops
from paycue.app import Service
from paycue.events.v1 import account_pb2, dispute_pb2, payment_pb2, reminder_pb2
from services.notifier.adapters.debtors import public
from services.notifier.api import router
from services.notifier.handlers import HANDLERS
from services.notifier.invariants import INVARIANTS
from services.notifier.loops import Sender, send_due
from services.notifier.settings import NotifierSettings
from services.notifier.store import STORE, references

STOPS = (
    payment_pb2.PaymentReceived,
    payment_pb2.PaymentApplied,
    dispute_pb2.DisputeRaised,
    dispute_pb2.DisputeRegistered,
    account_pb2.AccountState,
)
"""One type of each topic that may stop a message; a consumer of their own, so that a stop never queues behind a storm."""

SERVICE = Service(
    name="notifier",
    about="Delivers each reminder once, on the right channel, within consent and hours.",
    settings=NotifierSettings,
    store=STORE,
    handlers=HANDLERS,
    consumers={
        "notifier": (account_pb2.AccountRegistered, reminder_pb2.ReminderDue),
        "notifier.stops": STOPS,
    },
    routers=(router, public, stops.router("notifier")),
    migrations=Path(__file__).parent / "migrations",
    invariants=INVARIANTS,
    loops=(send_due,),
    timers="notifier.stops",
    stops="notifier.stops",
    claims="notifier",
    outbound=Sender,
    references=references,
)
