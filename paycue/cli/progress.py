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
        yield _lines(what, total)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda done, note: progress.update(task, completed=done, note=note)


def _lines(what: str, total: float | None) -> Callable[[float, str], None]:
    """A line at each tenth of the way."""
    shown = -1

    def update(done: float, note: str) -> None:
        nonlocal shown
        tenth = int(10 * done / total) if total else 0
        if tenth > shown:
            shown = tenth
            err.print(f"  · {what}: {tenth * 10} %, {note}", highlight=False)

    return update
