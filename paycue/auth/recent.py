"""What an API has just looked up in the directory, so that a caller who asks again and again costs no second look.

An entry is forgotten the moment this process folds its successor, and after a second in any case: another process may have folded it.
"""

import time
from collections.abc import Callable
from typing import Any

SECONDS = 1.0
"""How long a revoked key may still open a process that has not folded its revocation itself."""
_MOST = 1000


class Recent:
    """Entries by their id in the directory, `key:<key_id>` or `creditor:<tenant>`; only such as there are, `_MOST` at most."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._kept = now, dict[str, tuple[float, Any]]()

    def get(self, entry_id: str) -> Any | None:
        """What was found within the last second."""
        until, found = self._kept.get(entry_id, (0.0, None))
        return found if self._now() < until else None

    def keep(self, entry_id: str, found: Any) -> None:
        """Remember what was found just now."""
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[entry_id] = (self._now() + SECONDS, found)

    def forget(self, entry_id: str) -> None:
        """It has changed."""
        self._kept.pop(entry_id, None)
