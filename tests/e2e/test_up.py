"""`paycue up` as a newcomer uses it: from an empty folder to the first mail, and everything gone when it is told to stop."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from paycue.cli import COMMANDS, app
from tests.e2e.day import ZONE, today
from tests.e2e.estate import SERVICES
from tests.e2e.processes import Process, alive, paycue

POLICY = """
policy: plain
version: 1
steps:
  - {when: due, stage: friendly, channels: [email]}
"""
MAPPING = f"""
columns: {{account: account, invoice: invoice, issued: issued, due: due, amount: amount, paid_on: paid}}
formats: {{date: "%Y-%m-%d", decimal: ".", delimiter: ","}}
constants: {{currency: EUR, zone: {ZONE}, locale: en, email: "{{account}}@debtors.example"}}
"""
UP = "paycue is up"


@asynccontextmanager
async def _up(folder: Path, *options: str) -> AsyncIterator[Process]:
    """`paycue up` in a folder of its own, ended at the end whatever happens."""
    (folder / "logs").mkdir(exist_ok=True)
    number = len(list((folder / "logs").glob("*.log")))
    process = Process(f"up{number}", ("up", *options), folder / "logs", {}, cwd=folder)
    process.start()
    try:
        yield process
    finally:
        await process.stop()


async def test_from_an_empty_folder_to_the_first_mail_and_back_to_nothing(tmp_path: Path) -> None:
    async with _up(tmp_path) as up:
        await up.says(UP)
        second = await paycue("up", cwd=tmp_path)
        await _remind(tmp_path)
        shown = await paycue("inbox", cwd=tmp_path, variables={"COLUMNS": "160"})
        up.signal(signal.SIGINT)
        stopped = await up.ended()

    assert (second.status, second.err.count("\n")) == (1, 1)
    assert f"paycue already runs on {tmp_path}/var/up" in second.err
    assert re.search(r"a1@debtors\.example .*R-1|R-1", shown.out)
    assert (stopped, alive(str(tmp_path))) == (0, [])
    assert "Traceback" not in up.said()
    assert (await paycue("inbox", cwd=tmp_path)).err.count("nothing runs in") == 1

    async with _up(tmp_path, "--processes") as again:
        await again.says(UP)
        found = await _found_again(tmp_path)
        await _revived(tmp_path, again)
        stopped = await again.stop()

    assert found == {"messages": 1, "invoices": ["R-1"], "policies": ["plain"]}
    assert (stopped, alive(str(tmp_path))) == (0, [])


async def test_told_to_stop_while_it_starts_it_leaves_nothing_and_starts_the_next_time(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        async with _up(tmp_path) as up:
            await up.says("Starting Apache Kafka")
            await asyncio.sleep(0.5)
            up.signal(number)
            assert await up.ended(20) != 0
        assert alive(str(tmp_path)) == []
        assert "Traceback" not in up.said()

    async with _up(tmp_path) as up, _taken(8101, 8102, 8103, 8104, 8025, 1025):
        await up.says(UP)
        up.kill()
    await _nothing_left(tmp_path)


async def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("/proc/nowhere", tmp_path / "file" / "below"):
        ended = await paycue("up", "--folder", folder)
        assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1), ended.err
        assert f"paycue: cannot keep data in {folder}" in ended.err


async def test_prepare_fills_the_cache_and_does_nothing_the_second_time() -> None:
    assert (await paycue("prepare", within=300)).status == 0
    again = await paycue("prepare", within=20)

    assert (again.status, "Download" in again.err) == (0, False)


@pytest.mark.parametrize("options", [(), ("--help",), ("keys", "issue", "--help")])
async def test_help_is_at_hand_everywhere(options: tuple[str, ...]) -> None:
    ended = await paycue(*options)

    assert "Usage: paycue" in ended.out + ended.err
    assert ended.status == (0 if options else 2)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_that_is_listed_can_be_typed(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])

    assert (shown.exit_code, f"paycue {name}" in shown.output) == (0, True), shown.output


async def _remind(folder: Path) -> None:
    """What the README tells a newcomer: a creditor, a policy, a ledger; and then there is mail."""
    folder.joinpath("ledger.csv").write_text(f"account,invoice,issued,due,amount,paid\na1,R-1,{today(-10)},{today()},10.00,\n")
    folder.joinpath("mapping.yaml").write_text(MAPPING)
    registered = await paycue("creditors", "register", "acme", "--name", "Acme", cwd=folder)
    assert registered.status == 0, registered.err
    async with _api(folder) as call:
        await call("scheduler", "PUT", "/policies/plain", content=POLICY.encode(), headers={"content-type": "application/yaml"})
        imported = await paycue("import", "--csv", "ledger.csv", "--mapping", "mapping.yaml", "--creditor", "acme", cwd=folder)
        assert imported.status == 0, imported.err
        async with asyncio.timeout(30):
            while not list(folder.joinpath("var/up/inbox").glob("*.eml")):
                await asyncio.sleep(0.1)


async def _found_again(folder: Path) -> dict[str, Any]:
    async with _api(folder) as call:
        invoices = (await call("payments", "GET", "/invoices"))["items"]
        policies = (await call("scheduler", "GET", "/policies"))["items"]
    messages = httpx2.get(f"{_addresses(folder)['inbox']}/messages.json", trust_env=False).json()
    return {
        "messages": len(messages),
        "invoices": [invoice["invoice_id"] for invoice in invoices],
        "policies": [policy["policy"] for policy in policies],
    }


async def _revived(folder: Path, up: Process) -> None:
    """A service that dies is started again by whoever keeps it."""
    (notifier,) = [line.partition(":")[0] for line in alive("run notifier") if str(folder) in line]
    os.kill(int(notifier), signal.SIGKILL)
    await up.says("notifier ended with")
    await up.answers(f"{_addresses(folder)['notifier']}/readyz")


def _addresses(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(folder.joinpath("var/up/addresses.json").read_text())
    assert set(SERVICES) < set(found)
    return found


@asynccontextmanager
async def _api(folder: Path) -> AsyncIterator[Any]:
    """Calls the APIs of what runs in the folder with the operator's key."""
    addresses = _addresses(folder)
    async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {addresses['operator_key']}"}) as client:

        async def call(service: str, method: str, path: str, **more: Any) -> Any:
            async with asyncio.timeout(20):
                while True:
                    answer = await client.request(method, f"{addresses[service]}/v1/creditors/acme{path}", **more)
                    if answer.status_code < 300:
                        return answer.json()
                    assert answer.status_code in (401, 404), answer.text  # the directory is on its way
                    await asyncio.sleep(0.1)

        yield call


async def _nothing_left(folder: Path) -> None:
    """Killed hard, it could tell nobody: the system ends what it started."""
    async with asyncio.timeout(30):
        while alive(str(folder)):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _taken(*ports: int) -> AsyncIterator[None]:
    """Ports that somebody else listens on."""
    async with AsyncExitStack() as stack:
        for port in ports:
            stack.enter_context(_listening(port))
        yield


@contextmanager
def _listening(port: int) -> Iterator[None]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
        except OSError:  # somebody else's already
            assert port
        yield
