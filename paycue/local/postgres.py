"""PostgreSQL from the wheel: made, started, waited for, stopped; as root it runs as an unprivileged user. Passwords, never trust.

The role `paycue` owns the database `paycue` and may make roles, but is no superuser, for row-level security must bind it.
"""

import asyncio
import os
import pwd
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg

from paycue.ids import new_secret
from paycue.local import cache, process
from paycue.local.cache import Say
from paycue.local.errors import LocalStackError

INITDB_WITHIN = 120.0
READY_WITHIN = 120.0
STOP_WITHIN = 20.0
_NOBODY = 65534

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_checkpoints": "off",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_LOCALE = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


class Postgres:
    """A running server; `url` is its database for SQLAlchemy-free clients (`postgresql://`)."""

    def __init__(self, program: process.Program, url: str) -> None:
        self.program, self.url = program, url

    async def stop(self) -> None:
        await self.program.stop(STOP_WITHIN)


async def start(folder: Path, say: Say, *, durable: bool = True) -> Postgres:
    """Start the server on the folder's data, made if absent, and wait until role and database are there."""
    user = unprivileged_user()
    programs = await asyncio.to_thread(cache.postgres_programs, user)
    password = _own(folder, user)
    if not (folder / "data").is_dir():
        say("Making the PostgreSQL database")
        await _initdb(programs, folder, user, durable=durable)
    say("Starting PostgreSQL")
    port = process.free_port(str(folder))
    settings = _SETTINGS | ({} if durable else _NOT_DURABLE) | {"port": str(port)}
    program = await _serve(programs, folder, settings, user)
    try:
        await program.ready(lambda: _answers(port, password), READY_WITHIN)
    except BaseException:
        await program.stop(5)
        raise
    return Postgres(program, f"postgresql://paycue:{quote(password)}@127.0.0.1:{port}/paycue")


async def _serve(programs: Path, folder: Path, settings: dict[str, str], user: tuple[int, int] | None) -> process.Program:
    log, lock = folder.parent / "postgres.log", folder.parent / "postgres.lock"
    _remove_stale_pid(folder / "data" / "postmaster.pid", lock)
    log.unlink(missing_ok=True)
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", "{folder}/data", *options]
    return await process.run("PostgreSQL", command, folder=folder, log=log, lock=lock, user=user, stop_signal=signal.SIGINT, env=_LOCALE)


def unprivileged_user() -> tuple[int, int] | None:
    """Who PostgreSQL runs as when we are root, whom it refuses; None: as ourselves."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        entry = pwd.getpwnam("nobody")
        return entry.pw_uid, entry.pw_gid
    return _NOBODY, _NOBODY


def _own(folder: Path, user: tuple[int, int] | None) -> str:
    """The folder with its password, both closed to all but the server's user; the password is made once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / "password"
    if not kept.is_file():
        partial = folder / "password.new"
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_secret())
        partial.replace(kept)
    if user is not None:
        for path in (folder, kept):
            os.chown(path, *user)
    return kept.read_text()


async def _initdb(programs: Path, folder: Path, user: tuple[int, int] | None, *, durable: bool) -> None:
    """Made beside its place and renamed, so that what was cut short is never taken for a database."""
    partial, log = folder / "data.new", folder.parent / "initdb.log"
    await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
    log.unlink(missing_ok=True)
    command = [str(programs / "initdb"), "-D", "{folder}/data.new", "-U", "postgres", "--pwfile={folder}/password", "-A", "scram-sha-256"]
    command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-instructions", *([] if durable else ["--no-sync"])]
    tool = await process.run("initdb", command, folder=folder, log=log, lock=folder.parent / "postgres.lock", user=user, env=_LOCALE)
    await process.finish(tool, INITDB_WITHIN)
    partial.rename(folder / "data")
    log.unlink(missing_ok=True)


def _remove_stale_pid(pid_file: Path, lock: Path) -> None:
    """A crash leaves postmaster.pid behind, and its number may by now be another program's. The lock tells: nobody holds it."""
    if not pid_file.exists() or not process.is_free(lock):
        return
    pid = int((pid_file.read_text().split() or ["0"])[0])
    if pid > 0 and _runs_in(pid, pid_file.parent):
        raise LocalStackError(f"PostgreSQL (process {pid}) already uses {pid_file.parent}: stop it, then start again")
    pid_file.unlink()


def _runs_in(pid: int, data: Path) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/cwd").resolve() == data.resolve() if Path("/proc/self").exists() else True
    except (ProcessLookupError, PermissionError):
        return False


async def _answers(port: int, password: str) -> bool:
    """Whether role and database are there; they are made as soon as the server lets us in."""
    try:
        connection = await asyncpg.connect(host="127.0.0.1", port=port, user="postgres", password=password, database="postgres", timeout=5)
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
        return False
    try:
        if not await connection.fetchval("select count(*) from pg_roles where rolname = 'paycue'"):
            await connection.execute(f"create role paycue login createrole createdb password '{password}'")
            await connection.execute("alter role paycue set createrole_self_grant = 'set, inherit'")
        if not await connection.fetchval("select count(*) from pg_database where datname = 'paycue'"):
            await connection.execute("create database paycue owner paycue")
    finally:
        await connection.close()
    return True
