"""What must hold when all is said and done: nothing lost, everything agrees, every due step has its end on record."""

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from paycue.bus.poison import digest_of
from services.disputes.domain.account import IN_REVIEW, OPENED
from services.notifier.domain.rows import MessageRow
from services.payments.domain.rows import InvoiceRow, LedgerEntry, PaymentRow
from services.scheduler.domain.rows import Decided
from services.scheduler.domain.window import opening
from tests.simulation.actions import Asked
from tests.simulation.book import Book
from tests.simulation.estate import Estate, House
from tests.simulation.history import GARBAGE, History
from tests.simulation.replayed import balances, ledgers
from tests.simulation.trace import Trace

ENDED = ("sent", "failed", "skipped", "expired", "unknown")
_OUTCOMES = {f"paycue.events.v1.Reminder{what.title()}": what for what in ("failed", "skipped", "expired", "unknown")}
GRACE = timedelta(minutes=70)
"""A step ends within its window and an hour; and clocks are off by five minutes, twice."""


def nobody_waits_too_long(estate: Estate, trace: Trace) -> None:
    """Whatever could not leave in its window is over soon after it."""
    house = estate.houses["notifier"]
    if not house.working:
        return
    parked = {key for key, account in house.tables.tables["account"].items() if account.parked_at is not None}
    for owned in standing(house):
        row: MessageRow = owned.row
        if (owned.tenant, owned.account) in parked or row.valid_until is None:
            continue
        if row.status in ("pending", "claimed") and row.valid_until + GRACE < estate.shared.now():
            trace.violated("I10 alive", f"message {row.reminder_id} is {row.status} though its window closed at {row.valid_until}")


def standing(house: House) -> list[Any]:
    """The last row of each message that says how it stands."""
    rows = house.tables.tables["message"]
    return list({(rows[n].tenant, rows[n].account, rows[n].row.reminder_id): rows[n] for n in sorted(rows) if rows[n].row.status}.values())


def judge(estate: Estate, book: Book, history: History, obeyed: list[Asked], trace: Trace) -> None:
    """Everything that is asked once."""
    for house in estate.houses.values():
        _nothing_lost(house, history, trace)
    _each_effect_once(estate, history, trace)
    _every_reminder_ended(estate, history, trace)
    _every_step_decided(estate, book, trace)
    _everybody_agrees(estate, trace)
    _the_same_ledger(estate, history, obeyed, trace)
    _money_adds_up(estate, trace)


def _nothing_lost(house: House, history: History, trace: Trace) -> None:
    """produced = applied + deduplicated + dead letters; and no event here is poison."""
    # What a document knows by itself leaves no id behind: that it took effect is asked of each reminder, further down.
    handled = {event.DESCRIPTOR.full_name for event in house.service.handlers if hasattr(event, "DESCRIPTOR")} - house.service.store.knows
    letters = house.tables.tables["letter"]
    for _, record, envelope in history.envelopes:
        if envelope is not None and envelope.type in handled and envelope.inbox_id not in house.folded and digest_of(record) not in letters:
            trace.violated("I3 nothing lost", f"{house.name} never folded {envelope.type} {envelope.id}")
    for letter, resolved_at in letters.values():
        if letter.record.value == GARBAGE and resolved_at is not None:
            continue
        trace.violated("I3 nothing lost", f"{house.name} has a dead letter: {letter.reason}")
    if waiting := house.tables.tables["parked"]:
        trace.violated("I3 nothing lost", f"{house.name} has {len(waiting)} records parked for ever")
    if house.tables.tables["outbox"]:
        trace.violated("I3 nothing lost", f"{house.name} never published {len(house.tables.tables['outbox'])} events")


def _each_effect_once(estate: Estate, history: History, trace: Trace) -> None:
    """What is only ever appended is there once for each event or command that it follows from."""
    heard = Counter[tuple[str, str]]()
    seen = set[bytes]()
    for _, _, envelope in history.envelopes:
        if envelope is not None and envelope.inbox_id not in seen and (what := _OUTCOMES.get(envelope.type)):
            seen.add(envelope.inbox_id)
            heard[envelope.event.reminder_id, what] += 1  # type: ignore[attr-defined]
    scheduler = estate.houses["scheduler"].tables.tables
    noted = Counter((owned.row.reminder_id, owned.row.outcome) for owned in scheduler["outcome"].values())
    if noted != heard:
        trace.violated("I3 nothing lost", f"the scheduler noted {noted - heard} too often and {heard - noted} too seldom")
    places = Counter((owned.tenant, owned.account, owned.row.seq) for owned in scheduler["decision"].values())
    if twice := [place for place, count in places.items() if count > 1]:
        trace.violated("I3 nothing lost", f"decisions {twice} were taken twice")


def _every_reminder_ended(estate: Estate, history: History, trace: Trace) -> None:
    house = estate.houses["notifier"]
    rows: dict[str, MessageRow] = {owned.row.reminder_id: owned.row for owned in standing(house)}
    received = {history.claims[one.call.call_id].reminder_id for provider in estate.providers.values() for one in provider.received}
    for reminder_id in history.due:
        status = rows[reminder_id].status if reminder_id in rows else "nowhere"
        if status not in ENDED:
            trace.violated("I10 alive", f"reminder {reminder_id} is {status} at the end")
        elif (status == "sent") != (reminder_id in received) and status != "unknown":
            trace.violated("I2 once", f"reminder {reminder_id} is {status}, and it was {'' if reminder_id in received else 'not '}received")


def _every_step_decided(estate: Estate, book: Book, trace: Trace) -> None:
    decided = defaultdict[tuple[str, str], set[str]](set)
    for owned in estate.houses["scheduler"].tables.tables["decision"].values():
        row: Decided = owned.row
        decided[owned.account, row.invoice_id].add(row.step)
    for bill in book.bills:
        policies = book.policies[bill.debtor.tenant]
        if len(policies) > 1 or (bill.debtor.account, bill.invoice_id) not in _issued(estate):
            continue
        for step in policies[0].steps:
            at = opening(policies[0], bill.debtor.zone, bill.due_on + timedelta(days=step.offset_days))
            if (
                at < book.end - timedelta(days=policies[0].minimum_gap + 3)
                and step.when not in decided[bill.debtor.account, bill.invoice_id]
            ):
                trace.violated("I10 alive", f"step {step.when} of {bill.invoice_id}, due at {at}, was never decided")


def _issued(estate: Estate) -> set[tuple[str, str]]:
    return {(owned.account, owned.row.invoice_id) for owned in estate.houses["payments"].tables.tables["invoice"].values()}


def _documents(house: House) -> dict[tuple[str, str], Any]:
    decode = house.service.store.decode
    return {key: decode(row.doc) for key, row in house.tables.tables["account"].items()}


def _everybody_agrees(estate: Estate, trace: Trace) -> None:
    """Payments' balances, disputes' cases and the scheduler's pauses are what everybody else believes."""
    names = ("payments", "disputes", "scheduler", "notifier")
    payments, disputes, scheduler, notifier = (_documents(estate.houses[name]) for name in names)
    for key, ledger in payments.items():
        for invoice_id, invoice in ledger.invoices.items():
            item = scheduler[key].find(invoice_id) if key in scheduler else None
            if item is None or item.open_minor != invoice.open_minor:
                trace.violated("I4 order", f"{invoice_id}: {invoice.open_minor} are open, the scheduler believes {item}")
            balance = notifier[key].balance(invoice_id) if key in notifier else None
            if balance is not None and balance.open_minor != invoice.open_minor:
                trace.violated("I4 order", f"{invoice_id}: {invoice.open_minor} are open, the notifier believes {balance}")
            if item is not None and item.disputed != _contested(disputes.get(key), invoice_id):
                trace.violated("I4 order", f"{invoice_id}: the scheduler believes disputed={item.disputed}")
    for key, gate in notifier.items():
        _gate_agrees(trace, key, gate, disputes.get(key), scheduler.get(key))


def _the_same_ledger(estate: Estate, history: History, obeyed: list[Asked], trace: Trace) -> None:
    kept = _documents(estate.houses["payments"])
    for key, account in ledgers(history, obeyed, estate.shared.now()).items():
        if balances(kept[key]) != (expected := balances(account)):
            trace.violated("I4 order", f"{key}: the ledger has {balances(kept[key])}, its facts give {expected}")


def _gate_agrees(trace: Trace, key: tuple[str, str], gate: Any, disputes: Any, account: Any) -> None:
    contested = {hold.invoice_id for hold in gate.holds if hold.open}
    if contested != {case.claim.invoice_id for case in (disputes.cases.values() if disputes else ()) if case.status in (OPENED, IN_REVIEW)}:
        trace.violated("I4 order", f"{key}: the notifier believes that {sorted(contested)} are disputed")
    paused = set(account.pauses) if account is not None else set()
    if gate.paused != ("" in paused) or set(gate.paused_invoices) != paused - {""}:
        trace.violated("I4 order", f"{key}: {sorted(paused)} are paused, the notifier believes {gate.paused} {gate.paused_invoices}")
    if gate.messages or gate.closures:
        trace.violated("I10 alive", f"{key}: messages {gate.messages} and closures {gate.closures} never ended")
    if stuck := [stop.cause for stop in gate.stops if not stop.cause.startswith("reserved:")]:
        trace.violated("I1 stop fence", f"{key}: nobody ever resolved {stuck}")


def _contested(account: Any, invoice_id: str) -> bool:
    cases = account.cases.values() if account is not None else ()
    return any(case.claim.invoice_id == invoice_id and case.status in (OPENED, IN_REVIEW) for case in cases)


def _money_adds_up(estate: Estate, trace: Trace) -> None:
    tables = estate.houses["payments"].tables.tables
    books: Counter[tuple[str, str, str]] = Counter()
    for owned in tables["ledger_entry"].values():
        entry: LedgerEntry = owned.row
        books[owned.account, entry.invoice_id, entry.debit] += entry.amount_minor
        books[owned.account, entry.invoice_id, entry.credit] -= entry.amount_minor
    for owned in tables["invoice"].values():
        row: InvoiceRow = owned.row
        if row.open_minor < 0 or books[owned.account, row.invoice_id, "receivable"] != row.open_minor:
            trace.violated("I5 money", f"{row.invoice_id} has {row.open_minor} open, its entries say otherwise")
    for owned in tables["payment"].values():
        paid: PaymentRow = owned.row
        parts = (paid.allocated_minor, paid.reserved_minor, paid.unallocated_minor, paid.returned_minor)
        if min(parts) < 0 or sum(parts) != paid.amount_minor:
            trace.violated("I5 money", f"payment {paid.payment_id} of {paid.amount_minor} is {parts}")
