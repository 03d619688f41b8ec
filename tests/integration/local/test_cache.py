"""The cache folder and the programs that run from it."""

import json
import os
import socket
from pathlib import Path

import pytest

from paycue.local import cache, jars, process
from paycue.local.errors import LocalStackError


def filled(folder: Path) -> list[Path]:
    """A cache as a download leaves it, with jars of a few bytes."""
    paths = [folder / name for name in jars.names()]
    for path in paths:
        path.write_text(path.name)
    (folder / jars.MANIFEST).write_text(json.dumps({path.name: path.stat().st_size for path in paths}))
    return paths


def test_a_full_cache_is_used_as_it_is(tmp_path: Path) -> None:
    assert cache.listed(tmp_path) is None
    assert cache.listed(tmp_path) != filled(tmp_path)
    assert cache.listed(tmp_path) == [tmp_path / name for name in jars.names()]


def test_a_jar_cut_short_or_gone_empties_the_list(tmp_path: Path) -> None:
    paths = filled(tmp_path)
    paths[3].write_text("")
    assert cache.listed(tmp_path) is None
    filled(tmp_path)
    paths[4].unlink()
    assert cache.listed(tmp_path) is None


def test_a_manifest_of_another_release_or_half_written_empties_the_list(tmp_path: Path) -> None:
    filled(tmp_path)
    manifest = json.loads((tmp_path / jars.MANIFEST).read_text())
    manifest.popitem()
    (tmp_path / jars.MANIFEST).write_text(json.dumps(manifest))
    assert cache.listed(tmp_path) is None
    (tmp_path / jars.MANIFEST).write_text('{"a.jar": ')
    assert cache.listed(tmp_path) is None


def test_every_jar_is_locked_by_its_hash_and_the_broker_is_of_the_pinned_release() -> None:
    locked = jars.locked()
    assert all(len(digest) == 64 for digest in locked.values())
    assert {f"org.apache.kafka:kafka_2.13:{jars.RELEASE}", f"org.apache.kafka:kafka-clients:{jars.RELEASE}"} <= set(locked)


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAYCUE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "paycue"
    monkeypatch.setenv("PAYCUE_CACHE", str(tmp_path / "own"))
    assert cache.cache_folder() == tmp_path / "own"


def test_a_missing_wheel_names_the_extra_to_install() -> None:
    with pytest.raises(LocalStackError, match=r"no_such_wheel is not installed: pip install 'paycue\[local\]'"):
        cache.wheel("no_such_wheel")


@pytest.mark.parametrize(("mode", "stranger"), [(0o700, False), (0o711, True), (0o750, False)])
def test_who_may_enter_follows_from_the_modes_of_every_folder_above(tmp_path: Path, mode: int, stranger: bool) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a").chmod(mode)
    above = [path for path in tmp_path.parents if path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o1]
    closed_above = bool(above) or not tmp_path.stat().st_mode & 0o1
    assert cache.enterable(tmp_path / "a" / "b", 65534, 65534) is (stranger and not closed_above)
    assert cache.enterable(tmp_path / "a" / "b", os.geteuid(), os.getegid())


def test_a_port_is_the_same_for_the_same_folder_until_somebody_takes_it() -> None:
    port = process.free_port("/some/folder")
    assert process.free_port("/some/folder") == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert process.free_port("/some/folder") != port


def test_the_reason_of_a_failed_start_is_one_line_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert "it said nothing" in process.why(log)
    log.write_text("starting\nFATAL:  data directory has wrong ownership\nHINT:  none\n")
    assert process.why(log) == f"FATAL:  data directory has wrong ownership (log: {log})"
    log.write_text("java.net.BindException: Address already in use\n")
    assert process.why(log) == "its port is in use by another process; start again to get other ports"


async def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = await process.run(
        "The tool", ["/bin/sh", "-c", "echo ERROR: no; exit 3"], folder=tmp_path, log=tmp_path / "log", lock=tmp_path / "l"
    )
    with pytest.raises(LocalStackError, match="The tool failed with status 3: ERROR: no"):
        await process.finish(program, 10)


async def test_a_program_that_ignores_its_signal_is_ended(tmp_path: Path) -> None:
    stubborn = ["/bin/sh", "-c", "trap '' TERM; touch deaf; while :; do sleep 0.05; done"]
    program = await process.run("It", stubborn, folder=tmp_path, log=tmp_path / "log", lock=tmp_path / "l")

    async def deaf() -> bool:
        return (tmp_path / "deaf").exists()

    await program.ready(deaf, 10)
    await program.stop(0.1)
    assert await program.wait() == -9


async def test_a_program_that_is_never_ready_is_told(tmp_path: Path) -> None:
    program = await process.run("It", ["/bin/sleep", "30"], folder=tmp_path, log=tmp_path / "log", lock=tmp_path / "l")

    async def never() -> bool:
        return False

    with pytest.raises(LocalStackError, match=r"It was not ready within 0 s"):
        await program.ready(never, 0.2)
    await program.stop(5)
