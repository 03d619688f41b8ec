"""A sabotage: a few lines of one file changed so that something that matters breaks, and the tests that must notice.

A list of them is YAML, so that whoever adds one writes nothing else. A text that does not occur exactly once is an error, for a
sabotage that changes nothing would prove nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml

LIST = Path(__file__).with_name("list.yaml")
DEFAULT_TESTS = ("tests/unit", "tests/integration", "tests/simulation")
"""What is run where nobody said which test should notice."""


class DoesNotApply(Exception):
    """The tree is not the one that the sabotage was written for; the text says why."""


class Sabotage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`before` stands exactly once in `file` and becomes `after`; one of the pytest node ids `caught_by` has to fail then."""

    name: str
    breaks: str
    file: str
    before: str
    after: str
    caught_by: tuple[str, ...] = ()
    """None: DEFAULT_TESTS."""

    def targets(self, root: Path) -> tuple[str, ...]:
        """What pytest is told to run."""
        return self.caught_by or tuple(folder for folder in DEFAULT_TESTS if (root / folder).is_dir())

    def broken(self, root: Path) -> str:
        """The text of its file with the sabotage in it. Raises DoesNotApply."""
        path = root / self.file
        if not path.is_file():
            raise DoesNotApply(f"there is no file {self.file}")
        text = path.read_text(encoding="utf-8")
        if (found := text.count(self.before)) != 1:
            raise DoesNotApply(f"its text stands {found} times in {self.file}, expected once")
        if self.before == self.after:
            raise DoesNotApply("it changes nothing")
        return text.replace(self.before, self.after)


def read_lists(paths: Sequence[Path]) -> list[Sabotage]:
    """The sabotages of these lists, in order. Raises ValueError, naming the list, on what is none and on a name used twice."""
    found: list[Sabotage] = []
    for path in paths:
        try:
            found += msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), list[Sabotage])
        except (msgspec.ValidationError, yaml.YAMLError) as error:
            raise ValueError(f"{path} is no list of sabotages: {error}") from None
    names = [each.name for each in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two sabotages are called {twice[0]!r}; expected a name of its own for each")
    return found
