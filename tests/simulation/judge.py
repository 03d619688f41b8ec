"""The invariants of reliability.md, asked after every burst of what the providers received, and at the end of everything there is.

What a provider received is the truth; our own tables only say what ought to have been received.
"""

from datetime import timedelta

from paycue.bus.topics import topics
from paycue.clock import local_date, zone
from paycue.events.v1 import stop_pb2
from paycue.ids import account_key
from paycue.money import decimal_text
from services.notifier.domain.addresses import suppression_key
from services.notifier.domain.calls import ProviderCall
from services.notifier.domain.commands import OptOut
from services.scheduler.domain.policy import MIDNIGHT, Policy
from tests.simulation import ending
from tests.simulation.actions import Asked, Replied
from tests.simulation.book import Book
from tests.simulation.estate import Estate
from tests.simulation.history import Claim, History, Receipt
from tests.simulation.providers import Received
from tests.simulation.rendered import text_of
from tests.simulation.trace import Trace

_OWN_FEEDS = tuple(name for name, topic in topics().items() if topic.beats)
_MOST_SILENT_SECONDS = 30.0 + 3.0
START_BY = timedelta(seconds=3)
TOLERANCE = timedelta(minutes=11)
"""Two clocks that are five minutes off, a claim that may wait three seconds, a message that is under way for fifty."""


class Judge:
    """Of one simulation."""

    def __init__(self, book: Book, estate: Estate, trace: Trace) -> None:
        self.book, self.estate, self.trace, self.history = book, estate, trace, History(estate)
        self.debtors = {(debtor.tenant, debtor.account): debtor for debtor in book.debtors}
        self.bills = {(bill.debtor.tenant, bill.debtor.account, bill.invoice_id): bill for bill in book.bills}
        self._said_no = {
            action.what.command_id: suppression_key(action.what.command.address)
            for action in book.actions
            if isinstance(action.what, Asked) and isinstance(action.what.command, OptOut)
        } | {action.what.cause: action.what.number for action in book.actions if isinstance(action.what, Replied)}
        self.silenced: dict[str, int] = {}
        """By number: since when nobody may write to it, whoever has it."""
        for provider in estate.providers.values():
            provider.lookers.append(self._heard_of_late)
        self.obeyed: list[Asked] = []
        """Commands that were answered with their effect, in the order of the answers."""
        self._judged = 0
        self._once: dict[tuple[str, str, str], str] = {}

    def after_a_burst(self) -> None:
        """Judge every message that was received since the last time."""
        self.history.read()
        received = sorted((one for provider in self.estate.providers.values() for one in provider.received), key=lambda one: one.place)
        for message in received[self._judged :]:
            self._judge(message)
        self._judged = len(received)
        ending.nobody_waits_too_long(self.estate, self.trace)

    def at_the_end(self) -> None:
        """Judge what is left when nothing is to come any more."""
        ending.judge(self.estate, self.book, self.history, self.obeyed, self.trace)

    def _heard_of_late(self, call: ProviderCall) -> None:
        """No fresh feed, no send: at the claim, three seconds ago at most, every feed of ours was thirty seconds old at most."""
        claim = self.history.claims.get(call.call_id)
        if claim is None:
            return self.trace.violated("I2 once", f"{call.call_id} left before its claim was committed")
        late = self.estate.shared.now() + claim.skew - claim.claimed_at - START_BY
        if late > timedelta():
            self.trace.violated("I1 stop fence", f"{call.call_id} left {late} after its claim was over")
        if self.history.suspended(claim.key[0], claim.place):
            self.trace.violated("I1 stop fence", f"{call.call_id} was claimed although {claim.key[0]} is suspended")
        lane = self.estate.bus.partition("erp.invoices.v1", account_key(*claim.key))
        for topic in _OWN_FEEDS:
            silent = self.estate.loop.time() - self.estate.beaten.get((topic, lane), -1e9)
            if silent > _MOST_SILENT_SECONDS:
                self.trace.violated("I1 stop fence", f"{call.call_id} left although {topic}/{lane} was silent for {silent:.0f} s")

    def _judge(self, message: Received) -> None:
        claim = self.history.claims.get(message.call.call_id)
        if claim is None or claim.place > message.left_at:
            return self.trace.violated("I2 once", f"{message.call.call_id} left before its claim was committed")
        self._received_once(message, claim)
        self._not_silenced(claim)
        self._of_this_debtor(message, claim)
        self._at_a_lawful_hour(message, claim)
        self._content(message, claim)
        for receipt in self.history.receipts.values():
            if receipt.key != claim.key:
                continue
            if message.call.call_id in receipt.in_flight:
                if message.left + claim.skew > receipt.none_after:
                    self.trace.violated(
                        "I1 stop fence", f"{claim.call_id} left after {receipt.none_after}, which {receipt.stop_id} ruled out"
                    )
            elif receipt.place < message.place:
                self._not_stopped(message, claim, receipt)

    def _received_once(self, message: Received, claim: Claim) -> None:
        same = (claim.reminder_id, claim.channel, claim.recipient)
        if (first := self._once.setdefault(same, claim.call_id)) != claim.call_id:
            self.trace.violated("I2 once", f"reminder {same} was received as {first} and as {claim.call_id}")
        if sum(one.call.call_id == claim.call_id for one in self.estate.providers[claim.channel].received) > 1:
            self.trace.violated("I2 once", f"call {claim.call_id} was received twice")

    def _not_silenced(self, claim: Claim) -> None:
        since = self.silenced.get(claim.recipient)
        if since is not None and claim.place > since:
            self.trace.violated("I1 stop fence", f"{claim.call_id} was claimed for {claim.recipient}, which had answered STOP before")

    def _of_this_debtor(self, message: Received, claim: Claim) -> None:
        debtor = self.debtors[claim.key]
        known = debtor.addresses + self.book.reached.get(claim.key, ())
        if message.call.recipient not in known or message.call.recipient != claim.recipient:
            self.trace.violated("I6 tenancy", f"{claim.key} was written to at {message.call.recipient}")
        text = text_of(message.call)
        other = {"acme": "beta", "beta": "acme"}[debtor.tenant]
        if f"House of {debtor.tenant}" not in text or f"House of {other}" in text:
            self.trace.violated("I6 tenancy", f"{claim.call_id} does not come from {debtor.tenant}")

    def _at_a_lawful_hour(self, message: Received, claim: Claim) -> None:
        _, due = self.history.due[claim.reminder_id]
        policy = next(one for one in self.book.policies[claim.key[0]] if one.version == due.policy_version)
        instants = (message.at - TOLERANCE, message.at, message.at + TOLERANCE)
        if not any(_inside(policy, at, self.debtors[claim.key].zone) for at in instants):
            self.trace.violated(
                "I7 lawful", f"{claim.call_id} was received at {message.at} outside {policy.window_from}-{policy.window_to}"
            )

    def _content(self, message: Received, claim: Claim) -> None:
        text = text_of(message.call)
        if any(bad in text for bad in ("None", "{{", "}}", " nan")) or not claim.lines:
            self.trace.violated("I9 content", f"{claim.call_id} says {text[:200]!r}")
        for line in claim.lines:
            told = self.history.balances[claim.key, line.invoice_id].get(line.balance_version)
            bill = self.bills[*claim.key, line.invoice_id]
            owed = told.open_minor if told else bill.amount_minor
            if (line.balance_version > 0 and told is None) or line.open_minor != owed or owed <= 0:
                self.trace.violated("I9 content", f"{claim.call_id}: {line}, {owed} are owed: {told} {bill}")
            if line.invoice_id not in text or decimal_text(owed, line.currency) not in text:
                self.trace.violated("I9 content", f"{claim.call_id} does not say that {owed} {line.currency} of {line.invoice_id} are open")

    def _not_stopped(self, message: Received, claim: Claim, receipt: Receipt) -> None:
        concerned = [line for line in claim.lines if not receipt.invoice_ids or line.invoice_id in receipt.invoice_ids]
        if receipt.kind == stop_pb2.STOP_KIND_OPT_OUT:
            concerned = list(claim.lines) if suppression_key(claim.recipient) == self._said_no[receipt.stop_id] else []
        if not concerned:
            return
        if claim.place < receipt.effective:
            self.trace.violated("I1 stop fence", f"{claim.call_id} was received after stop {receipt.stop_id} was acknowledged")
        elif not self._over(receipt, claim):
            self.trace.violated("I1 stop fence", f"{claim.call_id} was claimed although stop {receipt.stop_id} was acknowledged before")

    def _over(self, receipt: Receipt, claim: Claim) -> bool:
        """Whether what stopped it was dealt with before the claim, and the claim knew how."""
        match receipt.kind:
            case stop_pb2.STOP_KIND_PAYMENT:
                answered = self.history.answers.get(receipt.stop_id)
                return answered is not None and answered < claim.place and self._knew(receipt, claim, answered)
            case stop_pb2.STOP_KIND_CREDIT_NOTE:
                return self._knew(receipt, claim, receipt.place)
            case stop_pb2.STOP_KIND_DISPUTE:
                answered = self.history.answers.get(receipt.stop_id)
                ends = [place for one in self.history.registered[receipt.stop_id] for place in self.history.resolved[receipt.key, one]]
                return any(place < claim.place for place in [*ends, *([answered] if answered is not None else [])])
            case stop_pb2.STOP_KIND_PAUSE:
                return self._resumed(receipt, claim)
            case stop_pb2.STOP_KIND_SUSPENSION:
                return not self.history.suspended(claim.key[0], claim.place)
        return False

    def _knew(self, receipt: Receipt, claim: Claim, answered: int) -> bool:
        """Whether the claim's amounts are not older than the answer to the payment."""
        for line in claim.lines:
            if not receipt.invoice_ids or line.invoice_id in receipt.invoice_ids:
                told = self.history.balances[claim.key, line.invoice_id].values()
                if max((one.version for one in told if one.place < answered), default=0) > line.balance_version:
                    return False
        return True

    def _resumed(self, receipt: Receipt, claim: Claim) -> bool:
        covered = {line.invoice_id for line in claim.lines}
        for place, state in self.history.states[claim.key].values():
            if (
                place < claim.place
                and not state.paused
                and not covered & set(state.paused_invoice_ids)
                and state.stop_id != receipt.stop_id
            ):
                return True
        return False


def _inside(policy: Policy, at: object, zone_name: str) -> bool:
    local = at.astimezone(zone(zone_name))  # type: ignore[attr-defined]
    if policy.days == "working" and local_date(at, zone_name).weekday() > 4:
        return False
    return policy.window_from <= local.time() and (policy.window_to == MIDNIGHT or local.time() <= policy.window_to)
