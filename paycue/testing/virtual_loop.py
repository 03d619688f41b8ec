"""An event loop on virtual time: time passes only when nothing can run, and what can run is run in an order that a seed chooses.

What runs belongs to a process, by the context it was started in. A process can be frozen (SIGSTOP), so that nothing of it runs
while time goes on, and killed, so that nothing of it ever runs again but the unwinding of its tasks, which reaches nobody.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any

_TOLERANCE = 1e-9
_current: ContextVar["Process | None"] = ContextVar("process", default=None)

Shuffle = Callable[[list[asyncio.Handle]], None]


class Killed(asyncio.CancelledError):
    """What a dead process meets wherever it reaches for the world."""


class Process:
    """Whatever was started through `start`, and all that came of it."""

    def __init__(self, name: str, loop: "VirtualLoop") -> None:
        self.name, self.steps = name, 0
        self.dead, self.frozen = False, False
        self.deaths: list[Callable[[], None]] = []
        """Called at the kill: what the world takes back at once, such as locks."""
        self.on_step: Callable[[int], None] | None = None
        """Told how many callbacks of it have run, before each of them; it may kill or freeze."""
        self._loop, self._held = loop, list[asyncio.Handle]()
        self._context = Context()
        self._context.run(_current.set, self)
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` in this process."""
        return self._loop.create_task(work, context=self._context.copy())

    def took(self, task: asyncio.Task[Any]) -> None:
        """A task of it began; it is forgotten when it ends."""
        self._tasks[task] = None
        task.add_done_callback(self._ended, context=Context())

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and self.dead:
            task.exception()

    def freeze(self, seconds: float) -> None:
        """Run nothing of it for so long."""
        self.frozen = True
        self._loop.call_later(seconds, self.thaw, context=Context())

    def thaw(self) -> None:
        """Go on where it stood; what was due meanwhile is late."""
        self.frozen = False
        held, self._held = self._held, []
        self._loop.put_back(held)

    def hold(self, handle: asyncio.Handle) -> None:
        """Keep what was to run until it is thawed."""
        self._held.append(handle)

    def kill(self) -> None:
        """It is gone, wherever it stood: locks are free, transactions never were, and its tasks only unwind."""
        if self.dead:
            return
        self.dead = True
        for death in self.deaths:
            death()
        self.thaw()
        for task in list(self._tasks):
            task.cancel()

    def alive(self) -> None:
        """Raises Killed in a process that is dead: nothing of it may reach the world."""
        if self.dead:
            raise Killed(self.name)

    @property
    def unwound(self) -> bool:
        """Whether every task of it has ended."""
        return not self._tasks


def process() -> Process | None:
    """The process that is running now."""
    return _current.get()


class VirtualLoop(asyncio.BaseEventLoop):
    """No sockets, no threads, no signals, no waiting. `shuffle` orders what is ready at the same instant."""

    def __init__(self, shuffle: Shuffle) -> None:
        super().__init__()
        self._now, self._shuffle = 0.0, shuffle
        self._ready: Any
        self._scheduled: list[asyncio.TimerHandle]
        self.set_task_factory(_task_of_a_process)
        self.failures: list[dict[str, Any]] = []
        """What asyncio reports and nobody awaited, such as a task's exception that was never retrieved."""
        self.set_exception_handler(lambda _, told: self.failures.append(told))

    def time(self) -> float:
        return self._now

    def put_back(self, handles: list[asyncio.Handle]) -> None:
        """Let these run again."""
        self._ready.extend(handles)

    def _run_once(self) -> None:
        if not self._ready:
            self._pass_time()
        while self._scheduled and self._scheduled[0].when() <= self._now + _TOLERANCE:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            if not timer.cancelled():
                self._ready.append(timer)
        batch = list(self._ready)
        self._ready.clear()
        if len(batch) > 1:
            self._shuffle(batch)
        for handle in batch:
            self._run(handle)

    def _pass_time(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not self._scheduled:
            raise RuntimeError("everything waits for ever: nothing is ready and no timer is set")
        self._now = max(self._now, self._scheduled[0].when())

    def _run(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        owner = handle._context.get(_current)  # type: ignore[attr-defined]
        if owner is not None and not owner.dead:
            if owner.frozen:
                owner.hold(handle)
                return
            owner.steps += 1
            if owner.on_step is not None:
                owner.on_step(owner.steps)
                if owner.frozen:
                    owner.hold(handle)
                    return
        handle._run()

    def _write_to_self(self) -> None:
        """There is no selector to wake."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""


def _task_of_a_process(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    owner = context.get(_current) if context is not None else _current.get()
    if owner is not None:
        if owner.dead:
            task.cancel()
        owner.took(task)
    return task
