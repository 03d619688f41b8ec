"""`paycue inbox`: what the local inbox received."""

from pathlib import Path
from typing import Annotated

import typer

from paycue.cli.home import HOME, address
from paycue.cli.progress import out
from paycue.local.inbox import list_messages, render


def register(app: typer.Typer) -> None:
    app.command("inbox")(command)


def command(
    url: Annotated[str | None, typer.Option(help="The inbox's page; without it the one of `paycue up`.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest.")] = 50,
    folder: Annotated[Path, typer.Option(help="The folder of `paycue up`.", file_okay=False)] = HOME,
) -> None:
    """List the newest messages of the local inbox."""
    out.print(render(list_messages(url or address(folder, "inbox"), limit)))
