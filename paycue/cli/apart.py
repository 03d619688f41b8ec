"""Services of a local installation in processes of their own: all ready before anything is told, one that dies started again,
all ended together. The system ends them when we die hard.
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from paycue.app import Ready, Service
from paycue.cli.progress import err
from paycue.ending import Ending
from paycue.installation import Installation, provider_values
from paycue.local import process
from paycue.local.process import Program

_READY_WITHIN = 120.0
_STOP_WITHIN = 30.0
_COMMAND = (sys.executable, "-P", "-c", "from paycue.cli import main; main()", "run")


async def serve_apart(
    services: Sequence[tuple[Service, Any]],
    house: Installation,
    values: dict[str, Any],
    folder: Path,
    ready: Ready,
    ending: Ending,
) -> None:
    """Run each service apart until they are asked to end. Raises LocalStackError when one cannot start."""
    logs = folder / "services"
    logs.mkdir(exist_ok=True)
    keepers = [_Keeper(one.name, own.http_port, _environment(house, values, one.name, own), logs) for one, own in services]
    try:
        await _start(keepers)
        ending.runs()
        ready({keeper.name: keeper.url for keeper in keepers})
        err.print(f"  {'logs':<20}{logs}/*.log", highlight=False, soft_wrap=True)
        await ending.asked.wait()
    finally:
        await asyncio.gather(*(keeper.stop() for keeper in keepers))


async def _start(keepers: Sequence["_Keeper"]) -> None:
    """Start all at once and wait for all. Raises what the first that fails says."""
    try:
        async with asyncio.TaskGroup() as group:
            for keeper in keepers:
                group.create_task(keeper.start())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _environment(house: Installation, values: dict[str, Any], name: str, settings: Any) -> dict[str, str]:
    told = provider_values(house.inbox) | values | {"database_url": house.database_url, "kafka": house.kafka}
    return {f"PAYCUE_{key.upper()}": _text(value) for key, value in (told | {f"{name}_port": settings.http_port}).items()}


def _text(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


class _Keeper:
    """One service's process, kept alive from `start` to `stop`."""

    def __init__(self, name: str, port: int, environment: dict[str, str], folder: Path) -> None:
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        self._environment, self._folder = environment, folder
        self._program: Program | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self._run()
        assert self._program is not None
        await self._program.ready(self._is_ready, _READY_WITHIN)
        self._watch = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._program is not None:
            await self._program.stop(_STOP_WITHIN)

    async def _run(self) -> None:
        log, lock = self._folder / f"{self.name}.log", self._folder / f"{self.name}.lock"
        self._program = await process.run(self.name, [*_COMMAND, self.name], folder=self._folder, log=log, lock=lock, env=self._environment)

    async def _keep(self) -> None:
        while self._program is not None:
            status = await self._program.wait()
            err.print(f"  {self.name} ended with status {status}: {process.why(self._program.log)}; it is started again", highlight=False)
            await asyncio.sleep(1)
            await self._run()

    async def _is_ready(self) -> bool:
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            try:
                return bool((await client.get(f"{self.url}/readyz")).status_code == 200)
            except httpx2.HTTPError:
                return False
