"""Reads proto/topics.yaml, the one list of topics, and turns it into what the kernel loads: paycue/events/topics.json.

It checks every entry and says which is wrong and what is expected. It must never guess a default that a topic's owner did not write.
"""

import json
import re
from pathlib import Path

import msgspec
import yaml

PACKAGE = "paycue.events.v1"
"""The protobuf package every type of proto/topics.yaml stands in."""

_DAY_MS = 86_400_000
_DAYS = re.compile(r"([1-9][0-9]*)d")


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of proto/topics.yaml as it is written."""

    about: str
    owner: str
    key: str
    retention: str
    types: list[str]
    producers: list[str]
    consumers: list[str]
    beats: bool = False
    """Whether its owner says once a second and partition that nothing older is missing: a stop feed."""
    partitions: int | None = None
    """None: the number that all account-keyed topics share."""


class Topics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    partitions: int
    topics: dict[str, Topic]


def read(path: Path) -> Topics:
    """The file's content. Raises SystemExit naming the file and the field when it is malformed."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), Topics)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise SystemExit(f"{path}: {error}") from None


def compiled(topics: Topics) -> str:
    """The canonical JSON the kernel reads: full type names, numbers of partitions, and each topic's settings at the broker."""
    entries = {name: _entry(name, topic, topics.partitions) for name, topic in topics.topics.items()}
    return json.dumps({"partitions": topics.partitions, "topics": entries}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _entry(name: str, topic: Topic, shared: int) -> dict[str, object]:
    return {
        "about": topic.about,
        "owner": topic.owner,
        "beats": topic.beats,
        "key": topic.key,
        "partitions": topic.partitions or shared,
        "cleanup_policy": "compact" if topic.retention == "compact" else "delete",
        "retention_ms": retention_ms(name, topic.retention),
        "timestamp_type": "LogAppendTime",
        "types": [f"{PACKAGE}.{kind}" for kind in topic.types],
        "producers": topic.producers,
        "consumers": topic.consumers,
    }


def retention_ms(name: str, retention: str) -> int:
    """Milliseconds a record is kept; -1 for ever. Raises SystemExit on anything but `90d`, `forever` and `compact`."""
    if retention in ("forever", "compact"):
        return -1
    if days := _DAYS.fullmatch(retention):
        return int(days[1]) * _DAY_MS
    expected = "`forever`, `compact` or a number of days such as `90d`"
    raise SystemExit(f"proto/topics.yaml: {name}: retention is {retention!r}; expected {expected}")
