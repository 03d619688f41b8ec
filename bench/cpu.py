"""CPU time by who used it: our Python processes, PostgreSQL, the broker - and everybody else, whose use spoils a measurement.

All figures are seconds of user and system time. Only the servers that this process started are counted as servers.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

NOISE = 0.10
"""The share of one core that any other process may use while something is measured."""


@dataclass(frozen=True)
class Used:
    """CPU seconds by kind."""

    python: float
    postgres: float
    broker: float

    def __sub__(self, other: "Used") -> "Used":
        return Used(self.python - other.python, self.postgres - other.postgres, self.broker - other.broker)

    @property
    def total(self) -> float:
        return self.python + self.postgres + self.broker

    def each(self, count: int) -> "Used":
        """Microseconds for each of `count`."""
        return Used(*(seconds / count * 1e6 for seconds in (self.python, self.postgres, self.broker)))


def used(pids: Iterable[int] = ()) -> Used:
    """What the processes `pids` and the servers have used so far; ended backends count through the postmaster that reaped them."""
    python = sum(_own(psutil.Process(pid)) for pid in pids)
    postgres = broker = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            name = child.name()
            if name == "postgres":
                times = child.cpu_times()
                postgres += times.user + times.system + times.children_user + times.children_system
            elif name == "java":
                broker += _own(child)
        except psutil.NoSuchProcess:  # a backend that ended between the list and the question: its parent has its time
            continue
    return Used(python, postgres, broker)


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Noisy(Exception):
    """Another process used too much CPU while something was measured; the text says which."""


@contextmanager
def alone() -> Iterator[None]:
    """Raises Noisy when any process that is not ours used more than NOISE of a core inside. BENCH_ANYWAY=1 prints a warning instead."""
    before, began = _others(), time.perf_counter()
    yield
    took = time.perf_counter() - began
    shares = {key: (seconds - before.get(key, 0.0)) / max(took, 0.001) for key, seconds in _others().items()}
    loud = [f"{name} (process {pid}) used {share:.0%} of a core" for (pid, name), share in shares.items() if share > NOISE]
    if not loud:
        return
    if os.environ.get("BENCH_ANYWAY") != "1":
        raise Noisy("; ".join(loud) + ". Measure when the machine is quiet, or set BENCH_ANYWAY=1")
    WARNINGS.append("; ".join(loud))


WARNINGS: list[str] = []
"""What was heard of others in spite of which figures were taken."""


def _others() -> dict[tuple[int, str], float]:
    """The CPU seconds of every process that is neither ours nor a descendant of ours."""
    ours = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    found = {}
    for process in psutil.process_iter(["pid", "name", "cpu_times"]):
        times = process.info["cpu_times"]
        if process.pid not in ours and times is not None:
            found[process.pid, process.info["name"]] = times.user + times.system
    return found
