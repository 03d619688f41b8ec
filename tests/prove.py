"""`make prove`: the two promises, tried as long as one likes - the whole house in virtual time, then real processes under faults.

`SEEDS` and `DAYS` are the simulation's, `KILLS` and `RACES` the real processes', `SEED` is the first seed of both. Progress is shown as it
comes, the table last; the exit status is 0 only if nothing was lost, sent twice, sent late or out of order.
"""

import importlib.util
import sys
from typing import Any

from tests.e2e.chaos.__main__ import prove as torment

DEFAULTS = {"SEEDS": 200, "DAYS": 30, "KILLS": 20, "RACES": 2000, "SEED": 1}
_SIMULATION = "tests.simulation.prove"


def main(arguments: list[str]) -> int:
    """The exit status. A number that is given as 0 leaves its part out."""
    pairs = [argument.partition("=")[::2] for argument in arguments]
    if wrong := [f"{name}={value}" for name, value in pairs if name not in DEFAULTS or not value.isdecimal()]:
        sys.stderr.write(f"prove takes whole numbers as {', '.join(DEFAULTS)}; not {', '.join(wrong)}\n")
        return 2
    asked = DEFAULTS | {name: int(value) for name, value in pairs}
    simulated = _simulate(asked) if asked["SEEDS"] else None
    outcome = torment(asked["SEED"], asked["KILLS"], asked["RACES"]) if asked["KILLS"] or asked["RACES"] else None
    for part in (simulated, outcome):
        if part is not None:
            sys.stdout.write(f"\n{part.text()}\n")
    return 0 if all(part is None or part.good for part in (simulated, outcome)) else 1


def _simulate(asked: dict[str, int]) -> Any:
    """What the simulation came to; None where it is not installed."""
    if importlib.util.find_spec("tests.simulation") is None or importlib.util.find_spec(_SIMULATION) is None:
        sys.stdout.write("the simulation is not here; only the real processes are tried\n")
        return None
    return importlib.import_module(_SIMULATION).prove(seeds=asked["SEEDS"], days=asked["DAYS"], first=asked["SEED"], progress=_say)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
