"""When a process is asked to end: SIGTERM and SIGINT, heard from the first moment on."""

import asyncio
import signal


class Ending:
    """`asked` is set by the first SIGTERM or SIGINT from now on; until all `runs`, the task that made this is cancelled as well.

    Cancelling alone would not do. What starts consists of many libraries, any of which may swallow a cancellation that comes with its
    result, as `asyncio.wait_for` does before Python 3.12 (python/cpython#86296): the process would start, and stay.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._starting = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._ask)

    def runs(self) -> None:
        """What was started looks at `asked` from now on, and wants to end in order."""
        self._starting = None

    def _ask(self) -> None:
        if self._starting is not None and not self.asked.is_set():
            self._starting.cancel()
        self.asked.set()
