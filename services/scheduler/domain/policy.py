"""A dunning policy: named, versioned data that says on which days around the due date what is sent.

It is frozen; what follows from it alone (its steps by date, their ranks) is worked out once per policy. It must never know an account.
"""

from datetime import time
from functools import cached_property

import msgspec

STAGES = ("friendly", "firm", "final_demand", "agency", "legal")
"""Bands of steps, mildest first."""
CHANNELS = ("email", "sms")
CONSOLIDATIONS = ("invoice", "account")
DAYS = ("all", "working")
MIDNIGHT = time()


class Step(msgspec.Struct, frozen=True):
    """One action of a policy. Its name is its `when` without spaces, such as `due-7d`."""

    when: str
    offset_days: int
    stage: str
    channels: tuple[str, ...]
    """In order of preference: the first that reaches the debtor carries."""


class Policy(msgspec.Struct, frozen=True, dict=True):
    """`steps` stand in policy order, as written. The window is local to the debtor; a `window_to` of 00:00 is the end of the day."""

    name: str
    version: int
    steps: tuple[Step, ...]
    consolidate: str = "invoice"
    window_from: time = MIDNIGHT
    window_to: time = MIDNIGHT
    days: str = "all"
    minimum_gap: int = 0
    """Local calendar days between two contacts of one account."""

    @cached_property
    def ladder(self) -> tuple[Step, ...]:
        """The steps by date."""
        return tuple(sorted(self.steps, key=lambda step: step.offset_days))

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Days from the due date of each step of the ladder, ascending."""
        return tuple(step.offset_days for step in self.ladder)

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """Steps by their names."""
        return {step.when: step for step in self.steps}

    @cached_property
    def rank(self) -> dict[str, tuple[int, int]]:
        """What carries: the higher stage, then what stands later in the policy."""
        return {step.when: (STAGES.index(step.stage), place) for place, step in enumerate(self.steps)}

    @cached_property
    def hours(self) -> tuple[str, str]:
        """The window as events tell it, such as 08:00 and 18:00."""
        return f"{self.window_from:%H:%M}", f"{self.window_to:%H:%M}"

    def highest(self, names: set[str]) -> Step | None:
        """The step of highest rank among `names`; names of another version's steps count nothing."""
        known = names & self.by_name.keys()
        return self.by_name[max(known, key=self.rank.__getitem__)] if known else None
