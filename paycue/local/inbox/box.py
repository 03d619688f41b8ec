"""Keeps what was received: the newest in memory, all of it in a folder if there is one, a file each, written before the sender
is told that it was accepted. Never changes a file.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from paycue.local.errors import LocalStackError
from paycue.local.inbox.received import Channel, Received, read_back

KEEP = 20_000
_SUFFIX: dict[Channel, str] = {"email": ".eml", "sms": ".json"}
_CHANNEL: dict[str, Channel] = {".eml": "email", ".json": "sms"}


class Box:
    """All that was received, in order. Numbers start at 1 and go on where an earlier run's files end."""

    def __init__(self, folder: Path | None = None, keep: int = KEEP) -> None:
        self.folder, self._keep = folder, keep
        self.received: list[Received] = []
        """The newest, oldest first; at least `keep` of them."""
        self.count = 0
        """How many were ever received."""
        self.refused: list[Received] = []
        """The newest that arrived whole and were not taken, oldest first; they have no number."""
        self._to: dict[str, list[Received]] = {}
        """The same by whom they are to: whether somebody got a message is asked of a box that may be full."""
        self._watchers: list[Callable[[Received], None]] = []
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        if folder is not None:
            self._load(folder)

    def add(self, channel: Channel, raw: bytes, sender: str, recipients: tuple[str, ...], arrived_at: float = 0.0) -> Received:
        """Keep a message. Raises OSError when its file cannot be written; then it was not received."""
        message = Received(self.count + 1, channel, recipients[0], sender, raw, arrived_at, recipients)
        if self.folder is not None:
            _write(self.folder / f"{message.id}{_SUFFIX[channel]}", raw)
        self.count += 1
        self.received.append(message)
        self._to.setdefault(message.to, []).append(message)
        if len(self.received) > self._keep * 5 // 4:
            del self.received[: -self._keep]
            self._to = _by_recipient(self.received)
        self._tell(message)
        return message

    def refuse(self, channel: Channel, raw: bytes, sender: str, recipients: tuple[str, ...], arrived_at: float) -> None:
        """Remember a message that arrived and is not taken: it was sent all the same."""
        self.refused.append(Received(0, channel, recipients[0], sender, raw, arrived_at, recipients))
        if len(self.refused) > self._keep:
            del self.refused[: self._keep // 5]

    def watch(self, watcher: Callable[[Received], None]) -> None:
        """Call `watcher` with each message from now on, before its sender is answered."""
        self._watchers.append(watcher)

    async def wait_for(self, count: int, timeout: float) -> None:
        """Until `count` messages were ever received. Raises TimeoutError, naming how many there are."""
        if self.count >= count:
            return
        reached = asyncio.get_running_loop().create_future()
        self._waiting.append((count, reached))
        try:
            async with asyncio.timeout(timeout):
                await reached
        except TimeoutError:
            raise TimeoutError(f"{self.count} messages were received within {timeout} s, {count} were expected") from None
        finally:
            self._waiting = [entry for entry in self._waiting if entry[1] is not reached]

    def get(self, number: int) -> Received | None:
        """The message of that number, from its file when it is no longer in memory."""
        first = self.received[0].number if self.received else self.count + 1
        if first <= number <= self.count:
            return self.received[number - first]
        for channel, suffix in _SUFFIX.items():
            path = self.folder / f"{number:06d}{suffix}" if self.folder else None
            if path and path.is_file():
                return read_back(number, channel, path.read_bytes(), 0.0)
        return None

    def newest(self, channel: Channel | None = None, before: int | None = None, to: str | None = None) -> Iterator[Received]:
        """Newest first, of one channel or of all, below the number `before`, to one recipient or to any."""
        for message in reversed(self.received if to is None else self._to.get(to, [])):
            if (before is None or message.number < before) and channel in (None, message.channel):
                yield message

    def _tell(self, message: Received) -> None:
        for watcher in self._watchers:
            watcher(message)
        for count, reached in self._waiting:
            if self.count >= count and not reached.done():
                reached.set_result(None)

    def _load(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            entries = sorted((int(path.stem), path) for path in folder.iterdir() if path.suffix in _CHANNEL and path.stem.isdecimal())
        except OSError as error:
            raise LocalStackError(f"cannot use {folder} as inbox ({error.strerror}): choose a folder you may write") from None
        self.received = [read_back(number, _CHANNEL[path.suffix], path.read_bytes(), 0.0) for number, path in entries[-self._keep :]]
        self.count = entries[-1][0] if entries else 0
        self._to = _by_recipient(self.received)


def _by_recipient(messages: Iterable[Received]) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for message in messages:
        found.setdefault(message.to, []).append(message)
    return found


def _write(path: Path, raw: bytes) -> None:
    """Under its name only when whole. The descriptor calls cost half of what Path's own cost."""
    partial = f"{path}.part"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(descriptor, raw)
    finally:
        os.close(descriptor)
    os.rename(partial, path)
