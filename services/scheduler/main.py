"""The scheduler: decides when an account is reminded next, and records why not. Composition only."""

from pathlib import Path

from paycue import stops
from paycue.app import Service
from paycue.events.v1 import account_pb2, dispute_pb2, invoice_pb2, message_pb2, payment_pb2
from services.scheduler.api import router
from services.scheduler.handlers import HANDLERS
from services.scheduler.invariants import INVARIANTS
from services.scheduler.loops import fire_due
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store import STORE, references

SERVICE = Service(
    name="scheduler",
    about="Decides when an account is reminded next, and records why and why not.",
    settings=SchedulerSettings,
    store=STORE,
    handlers=HANDLERS,
    consumers={
        "scheduler": (
            account_pb2.AccountRegistered,
            invoice_pb2.InvoiceIssued,
            payment_pb2.InvoiceSettled,
            dispute_pb2.DisputeRegistered,
            message_pb2.ReminderFailed,
        )
    },
    routers=(router, stops.router("scheduler")),
    migrations=Path(__file__).parent / "migrations",
    invariants=INVARIANTS,
    loops=(fire_due,),
    timers="scheduler",
    prompt=True,
    takes_stops=True,
    references=references,
)
