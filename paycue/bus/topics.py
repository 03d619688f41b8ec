"""The topics and event types of `proto/topics.yaml`, as generated into `paycue/events/topics.json`.

Every other part asks here which topic carries a type and how many partitions there are; none names a number of its own.
"""

import importlib
import json
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from google.protobuf.message import Message

PACKAGE = "paycue.events.v1"
_MODULES = ("account", "directory", "dispute", "invoice", "message", "payment", "reminder", "stop")


class Topic(msgspec.Struct, frozen=True):
    """A topic: its key kind ("account" or "directory"), partitions, retention and the full names of the types it carries.

    `beats`: its owner says once a second and partition that nothing it committed before is missing.
    """

    name: str
    owner: str
    beats: bool
    key: str
    partitions: int
    compact: bool
    retention_ms: int
    types: tuple[str, ...]


@cache
def topics() -> dict[str, Topic]:
    """Every topic by name."""
    raw = json.loads(resources.files("paycue.events").joinpath("topics.json").read_text())
    return {name: _topic(name, spec) for name, spec in raw["topics"].items()}


def _topic(name: str, spec: dict[str, Any]) -> Topic:
    compact = spec["cleanup_policy"] == "compact"
    return Topic(name, spec["owner"], spec["beats"], spec["key"], spec["partitions"], compact, spec["retention_ms"], tuple(spec["types"]))


@cache
def event_classes() -> dict[str, type[Message]]:
    """Full type name -> generated class, of every type that stands in a topic."""
    wanted = {name for topic in topics().values() for name in topic.types}
    found: dict[str, type[Message]] = {}
    for stem in _MODULES:
        module = importlib.import_module(f"{PACKAGE}.{stem}_pb2")
        for attribute in vars(module).values():
            if isinstance(attribute, type) and issubclass(attribute, Message) and attribute.DESCRIPTOR.full_name in wanted:
                found[attribute.DESCRIPTOR.full_name] = attribute
    return found


@cache
def _topic_of_type() -> dict[str, Topic]:
    return {name: topic for topic in topics().values() for name in topic.types}


def topic_of(event: type[Message]) -> Topic:
    """The one topic that carries an event type. Raises KeyError for a type that stands in none."""
    return _topic_of_type()[event.DESCRIPTOR.full_name]


def topics_of(events: tuple[type[Message], ...]) -> tuple[str, ...]:
    """The topics that carry any of `events`, sorted."""
    return tuple(sorted({topic_of(event).name for event in events}))


@cache
def lanes() -> int:
    """The partitions that every account-keyed topic has as deployed by default."""
    return next(topic.partitions for topic in topics().values() if topic.key == "account")
