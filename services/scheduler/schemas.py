"""What the scheduler's API takes and gives: amounts as decimal text beside their currency, dates as YYYY-MM-DD, ids as the ERP writes them.

Minor units and the document's own shape stay inside. What is absent is null, never an empty text.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BaseModel, Field, StringConstraints

from paycue.http.fields import Day, Identity, Printable, RequestBody, Text, Worded
from paycue.money import decimal_text
from paycue.stops import Stopping
from services.scheduler.domain.account import Account, Item
from services.scheduler.domain.policy import Policy
from services.scheduler.domain.policy_form import policy_form
from services.scheduler.domain.why import Explanation
from services.scheduler.store import AccountRow, PolicyRow

_LAST_DAY = date(2999, 12, 31)

Until = Annotated[Day, Field(le=_LAST_DAY)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200), Printable, Worded]
"""Why a person does something; it is recorded."""


class PauseIn(RequestBody):
    """A hold that a person places."""

    reason: Reason = Field(description="Recorded, and shown to whoever asks why.", examples=["asked to wait for a new invoice"])
    until: Until | None = Field(default=None, description="It ends when this day begins where the debtor lives; absent: a person ends it.")


class ReminderIn(RequestBody):
    """A reminder that a person asks for."""

    invoice_ids: list[Identity] = Field(default=[], max_length=1000, description="None: everything that is open.")
    any_hour: bool = Field(default=False, strict=True, description="Although the policy's window is closed: a person answers for it.")


class PausesOut(BaseModel):
    """What people hold on an account now."""

    paused: bool = Field(description="The whole account.")
    paused_invoice_ids: list[str] = Field(description="Invoices held one by one.")
    next_action_at: datetime | None


class Paused(PausesOut, Stopping):
    """The answer to whoever pauses."""


class LeftOutOut(BaseModel):
    """An invoice that a manual reminder does not cover, and why."""

    invoice_id: str
    reason: str


class RemindedOut(BaseModel):
    """A reminder as it was decided. Whether it leaves is the notifier's to say."""

    reminder_id: str
    planned_on: date
    valid_until: datetime
    stage: str
    channels: list[str]
    invoice_ids: list[str]
    left_out: list[LeftOutOut]


class WindowForm(BaseModel):
    """When a step may go, in the debtor's zone."""

    from_: str = Field(default="00:00", alias="from", examples=["09:00"])
    to: str = Field(default="24:00", examples=["18:00"])
    days: Literal["all", "working"] = "all"


class StepForm(BaseModel):
    """One step of a policy."""

    when: str = Field(description="Days from the due date.", examples=["due - 7d", "due", "due + 15d"])
    stage: Literal["friendly", "firm", "final_demand", "agency", "legal"]
    channels: list[Literal["email", "sms"]] = Field(description="In order of preference: the first that reaches the debtor carries.")


class PolicyForm(BaseModel):
    """A policy as people write it. A key that is absent is off."""

    policy: str = Field(description="Its name.", examples=["standard"])
    version: int = Field(ge=1, le=2**31 - 1, description="Its content never changes.")
    consolidate: Literal["invoice", "account"] = "invoice"
    window: WindowForm = WindowForm()
    minimum_gap: str = Field(default="0d", description="Local calendar days between two contacts of one account.", examples=["3d"])
    caps: Literal["none"] = "none"
    spread: Literal["none"] = "none"
    steps: list[StepForm] = Field(min_length=1, max_length=100)

    @classmethod
    def of(cls, policy: Policy) -> Self:
        return cls.model_validate(policy_form(policy))


class PolicyOut(BaseModel):
    """A published version of a policy."""

    policy: str
    version: int
    in_force: bool = Field(description="The one published last counts for every account of the creditor.")
    published_at: datetime
    steps: list[str]

    @classmethod
    def of(cls, row: PolicyRow) -> Self:
        policy = row.policy
        names = [step.when for step in policy.steps]
        return cls(policy=policy.name, version=policy.version, in_force=row.in_force, published_at=row.published_at, steps=names)


class OpenOut(BaseModel):
    """What is open in one currency. Currencies are never added up."""

    currency: str
    open: str
    open_invoices: int


class AccountSummary(BaseModel):
    """An account in a list."""

    account_id: str
    next_action_at: datetime | None = Field(description="When it is decided on next; null: nothing is ahead.")
    parked_since: datetime | None = Field(description="Set while a record that cannot be folded holds everything of the account back.")
    paused: bool
    open: list[OpenOut]


def summary(row: AccountRow) -> dict[str, Any]:
    """An AccountSummary's fields as plain values."""
    told = {"account_id": row.account_id, "next_action_at": row.next_action_at, "parked_since": row.parked_at}
    return {**told, "paused": "" in row.state.pauses, "open": _open(row.state)}


def _open(account: Account) -> list[dict[str, Any]]:
    sums: dict[str, list[int]] = {}
    for item in account.items.values():
        if item.known:
            sums.setdefault(item.currency, []).append(item.open_minor)
    return [{"currency": code, "open": decimal_text(sum(each), code), "open_invoices": len(each)} for code, each in sorted(sums.items())]


class NextStepOut(BaseModel):
    """The step an invoice is at next."""

    invoice_id: str
    step: str
    stage: str
    on: date = Field(description="The step's own date.")
    opens_at: datetime = Field(description="When it is decided.")
    held_by: Text = Field(description="Why it would not be sent as things stand.")


class ItemOut(BaseModel):
    """An open invoice."""

    invoice_id: str
    currency: str
    open: str
    issued_on: date
    due_on: date
    level: Text = Field(description="The step of highest rank that went out.")
    reopening: int = Field(description="How often a returned payment opened it again.")
    holds: list[str]
    next_step: NextStepOut | None


class AccountOut(AccountSummary):
    """An account with its open invoices, the one due longest first."""

    zone: str = Field(description="Where its hours are told.")
    locale: Text
    last_contact_on: date | None
    settled: int = Field(description="Invoices that are settled.")
    waiting: list[str] = Field(description="Invoices of which a balance or a dispute came, and the invoice itself did not yet.")
    items: list[ItemOut]

    @classmethod
    def explained(cls, row: AccountRow, why: Explanation) -> Self:
        state, holds = row.state, {hold.invoice_id: hold.reasons for hold in why.holds}
        steps = {step.invoice_id: NextStepOut.model_validate(step, from_attributes=True) for step in why.next_steps}
        known = sorted((item for item in state.items.values() if item.known), key=lambda item: (item.due_on, item.invoice_id))
        return cls(
            **summary(row),
            zone=why.zone,
            locale=state.locale,
            last_contact_on=why.last_contact_on,
            settled=len(state.settled),
            waiting=sorted(item.invoice_id for item in state.items.values() if not item.known),
            items=[_item(item, holds.get(item.invoice_id, ()), steps.get(item.invoice_id)) for item in known],
        )


def _item(item: Item, holds: tuple[str, ...], next_step: NextStepOut | None) -> ItemOut:
    told = {**msgspec.structs.asdict(item), "open": decimal_text(item.open_minor, item.currency)}
    return ItemOut.model_validate({**told, "holds": holds, "next_step": next_step})


class _Row(BaseModel):
    """A row of the store, by its columns."""

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls.model_validate(dict(row.items()))


class DecisionOut(_Row):
    """One recorded decision on one step of one invoice. A later one of the same step takes the place of an earlier one."""

    kind: Literal["decision"] = "decision"
    account_id: str
    seq: int = Field(description="Counts the account's decisions.")
    at: datetime
    invoice_id: str
    step: Text = Field(description="Null: covered by a contact of that day without a step of its own.")
    on: date = Field(description="The step's own date, or the contact's.")
    outcome: Literal["due", "not_sent", "deferred"]
    reason: Text
    reminder_id: Text
    planned_on: date | None = Field(description="The debtor's local date of the contact.")
    policy: str
    policy_version: int
    details: Text


class OutcomeOut(_Row):
    """What became of a reminder other than being sent."""

    kind: Literal["outcome"] = "outcome"
    at: datetime
    reminder_id: str
    outcome: Literal["failed", "skipped", "expired", "unknown"]
    reason: Text


class PauseOut(_Row):
    """A person placed or lifted a hold, or one ended."""

    kind: Literal["pause"] = "pause"
    at: datetime
    invoice_id: Text = Field(description="Null: the whole account.")
    action: Literal["paused", "resumed", "ended"]
    reason: Text
    until: date | None


TimelineEntry = Annotated[DecisionOut | OutcomeOut | PauseOut, Field(discriminator="kind")]


def timeline_entry(row: Any) -> DecisionOut | OutcomeOut | PauseOut:
    """The entry of a row of the store's timeline."""
    shapes: tuple[type[PauseOut], type[DecisionOut], type[OutcomeOut]] = (PauseOut, DecisionOut, OutcomeOut)
    return shapes[row["place"]].of(row)


class StandingDecision(DecisionOut):
    """A decision that stands, and what became of its reminder."""

    became: OutcomeOut | None = Field(description="Null: sent, or nothing heard yet.")

    @classmethod
    def standing(cls, row: Any, heard: Mapping[str, Any]) -> Self:
        outcome = heard.get(row["reminder_id"])
        return cls.model_validate({**dict(row.items()), "became": outcome and OutcomeOut.of(outcome)})


class WhyOut(BaseModel):
    """Why reminders went or did not go, as recorded, and what comes next, were nothing to change."""

    account_id: str
    next_action_at: datetime | None
    parked_since: datetime | None
    zone: str
    policy: Text
    policy_version: int
    last_contact_on: date | None
    free_from: date | None = Field(description="The first local date on which the policy may contact the account again.")
    silent_because: Text = Field(description="Why nothing comes, if nothing does: no_policy, nothing_open or ladder_done.")
    next_steps: list[NextStepOut]
    holds: dict[str, list[str]] = Field(description="By invoice: everything that holds it now.")
    decided: list[StandingDecision] = Field(description="The decision that stands for each step, the latest first.")
    more_decided: bool = Field(description="There are more than are shown: name an invoice, or read the timeline.")

    @classmethod
    def of(cls, row: AccountRow, why: Explanation, decided: list[StandingDecision], *, more: bool) -> Self:
        told: dict[str, Any] = msgspec.to_builtins(why, builtin_types=(date, datetime))
        told["holds"] = {hold.invoice_id: list(hold.reasons) for hold in why.holds}
        return cls(**told, account_id=row.account_id, parked_since=row.parked_at, decided=decided, more_decided=more)
