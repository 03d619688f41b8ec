"""The judgement: what the providers received, against what was intended and what the services recorded as not sent.

Lost: an account that heard nothing, and no service says why. Duplicate: an invoice that two messages name. Late: a message about what was
stopped that arrived after the stop's acknowledgement, and was not named there. Inversion: one that states what was acknowledged to be
gone, among what is still open; or an account's events out of their order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.e2e.chaos.book import Book, Debt, Seen, Stop
from tests.e2e.chaos.listener import Listener

UNDER_WAY = 3.0
"""Seconds from a call's first byte to its message's last, at most: what a request to a provider is given here, and more."""
RESOLUTIONS = ("found accepted", "found not accepted, sent again", "found not accepted, not sent again", "cannot tell")
Reasons = Mapping[tuple[str, str], frozenset[str]]
"""(tenant, account) -> why services say nothing was sent."""


@dataclass
class Row:
    """A line of the table: of one scenario, of one path of stops, or of all."""

    name: str
    debts: int = 0
    sent: int = 0
    refused: int = 0
    """Attempts that a provider turned away."""
    lost: int = 0
    duplicate: int = 0
    late: int = 0
    inversions: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    """How each was resolved."""
    unacknowledged: int = 0
    """Stops without a receipt."""
    withdrawn: int = 0
    """Raced reminders that never left."""
    in_flight: int = 0
    """Messages that arrived after the acknowledgement that names them."""

    @property
    def wrong(self) -> int:
        return self.lost + self.duplicate + self.late + self.inversions + self.unacknowledged

    def add(self, other: "Row") -> None:
        for name in ("debts", "sent", "refused", "lost", "duplicate", "late", "inversions", "unacknowledged", "withdrawn", "in_flight"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unknown.update(other.unknown)


@dataclass
class Judgement:
    """The table's rows, and every finding in words."""

    scenarios: dict[str, Row]
    paths: dict[str, Row]
    total: Row
    findings: list[str]
    suspects: list[Debt]
    """Whom the findings are about."""
    evidence: list[str] = field(default_factory=list)


class Judge:
    """Judges account by account."""

    def __init__(self, book: Book, listener: Listener, reasons: Reasons, refused: Iterable[Seen], letters: str) -> None:
        self._book, self._listener, self._reasons, self._letters = book, listener, reasons, letters
        self._arrived: dict[str, list[Seen]] = defaultdict(list)
        for message in (*book.messages, *refused):
            self._arrived[message.to].append(message)
        self._findings: list[str] = []
        self._suspects: dict[str, Debt] = {}

    def judge(self) -> Judgement:
        scenarios: dict[str, Row] = {}
        paths: dict[str, Row] = {}
        total = Row("total")
        for debt in self._book.debts.values():
            row = self._row(debt)
            groups = [(scenarios, debt.scenario), *([(paths, debt.stop.path)] if debt.stop is not None else [])]
            for rows, name in groups:
                rows.setdefault(name, Row(name)).add(row)
            total.add(row)
        strays = self._arrived.keys() - self._book.debts.keys()
        self._findings += [f"{address} was written to and owes nothing" for address in strays]
        total.duplicate += len(strays)
        total.inversions += len(self._listener.inversions)
        self._findings += self._listener.inversions
        return Judgement(scenarios, paths, total, self._findings, list(self._suspects.values()))

    def _row(self, debt: Debt) -> Row:
        arrived, whose = self._arrived.get(debt.address, []), (debt.tenant, debt.account)
        taken = [message for message in arrived if message.accepted]
        row = Row("", 1, len(taken), len(arrived) - len(taken), unknown=Counter(self._listener.unknown(whose)))
        row.duplicate = self._duplicates(debt, taken)
        row.lost = self._lost(debt, taken)
        if debt.stop is not None:
            self._raced(row, debt, debt.stop, arrived)
            row.withdrawn = int(not taken)
        return row

    def _duplicates(self, debt: Debt, taken: list[Seen]) -> int:
        named = Counter(invoice for message in taken for invoice in message.lines)
        for message in taken:
            if not message.lines:
                named["a message that names no invoice"] += 2
        twice = {invoice: count for invoice, count in named.items() if count > 1}
        self._find(debt, "duplicate", f"{twice}", bool(twice))
        return sum(count - 1 for count in twice.values())

    def _lost(self, debt: Debt, taken: list[Seen]) -> int:
        if debt.poisoned:
            return self._find(debt, "lost", "it is in no dead letter", f"{debt.tenant}:{debt.account} " not in self._letters)
        if taken:
            return 0
        may = debt.stop.reasons if debt.stop is not None else frozenset[str]()
        told = self._reasons.get((debt.tenant, debt.account), frozenset())
        refused = any(reason.startswith(("smtp_554", "smtp_5")) for reason in told)
        return self._find(debt, "lost", f"recorded is {sorted(told)}, expected {sorted(may)}", not (told & may or refused))

    def _raced(self, row: Row, debt: Debt, stop: Stop, arrived: list[Seen]) -> None:
        if stop.acknowledged is None:
            row.unacknowledged = self._find(debt, "unacknowledged", f"{stop.path} {stop.stop_id}", True)
            return
        for message in arrived:
            wrong = _contradicts(stop, message)
            if not wrong or message.arrived_at <= stop.acknowledged:
                continue
            after = f"{message.arrived_at - stop.acknowledged:.3f} s after {stop.path} {stop.stop_id}, call {message.call_id}"
            if message.call_id in stop.in_flight:
                row.in_flight += 1
                begun = message.arrived_at - stop.none_started_after
                row.late += self._find(debt, "late", f"named in flight, but {begun:.3f} s after none started any more", begun > UNDER_WAY)
            elif wrong == "late":
                row.late += self._find(debt, "late", after, True)
            else:
                row.inversions += self._find(debt, "inversion", f"{message.lines} {after}", True)

    def _find(self, debt: Debt, what: str, text: str, is_so: bool) -> int:
        if is_so:
            self._suspects[debt.address] = debt
            self._findings.append(f"{what}: {debt.tenant} {debt.account} ({debt.scenario}): {text}")
        return int(is_so)


def _contradicts(stop: Stop, message: Seen) -> str:
    """What a message would be, had it come after the acknowledgement: `late`, `inversion`, or nothing against it."""
    if not stop.left:
        return "late"
    touched = {invoice: message.lines[invoice] for invoice in stop.left if invoice in message.lines}
    wrong = [invoice for invoice, minor in touched.items() if minor != stop.left[invoice]]
    if not wrong:
        return ""
    gone = all(stop.left.get(invoice) == 0 for invoice in message.lines)
    return "late" if gone else "inversion"
