"""The folder where `paycue up` keeps its data, and the addresses it last wrote there for other commands."""

import json
import os
from pathlib import Path

from paycue.local.errors import LocalStackError

HOME = Path("var/up")
_FILE = "addresses.json"


def remember(folder: Path, addresses: dict[str, str]) -> None:
    """Write what listens where, for `paycue inbox` and its like. Readable by its owner alone: it holds passwords."""
    path = folder / _FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(addresses, indent=1))


def forget(folder: Path) -> None:
    """Nothing listens any more."""
    (folder / _FILE).unlink(missing_ok=True)


def address(folder: Path, name: str) -> str:
    """Where something listens. Raises LocalStackError when nothing runs."""
    if (known := _known(folder)) is None:
        raise LocalStackError(f"nothing runs in {folder}: start it with `paycue up`, or name what you mean")
    return known[name]


def adopt(folder: Path = HOME) -> None:
    """Let this process speak with what runs in the folder, unless the environment names another installation."""
    if (known := _known(folder)) is None:
        return
    told = {"PAYCUE_KAFKA": known["kafka"], "PAYCUE_DATABASE_URL": known["database"], "PAYCUE_SECRET": known["secret"]}
    told["PAYCUE_PUBLIC_URL"] = known["payments"]
    if all(os.environ.get(name) in (None, "", value) for name, value in told.items()):
        os.environ.update(told)


def _known(folder: Path) -> dict[str, str] | None:
    try:
        found: dict[str, str] = json.loads((folder / _FILE).read_text())
    except FileNotFoundError:
        return None
    return found
