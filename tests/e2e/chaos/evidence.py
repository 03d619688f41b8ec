"""What led to a finding: every record of an account on every topic, and what the providers received, in the order of time."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer
from google.protobuf.text_format import MessageToString

from paycue.bus.envelope import header
from paycue.bus.topics import event_classes, topics
from paycue.ids import account_key
from tests.e2e.chaos.book import Debt, Seen

_MOST = 10


async def evidence(servers: str, debts: Iterable[Debt], messages: Iterable[Seen]) -> list[str]:
    """Lines of text, account by account; of the first accounts only."""
    shown = {account_key(debt.tenant, debt.account): debt for debt in list(debts)[:_MOST]}
    lines: dict[bytes, list[tuple[float, str]]] = {key: [] for key in shown}
    if not shown:
        return []
    names = [topic.name for topic in topics().values() if topic.key == "account"]
    reader = AIOKafkaConsumer(*names, bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False)
    await reader.start()
    try:
        left = {place: end for place, end in (await reader.end_offsets(list(reader.assignment()))).items() if end}
        while left:
            for place, records in (await reader.getmany(timeout_ms=500)).items():
                for record in records:
                    if record.key in shown:
                        lines[record.key].append((record.timestamp / 1000, _record(record)))
                if await reader.position(place) >= left.get(place, 0):
                    left.pop(place, None)
    finally:
        await reader.stop()
    _add_messages(shown, lines, messages)
    return [line for key, debt in shown.items() for line in (f"{debt}", *(_dated(*entry) for entry in sorted(lines[key])))]


def _record(record: object) -> str:
    headers = tuple((name, value or b"") for name, value in record.headers)  # type: ignore[attr-defined]
    kind, event_id = header(headers, "ce_type") or "", header(headers, "ce_id")
    found = event_classes().get(kind)
    text = MessageToString(found.FromString(record.value), as_one_line=True) if found else ""  # type: ignore[attr-defined]
    return f"{record.topic}/{record.partition}@{record.offset} {kind.rpartition('.')[2]} {event_id} {text}"  # type: ignore[attr-defined]


def _add_messages(shown: dict[bytes, Debt], lines: dict[bytes, list[tuple[float, str]]], messages: Iterable[Seen]) -> None:
    """Instants of this process become those of the wall clock, as good as the two agree."""
    ahead = time.time() - time.monotonic()
    by_address = {debt.address: key for key, debt in shown.items()}
    for message in messages:
        if message.to in by_address:
            lines[by_address[message.to]].append((message.arrived_at + ahead, f"provider: {message}"))
    for key, debt in shown.items():
        lines[key].append((debt.published + ahead, "the invoice was published"))
        if debt.stop is not None:
            lines[key].append((debt.stop.fired + ahead, "the stop was fired"))
            if debt.stop.acknowledged is not None:
                lines[key].append((debt.stop.acknowledged + ahead, f"the stop was acknowledged, in flight {sorted(debt.stop.in_flight)}"))


def _dated(at: float, text: str) -> str:
    return f"  {datetime.fromtimestamp(at, UTC):%H:%M:%S.%f} {text}"
