"""Apache Kafka and PostgreSQL for one folder, together: both started at once, both stopped, none left behind.

What PAYCUE_KAFKA and PAYCUE_DATABASE_URL name is used instead and never touched.
"""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from paycue.local import cache, postgres
from paycue.local import kafka as kafka_module
from paycue.local.cache import Say
from paycue.local.errors import LocalStackError

ROOM_NEEDED = 500_000_000
__all__ = ["LocalStack", "LocalStackError", "prepare"]


async def prepare(say: Say) -> None:
    """Fill the cache, so that the first start is as fast as the second. For set-up; a start does without."""
    _enough_room(cache.cache_folder())
    await kafka_module.prepare(say)
    await asyncio.to_thread(cache.postgres_programs, postgres.unprivileged_user())


class LocalStack:
    """Kafka and PostgreSQL of a folder, from `async with` to its end; started again, the same folder has the same data.

    `durable=False` gives up the last commits when PostgreSQL is killed or the power goes. Enter it on the main thread: the
    system ends the servers when the thread that started them ends.
    """

    def __init__(self, folder: Path, *, kafka: bool = True, durable: bool = True, say: Say) -> None:
        self._folder, self._with_kafka, self._durable, self._say = folder.absolute(), kafka, durable, say
        self._lock: TextIO | None = None
        self._kafka: kafka_module.Kafka | None = None
        self._postgres: postgres.Postgres | None = None

    @property
    def database_url(self) -> str:
        """`postgresql://user:password@host:port/name`; the role may make roles and schemas."""
        return self._postgres.url if self._postgres else _named("PAYCUE_DATABASE_URL")

    @property
    def kafka(self) -> str:
        """`host:port` of the broker."""
        return self._kafka.address if self._kafka else _named("PAYCUE_KAFKA")

    async def __aenter__(self) -> Self:
        starts = [] if os.environ.get("PAYCUE_DATABASE_URL") else [self._start_postgres]
        if self._with_kafka and not os.environ.get("PAYCUE_KAFKA"):
            starts.append(self._start_kafka)
        try:
            if starts:
                self._lock = _locked(self._folder)
            await _all(starts)
        except OSError as error:
            await self._close()
            raise LocalStackError(f"{error.filename or self._folder}: {error.strerror}; free it or choose another folder") from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._close()

    async def ended(self) -> str:
        """Waits until a server ends by itself; the sentence that says which. For whoever must not go on without it."""
        running = [server.program for server in (self._kafka, self._postgres) if server]
        waits = {asyncio.ensure_future(program.wait()): program for program in running}
        try:
            done, _ = await asyncio.wait(waits or {asyncio.ensure_future(asyncio.Event().wait())}, return_when=asyncio.FIRST_COMPLETED)
            program = waits[done.pop()]
            return f"{program.name} ended by itself; its log is {program.log}"
        finally:
            for wait in waits:
                wait.cancel()

    async def _start_kafka(self) -> None:
        self._kafka = await kafka_module.start(self._folder / "kafka", self._say, durable=self._durable)
        self._say(f"Apache Kafka is ready on {self._kafka.address}")

    async def _start_postgres(self) -> None:
        self._postgres = await postgres.start(self._folder / "postgres", self._say, durable=self._durable)
        self._say("PostgreSQL is ready on " + self._postgres.url.partition("@")[2])

    async def _close(self) -> None:
        """Stop what runs; the lock goes last, so that a second start finds nothing half stopped."""
        stops = [server.stop() for server in (self._kafka, self._postgres) if server]
        self._kafka = self._postgres = None
        try:
            await asyncio.gather(*stops)
        finally:
            if self._lock:
                self._lock.close()
                self._lock = None


async def _all(starts: list[Callable[[], Coroutine[None, None, None]]]) -> None:
    """Run all; on the first failure, cancel the others and wait until they have cleaned up."""
    tasks = [asyncio.create_task(start()) for start in starts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            if not task.cancelling():  # a second cancellation would cut its cleaning up short
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _locked(folder: Path) -> TextIO:
    """The folder's lock, held while we live. Raises LocalStackError when another run holds it, or nothing can be kept there."""
    folder = cache.usable(folder, "choose a folder you may write")
    _enough_room(folder)
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise LocalStackError(f"paycue already runs on {folder} (process {holder}): stop it, or choose another folder") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _enough_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < ROOM_NEEDED:
        found, needed = free // 1_000_000, ROOM_NEEDED // 1_000_000
        raise LocalStackError(f"only {found} MB are free on the disk of {folder}, {needed} MB are needed: free some")


def _named(variable: str) -> str:
    """What the environment names; there is nothing else to tell before the stack has started."""
    if not (value := os.environ.get(variable)):
        raise LocalStackError(f"nothing was started and {variable} is not set: enter the stack first, or set it")
    return value
