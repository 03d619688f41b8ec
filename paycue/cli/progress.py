"""How a long command shows that it goes on: lines for steps, one bar for counts; on stderr, so that output can be piped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

err = Console(stderr=True)
out = Console()


def say(what: str) -> None:
    """A step that begins or is done."""
    err.print(f"  [dim]·[/dim] {what}", highlight=False)


@contextmanager
def bar(what: str, total: float | None) -> Iterator[Callable[[float, str], None]]:
    """A bar; call what it yields with how far it is and a word on it. Not a terminal: a line now and then."""
    if not err.is_terminal:
        lines = _Lines(what, total)
        yield lines.update
        lines.end()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda done, note: progress.update(task, completed=done, note=note)


class _Lines:
    """A line at each tenth of the way; where nobody knows how long it is, one at its end."""

    def __init__(self, what: str, total: float | None) -> None:
        self._what, self._total, self._shown, self._note = what, total, -1, ""

    def update(self, done: float, note: str) -> None:
        self._note = note
        tenth = int(10 * done / self._total) if self._total else -1
        if tenth > self._shown:
            self._shown = tenth
            say(f"{self._what}: {tenth * 10} %, {note}")

    def end(self) -> None:
        if not self._total:
            say(f"{self._what}: {self._note}")
