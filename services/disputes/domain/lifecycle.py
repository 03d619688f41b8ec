"""How a dispute lives: opened, in review, resolved, reopened once, or refused. Each step is a function of the case alone.

A step that tells anybody something raises the version by one. What an ERP tells too late or badly becomes a note, never an error;
a case must never change because something was told twice.
"""

from datetime import datetime
from typing import Literal, get_args

from msgspec.structs import replace

from paycue.money import Money
from services.disputes.domain.account import IN_REVIEW, OPENED, REFUSED, RESOLVED, Case, Claim, Told

Reason = Literal[
    "wrong_amount",
    "already_paid",
    "goods_not_received",
    "invoice_not_received",
    "quality",
    "duplicate",
    "not_mine",
    "fraud",
    "short_payment",
    "other",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
VALID, PARTLY_VALID, INVALID, WITHDRAWN = OUTCOMES = ("valid", "partly_valid", "invalid", "withdrawn")


def register(case: Case, cause: str) -> Case:
    """The case on file for the first time, under the event that raised it."""
    version = case.version + 1
    return replace(case, status=OPENED, version=version, registered_version=version, causes=(cause,))


def raised_again(case: Case, cause: str) -> Case:
    """The same claim under another event: nothing changes but who raised it."""
    return case if cause in case.causes else replace(case, causes=_with(case.causes, cause))


def closed_for_good(case: Case) -> bool:
    """Whether it was reopened and resolved again."""
    return case.reopened and case.status == RESOLVED


def review(case: Case) -> Case:
    """Somebody looks at it. Only an opened case changes."""
    return replace(case, status=IN_REVIEW, version=case.version + 1) if case.status == OPENED else case


def resolve(case: Case, outcome: str, credit_minor: int, now: datetime) -> Case:
    """The open case with its outcome. Raises ValueError on an outcome or a credit that cannot be."""
    minor, whole = credit_for(case.claim, outcome, credit_minor)
    return replace(case, status=RESOLVED, version=case.version + 1, outcome=outcome, credit_minor=minor, credit_whole=whole, decided_at=now)


def reopen(case: Case, cause: str) -> Case:
    """The resolved case open again. What its outcome credited stays credited until it is resolved again."""
    version = case.version + 1
    cleared = replace(case, outcome="", credit_minor=0, credit_whole=False, decided_at=None)
    return replace(cleared, status=OPENED, version=version, registered_version=version, reopened=True, causes=_with(case.causes, cause))


def refuse(case: Case, why: str) -> Case:
    """The case contradicts its invoice: it holds and credits nothing, whatever was decided."""
    version = case.version + 1 if case.version else 0
    return replace(case, status=REFUSED, version=version, outcome="", credit_minor=0, credit_whole=False, decided_at=None, refusal=why)


def hear(case: Case, told: Told, now: datetime) -> tuple[Case, str]:
    """What an ERP's review or decision does to the case, and what to note of it (empty: nothing)."""
    if told.cause in case.heard:
        return case, ""
    case = replace(case, heard=_with(case.heard, told.cause))
    if not told.outcome:
        return review(case), told.text
    if case.status in (RESOLVED, REFUSED):
        return case, _too_late(case, told)
    try:
        return resolve(case, told.outcome, told.credit_minor, now), told.text
    except ValueError as error:
        return case, f"decision {told.outcome} not counted, the dispute stays open: {error}"


def _too_late(case: Case, told: Told) -> str:
    if case.status == REFUSED:
        return f"decision {told.outcome} not counted, the dispute is refused: {case.refusal}"
    if case.outcome == told.outcome and told.credit_minor in (0, case.credit_minor):
        return ""
    return f"decision {told.outcome} not counted, the dispute is resolved as {case.outcome} already; reopen it to decide anew"


def credit_for(claim: Claim, outcome: str, credit_minor: int) -> tuple[int, bool]:
    """Minor units to credit, and whether whatever is open is credited. Raises ValueError on what cannot be."""
    if outcome not in OUTCOMES:
        raise ValueError(f"the outcome is {outcome!r}, expected {', '.join(OUTCOMES)}")
    if outcome in (INVALID, WITHDRAWN):
        return 0, False
    if credit_minor < 0 or (outcome == PARTLY_VALID and not credit_minor):
        raise ValueError(f"the credit is {amount(credit_minor, claim.currency)}, expected more than zero")
    if claim.disputed_minor and credit_minor > claim.disputed_minor:
        credit, disputed = (amount(minor, claim.currency) for minor in (credit_minor, claim.disputed_minor))
        raise ValueError(f"the credit is {credit}, expected at most what is disputed, {disputed}")
    if outcome == VALID and not credit_minor:
        return claim.disputed_minor, not claim.disputed_minor
    return credit_minor, False


def amount(minor: int, currency: str) -> str:
    """An amount in words, also while its currency is not known."""
    return str(Money(currency, minor)) if currency else f"{minor} minor units"


def _with(ids: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(sorted({*ids, one}))
