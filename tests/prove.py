"""`make prove`: the two promises, tried as long as one likes - the whole house in virtual time, then real processes under faults.

`SEEDS` and `DAYS` are the simulation's, `KILLS` and `RACES` the real processes', `SEED` is the first seed of both. Progress is shown as it
comes, the table last; the exit status is 0 only if nothing was lost, sent twice, sent late or out of order.
"""

import re
import sys

from tests.e2e.chaos.__main__ import prove as torment
from tests.simulation.prove import prove as simulate

DEFAULTS = {"SEEDS": 200, "DAYS": 30, "KILLS": 20, "RACES": 2000, "SEED": 1}


def main(arguments: list[str]) -> int:
    """The exit status. A number that is given as 0 leaves its part out."""
    pairs = [argument.partition("=")[::2] for argument in arguments]
    if wrong := [f"{name}={value}" for name, value in pairs if not _possible(name, value)]:
        sys.stderr.write(f"prove takes {', '.join(DEFAULTS)}, each a whole number, SEED a negative one too; not {', '.join(wrong)}\n")
        return 2
    asked = DEFAULTS | {name: int(value) for name, value in pairs}
    simulated = simulate(asked["SEEDS"], asked["DAYS"], asked["SEED"], _say) if asked["SEEDS"] else None
    outcome = torment(asked["SEED"], asked["KILLS"], asked["RACES"]) if asked["KILLS"] or asked["RACES"] else None
    for part in (simulated, outcome):
        if part is not None:
            _say(f"\n{part.text()}")
    return 0 if all(part is None or part.good for part in (simulated, outcome)) else 1


def _possible(name: str, value: str) -> bool:
    return name in DEFAULTS and re.fullmatch(r"-?\d{1,18}" if name == "SEED" else r"\d{1,9}", value) is not None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
