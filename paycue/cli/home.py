"""The folder where `paycue up` keeps its data, and the addresses it last wrote there for other commands."""

import json
from pathlib import Path

from paycue.local.errors import LocalStackError

HOME = Path("var/up")
_FILE = "addresses.json"


def remember(folder: Path, addresses: dict[str, str]) -> None:
    """Write what listens where, for `paycue inbox` and its like. Readable by its owner alone: it holds a password."""
    path = folder / _FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(addresses, indent=1))


def forget(folder: Path) -> None:
    """Nothing listens any more."""
    (folder / _FILE).unlink(missing_ok=True)


def address(folder: Path, name: str) -> str:
    """Where something listens. Raises LocalStackError when nothing runs."""
    try:
        found: str = json.loads((folder / _FILE).read_text())[name]
    except FileNotFoundError:
        raise LocalStackError(f"nothing runs in {folder}: start it with `paycue up`, or name what you mean") from None
    return found
