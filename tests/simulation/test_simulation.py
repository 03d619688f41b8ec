"""Two hundred months of the whole system in virtual time, and that a seed is always the same month."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.crash_points import broken, told
from tests.simulation.prove import again, regressions, remember
from tests.simulation.simulation import run

ROOT = Path(__file__).parents[2]
SEEDS, DAYS, AT_ONCE = 200, 30, 10


def judged(todo: list[tuple[int, int]]) -> None:
    failed = [outcome for outcome in (run(seed, days) for seed, days in todo) if outcome.violations]
    remember(failed)
    told = [f"SEED={outcome.seed} {outcome.violations[0]}\n    {again(outcome.seed, outcome.days)}" for outcome in failed]
    assert not failed, "\n".join(told)


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_every_invariant_holds_whatever_a_seed_does_to_the_services(first: int) -> None:
    judged([(seed, DAYS) for seed in range(first, first + AT_ONCE)])


def test_every_invariant_holds_for_seeds_that_once_failed() -> None:
    judged(regressions())


def digest(seed: int, hash_seed: str) -> str:
    code = f"from tests.simulation.simulation import run; print(run({seed}, 30).digest)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("seed", [1, 5, 8, 68])
def test_a_seed_is_the_same_in_every_process(seed: int) -> None:
    assert digest(seed, "1") == digest(seed, "2") == run(seed, DAYS).digest


def test_two_seeds_are_two_months() -> None:
    assert run(1, 3).digest != run(2, 3).digest


def test_in_the_short_story_a_call_is_under_way_when_its_stop_comes() -> None:
    story = told("payment", "notifier", 0)
    (receipt,) = story.judge.history.receipts.values()
    (call,) = story.judge.history.claims.values()
    assert call.place < receipt.effective
    assert story.trace.counts["RECEIVED"] == 1


@pytest.mark.parametrize(
    ("stop", "service"),
    [("payment", "notifier"), ("opt_out", "notifier"), ("reply", "notifier"), ("request", "payments"), ("pause", "scheduler")],
)
def test_every_invariant_holds_wherever_a_service_is_killed(stop: str, service: str) -> None:
    points, failed = broken(stop, service)
    assert points > 40
    assert not failed, "\n".join(failed)
