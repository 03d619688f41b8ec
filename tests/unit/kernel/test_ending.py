"""When a process ends: when it is asked to, when a loop of it failed, and when records wait although nothing moves any more."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import pytest

from paycue import app
from paycue.app import until_over
from paycue.bus.bus import BusError
from paycue.bus.flow import Flow
from paycue.ending import Ending


class Worker:
    """A service at work, as far as the watchdog knows it: each measurement tells the next of `lags`, in the end the last for ever."""

    def __init__(self, *lags: int | Exception, moves: bool = False) -> None:
        self.service = self.world = self
        self.name, self.flow, self._lags, self._moves = "worker", Flow(), list(lags), moves
        self.fatal: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def measure(self) -> int:
        if self._moves:
            self.flow.stir()
        lag = self._lags.pop(0) if len(self._lags) > 1 else self._lags[0]
        if isinstance(lag, Exception):
            raise lag
        return lag


async def ended(worker: Worker, after: float = 0.2) -> str:
    """Why it ended, or `asked` when it was still there after so many seconds and was asked to end."""
    stop, runtimes = asyncio.Event(), [worker]
    asyncio.get_running_loop().call_later(after, stop.set)
    try:
        await until_over(cast(Any, runtimes), stop)
    except RuntimeError as error:
        return str(error)
    return "asked"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_WATCH_SECONDS", 0.01)
    monkeypatch.setattr(app, "_STUCK_SECONDS", 0.05)


async def test_a_process_that_is_asked_to_end_ends_without_an_error() -> None:
    assert await ended(Worker(0)) == "asked"


async def test_records_that_wait_while_nothing_moves_end_the_process() -> None:
    assert (await ended(Worker(0, 7), after=5)).startswith("7 records wait and nothing moved for 0.0")


async def test_a_backlog_that_moves_ends_nothing() -> None:
    assert await ended(Worker(7, moves=True)) == "asked"


async def test_measurements_that_fail_for_a_while_do_not_end_the_watch() -> None:
    assert (await ended(Worker(BusError("no answer"), TimeoutError(), 7), after=5)).startswith("7 records wait")


async def test_a_loop_that_failed_ends_the_process_and_says_why() -> None:
    worker = Worker(0)
    worker.fatal.set_result("relay failed: KeyError()")
    assert await ended(worker, after=5) == "relay failed: KeyError()"


STOPS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def _deaf_again() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def _starts_and_runs(start: Callable[[], Awaitable[Any]]) -> str:
    """As a process does: whether it was cancelled, or ended in order."""
    try:
        ending = Ending()
        await start()
        ending.runs()
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await ending.asked.wait()
    except asyncio.CancelledError:
        return "cancelled"
    return "in order"


async def _asked(number: int, start: Callable[[], Awaitable[Any]], after: float = 0.05) -> str:
    process = asyncio.ensure_future(_starts_and_runs(start))
    asyncio.get_running_loop().call_later(after, os.kill, os.getpid(), number)
    return await process


async def _deaf() -> None:
    """A library that swallows the cancellation that comes with its result."""
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        return


@pytest.mark.usefixtures("_deaf_again")
@pytest.mark.parametrize("number", STOPS)
async def test_what_is_starting_is_cancelled(number: int) -> None:
    assert await _asked(number, lambda: asyncio.sleep(5)) == "cancelled"


@pytest.mark.usefixtures("_deaf_again")
@pytest.mark.parametrize("number", STOPS)
async def test_a_process_ends_although_what_starts_swallows_its_cancellation(number: int) -> None:
    assert await _asked(number, _deaf) == "in order"


@pytest.mark.usefixtures("_deaf_again")
@pytest.mark.parametrize("number", STOPS)
async def test_what_runs_is_asked_and_not_cancelled(number: int) -> None:
    assert await _asked(number, lambda: asyncio.sleep(0)) == "in order"


@pytest.mark.usefixtures("_deaf_again")
async def test_asking_twice_does_not_cancel_what_is_tidied_up() -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.05)
            tidied.append(True)

    tidied: list[bool] = []
    assert await _asked(signal.SIGTERM, slow) == "cancelled"
    assert tidied
