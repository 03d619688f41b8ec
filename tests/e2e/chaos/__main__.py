"""`python -m tests.e2e.chaos [KILLS=n] [RACES=n] [FAULTS=n] [SEED=n]`: as many kills and races as one likes, progress on screen, the
table last; the exit status is 0 only if nothing was lost, sent twice, sent too late or out of order.
"""

import asyncio
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.chaos.campaign import Outcome, plan, run

_USAGE = "expected KILLS=, RACES=, FAULTS= and SEED=, each a whole number"


def prove(seed: int, kills: int, races: int, faults: int | None = None) -> Outcome:
    """A run in a folder of its own, told on screen."""
    # That a broker which was killed does not answer is no news, and our own listener would say so thousands of times.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    started = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - started:6.0f} s] {text}\n")
        sys.stdout.flush()

    folder = Path(tempfile.mkdtemp(prefix="paycue-chaos-"))
    with asyncio.Runner() as runner:
        outcome = runner.run(run(folder, seed, plan(seed, kills, kills // 3 if faults is None else faults), races, say))
    if outcome.good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        say(f"the logs are kept in {folder}")
    return outcome


def main(arguments: list[str]) -> int:
    """The exit status."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if (
        len(given) != len(arguments)
        or given.keys() - {"KILLS", "RACES", "FAULTS", "SEED"}
        or not all(value.lstrip("-").isdecimal() for value in given.values())
    ):
        sys.stderr.write(f"{_USAGE}, not {' '.join(arguments)}\n")
        return 2
    faults = int(given["FAULTS"]) if "FAULTS" in given else None
    outcome = prove(int(given.get("SEED", 1)), int(given.get("KILLS", 20)), int(given.get("RACES", 2000)), faults)
    sys.stdout.write(outcome.text() + "\n")
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
