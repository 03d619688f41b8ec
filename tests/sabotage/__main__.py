"""`python -m tests.sabotage`: break a copy of the tree in every way of the list, and show which test noticed.

Its last line is `24 of 24 caught` (however many there are), and only then it exits with 0.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.sabotage.sabotage import LIST, Sabotage, read_lists
from tests.sabotage.trial import Court, Verdict, copy_tree

ROOT = Path(__file__).resolve().parents[2]
_NO_PROOF = "a test that does not pass on the tree as it is proves nothing: no sabotage was tried"


def say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Try the sabotages asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description=__doc__)
    parser.add_argument("--list", type=Path, action="append", default=[], help="another list to try as well; may be repeated")
    parser.add_argument("--only", default="", help="try those alone whose name holds this text")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at once")
    asked = parser.parse_args(arguments)
    sabotages = [each for each in read_lists([LIST, *asked.list]) if asked.only.lower() in each.name.lower()]
    return prove(ROOT, sabotages, max(1, asked.jobs))


def prove(root: Path, sabotages: Sequence[Sabotage], jobs: int) -> int:
    """Try sabotages on copies of the tree at `root`; the exit status. Nothing at `root` itself is touched."""
    with tempfile.TemporaryDirectory(prefix="paycue-sabotage-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder, "tree")
        copy_tree(root, tree)
        court = Court(tree, Path(folder))
        targets = sorted({target for each in sabotages for target in each.targets(tree)})
        say(f"{len(sabotages)} sabotages; first the {len(targets)} tests that are to notice, on the tree as it is")
        with ThreadPoolExecutor(jobs) as pool:
            shares = [targets[start::jobs] for start in range(jobs) if targets[start::jobs]]
            if faults := [fault for fault in pool.map(court.unbroken, shares, range(jobs)) if fault]:
                say("\n".join([*faults, _NO_PROOF]))
                return 1
            verdicts = list(pool.map(lambda numbered: _tried(court, numbered, len(sabotages)), enumerate(sabotages, 1)))
    return _shown(sabotages, verdicts)


def _tried(court: Court, numbered: tuple[int, Sabotage], count: int) -> Verdict:
    number, sabotage = numbered
    began = time.monotonic()
    verdict = court.tried(sabotage, number)
    say(f"[{number:>{len(str(count))}}/{count}] {verdict.what:<14} {time.monotonic() - began:5.1f} s  {sabotage.name}")
    return verdict


def _shown(sabotages: Sequence[Sabotage], verdicts: Sequence[Verdict]) -> int:
    """The table, and the count as its last line."""
    head = ("sabotage", "what it breaks", "caught by")
    rows = [
        (each.name, each.breaks, verdict.details if verdict.what == "caught" else f"{verdict.what.upper()}: {verdict.details}")
        for each, verdict in zip(sabotages, verdicts, strict=True)
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(2)]
    say()
    for row in (head, ("-" * widths[0], "-" * widths[1], "-" * 9), *rows):
        say(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}")
    caught = sum(verdict.what == "caught" for verdict in verdicts)
    say()
    say(f"{caught} of {len(sabotages)} caught")
    return 0 if caught == len(sabotages) > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
