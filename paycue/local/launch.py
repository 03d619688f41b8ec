"""Becomes another program: takes its lock, drops its rights, asks to be signalled when its parent dies, then executes it.

A file of its own, run by `python -I -S`, because nothing may run between fork and exec in a process that has threads or an
event loop of its own. It must import the standard library alone and never return.
"""

import ctypes
import fcntl
import json
import os
import sys
from typing import NamedTuple

BUSY = 75  # the lock is held: a former run has not ended yet
ORPHAN = 76  # the parent died before this process could ask for its signal
PR_SET_PDEATHSIG = 1


class Spec(NamedTuple):
    """What to become. `{folder}` in an argument stands for the folder; `parent` is the process whose end is signalled by `signal`."""

    args: list[str]
    folder: str
    lock: str
    user: tuple[int, int] | None
    signal: int
    parent: int


def main(spec: Spec) -> None:
    """Become it."""
    lock = os.open(spec.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(BUSY)
    os.set_inheritable(lock, True)  # held until the last process that inherits it has ended
    folder = _folder(spec)
    if spec.user:
        uid, gid = spec.user
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    _die_with(spec.parent, spec.signal)  # after setuid, which clears it
    args = [argument.replace("{folder}", folder) for argument in spec.args]
    os.execv(args[0], args)


def _folder(spec: Spec) -> str:
    """The folder's name for the program. Another user may own the folder without being let through its parents (/root, a
    temporary folder): that user reaches it by an open descriptor."""
    os.chdir(spec.folder)
    if not spec.user or not os.path.isdir("/proc/self/fd"):
        return spec.folder
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(descriptor, True)
    return f"/proc/self/fd/{descriptor}"


def _die_with(parent: int, signal: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(ORPHAN)


if __name__ == "__main__":
    main(Spec(*json.loads(sys.argv[1])))
