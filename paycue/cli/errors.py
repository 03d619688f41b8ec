"""Which errors are a person's to mend, and how they are told."""

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


def sentence(error: Exception) -> str:
    """The error in words, without passwords."""
    if isinstance(error, LookupError):
        return str(error.args[0]) if error.args else repr(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return masked(str(error)) or repr(error)
