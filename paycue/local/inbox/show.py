"""What `paycue inbox` prints: the newest messages of a running inbox, as a table."""

from datetime import datetime

import httpx2
import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from paycue.local.errors import LocalStackError
from paycue.local.inbox.received import Channel, Received

_MAX_SUBJECT = 120


class Line(msgspec.Struct, frozen=True):
    """A message in a list."""

    number: int
    channel: Channel
    to: str
    sender: str
    subject: str
    sent_at: datetime | None


def line(message: Received) -> Line:
    """The message in a list."""
    return Line(message.number, message.channel, message.to, message.sender, message.subject[:_MAX_SUBJECT], message.sent_at)


def list_messages(http_url: str, limit: int = 50) -> list[Line]:
    """The newest messages of the inbox at `http_url`, newest first. Raises LocalStackError when nothing answers there."""
    try:
        answer = httpx2.get(f"{http_url.rstrip('/')}/messages.json", params={"limit": limit}, trust_env=False, timeout=10)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=list[Line])
    except (httpx2.HTTPError, msgspec.DecodeError) as error:
        raise LocalStackError(f"no inbox answers at {http_url} ({error}): start one with `paycue up`") from None


def render(lines: list[Line]) -> Table:
    """A table of messages, newest first. What senders wrote is shown as it is, never as markup."""
    table = Table(box=box.SIMPLE_HEAD, caption=None if lines else "nothing received yet", expand=False)
    for title in ("#", "sent", "channel", "to", "subject"):
        table.add_column(title, style="dim" if title in ("#", "channel") else "", overflow="fold")
    for message in lines:
        sent = message.sent_at.strftime("%Y-%m-%d %H:%M %z") if message.sent_at else "no date"
        table.add_row(*(Text(cell) for cell in (str(message.number), sent, message.channel, message.to, message.subject)))
    return table
