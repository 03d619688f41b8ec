"""How errors are told to a person: in one sentence, without a stack trace and without passwords."""

import asyncpg

from paycue.bus.bus import BusError
from paycue.handwritten import HandwrittenError
from paycue.local.errors import LocalStackError
from paycue.replay.barrier import Stuck
from paycue.replay.client import PolicyRefused
from paycue.settings import SettingsError, masked

KNOWN: tuple[type[Exception], ...] = (
    BusError,
    HandwrittenError,
    LocalStackError,
    LookupError,
    OSError,
    PolicyRefused,
    RuntimeError,
    SettingsError,
    Stuck,
    asyncpg.PostgresError,
)
"""A person's to mend. What is not known, and what only subscripts raise, is a fault of ours."""


def sentence(error: Exception) -> str:
    """The error in words."""
    if not isinstance(error, KNOWN) or isinstance(error, KeyError | IndexError):
        shown = masked(f"{type(error).__name__}: {error}")
        return f"it failed in a way nobody foresaw ({shown}); run it again with PAYCUE_LOG_LEVEL=debug to see where, and report that"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return masked(str(error)) or repr(error)
