"""Options that several commands have, checked before anything is done."""

from collections.abc import Callable
from typing import Annotated

import typer

from paycue.ids import TENANT
from paycue.settings import host_ports, postgresql_url


def _checked(check: Callable[[str], str], expected: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            return check(text)
        except ValueError as error:
            raise typer.BadParameter(f"{error}; expected {expected}") from None

    return parse


def _slug(text: str) -> str:
    if text and not TENANT.fullmatch(text):
        raise ValueError(f"{text!r} is no creditor's slug")
    return text


SLUG = _checked(_slug, "[a-z0-9-], 32 characters at most")

Kafka = Annotated[
    str,
    typer.Option(
        envvar="PAYCUE_KAFKA",
        parser=_checked(host_ports, "host:port, or several with commas"),
        metavar="HOST:PORT",
        help="The brokers; absent: those of a running `paycue up`.",
    ),
]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        envvar="PAYCUE_DATABASE_URL",
        parser=_checked(postgresql_url, "postgresql://user:password@host:port/database"),
        metavar="URL",
        show_default=False,
        help="A role that may create schemas and roles; absent: that of a running `paycue up`.",
    ),
]
