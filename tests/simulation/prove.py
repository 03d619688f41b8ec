"""Many seeds, one after another: progress as it goes, a table last, and how to run a failing seed again.

Seeds are independent, so they are spread over the machine's cores.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from tests.simulation.crash_points import SERVICES, STOPS, broken
from tests.simulation.crash_points import told as crashed
from tests.simulation.simulation import Outcome, run

REGRESSIONS = Path(__file__).with_name("regressions.txt")
_AT_ONCE = 20


class Proof(msgspec.Struct, frozen=True):
    """What became of many seeds."""

    seeds: int
    days: int
    failed: tuple[Outcome, ...]
    counts: dict[str, int]
    seconds: float
    points: int
    """Steps of a service that it was killed at in turn, in a story of its own each."""
    struck: tuple[str, ...]
    """What did not hold after some of them."""

    @property
    def good(self) -> bool:
        """Whether every invariant held in every seed and after every crash."""
        return not self.failed and not self.struck

    def text(self) -> str:
        """The table that a proof ends with."""
        return "\n".join(f"{what:<28} {how_many:>20}" for what, how_many in self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        broken = Counter(violation.invariant for outcome in self.failed for violation in outcome.violations)
        rows = [("simulated seeds", f"{self.seeds:,} of {self.days} days"), ("failed seeds", f"{len(self.failed):,}")]
        rows += [(f"  {invariant}", f"{count:,}") for invariant, count in sorted(broken.items())]
        names = {"RECEIVED": "messages received", "record": "records", "commit": "commits", "kill": "kills", "freeze": "freezes"}
        rows += [("crash points", f"{self.points:,}"), ("failed crash points", f"{len(self.struck):,}")]
        return rows + [(told, f"{self.counts.get(name, 0):,}") for name, told in names.items()]


def regressions() -> list[tuple[int, int]]:
    """Seeds that once failed and in how many days: one a line, with what they showed."""
    lines = [line.partition("#")[0].split() for line in REGRESSIONS.read_text().splitlines()]
    return [(int(line[0]), int(line[1])) for line in lines if line]


def again(seed: int, days: int) -> str:
    """The command that runs one seed with a trace that can be read."""
    return f"python -m tests.simulation SEED={seed} SEEDS=1 DAYS={days} TRACE=1"


def remember(outcomes: Iterable[Outcome]) -> None:
    """Add seeds that failed to those that every run includes."""
    known = set(regressions())
    with REGRESSIONS.open("a") as file:
        for outcome in outcomes:
            if (outcome.seed, outcome.days) not in known:
                file.write(f"{outcome.seed} {outcome.days}  # {outcome.violations[0]}\n")


def prove(seeds: int, days: int, first: int, progress: Callable[[str], None]) -> Proof:
    """Run `seeds` seeds from `first` on, after those that once failed. `progress` hears a line now and then."""
    todo = list(dict.fromkeys([*regressions(), *((seed, days) for seed in range(first, first + seeds))]))
    began, failed, counts, done = time.monotonic(), list[Outcome](), Counter[str](), 0
    for outcomes in _spread(todo):
        for outcome in outcomes:
            done += 1
            counts.update(outcome.counts)
            if outcome.violations:
                failed.append(outcome)
                progress(f"SEED={outcome.seed} {outcome.violations[0]}\n  {again(outcome.seed, outcome.days)}")
        left = (time.monotonic() - began) / done * (len(todo) - done)
        progress(f"{done:,} of {len(todo):,} seeds, {len(failed)} failed, about {left / 60:.0f} minutes left")
    remember(failed)
    points, struck = _strike(progress)
    return Proof(len(todo), days, tuple(failed), dict(counts), time.monotonic() - began, points, struck)


def _strike(progress: Callable[[str], None]) -> tuple[int, tuple[str, ...]]:
    """Kill each service at each of its steps in each of the short stories."""
    pairs = [(stop, service) for stop in STOPS for service in SERVICES]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(pool.map(broken, *zip(*pairs, strict=True)))
    points, struck = sum(steps for steps, _ in found), tuple(line for _, lines in found for line in lines)
    progress("\n".join((*struck, f"{points:,} crash points, {len(struck)} failed")))
    return points, struck


def _spread(todo: Sequence[tuple[int, int]]) -> Iterator[list[Outcome]]:
    chunks = [todo[at : at + _AT_ONCE] for at in range(0, len(todo), _AT_ONCE)]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(_chunk, chunks)


def _chunk(todo: Sequence[tuple[int, int]]) -> list[Outcome]:
    return [run(seed, days) for seed, days in todo]


def main(arguments: Sequence[str]) -> int:
    """`SEEDS=200 DAYS=30 SEED=0 TRACE=1`, each optional, or `CRASH=payment:notifier:57` alone. Returns the exit status."""
    told = {"SEEDS": "200", "DAYS": "30", "SEED": "0", "TRACE": "", "CRASH": ""} | dict(one.split("=", 1) for one in arguments)
    if unknown := told.keys() - {"SEEDS", "DAYS", "SEED", "TRACE", "CRASH"}:
        _say(f"{min(unknown)} is unknown; expected SEEDS, DAYS, SEED, TRACE or CRASH")
        return 2
    if told["CRASH"]:
        stop, service, at = told["CRASH"].split(":")
        return 1 if crashed(stop, service, int(at), _say).trace.violations else 0
    days, first = int(told["DAYS"]), int(told["SEED"])
    if told["TRACE"]:
        outcome = run(first, days, _say)
        _say(f"SEED={first} {outcome.digest} {'; '.join(map(str, outcome.violations)) or 'everything holds'}")
        return 1 if outcome.violations else 0
    proof = prove(int(told["SEEDS"]), days, first, _say)
    _say(proof.text())
    return 0 if proof.good else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
