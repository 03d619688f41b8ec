"""proto/topics.yaml is complete: every type stands in one topic, everybody named is somebody, and lanes line up."""

import importlib
import json
from collections import Counter
from pathlib import Path

import pytest

from tools import generate_contracts as contracts
from tools import topics as declared
from tools.topics import Topics

TOPICS = declared.read(contracts.PROTO / "topics.yaml")
SERVICES = ("scheduler", "notifier", "payments", "disputes")
OUTSIDE = ("operator", "erp")
BY_THE_KERNEL = ("operator.directory.v1", "stops.receipts.v1")
"""Kept in every service the same way, by no handler of its own."""


def test_every_event_type_stands_in_exactly_one_topic() -> None:
    standing = Counter(f"{declared.PACKAGE}.{kind}" for topic in TOPICS.topics.values() for kind in topic.types)
    assert standing == Counter(contracts.read_definitions().events())


def test_everybody_named_is_a_service_or_a_source_outside() -> None:
    named = {who for topic in TOPICS.topics.values() for who in (topic.owner, *topic.producers, *topic.consumers)}
    assert named == {*SERVICES, *OUTSIDE}


def test_a_topic_is_named_after_its_owner_and_has_a_reader() -> None:
    for name, topic in TOPICS.topics.items():
        things = {"scheduler": ("reminders", "accounts"), "notifier": ("reminders", "stops")}.get(topic.owner, (topic.owner,))
        assert name.startswith(things), f"{name} belongs to {topic.owner}"
        assert topic.owner in topic.producers
        assert topic.consumers
        assert not {*topic.producers} & {*topic.consumers}


def test_account_keyed_topics_share_their_number_of_partitions() -> None:
    compiled = json.loads(declared.compiled(TOPICS))["topics"]
    assert {topic["partitions"] for topic in compiled.values() if topic["key"] == "account"} == {TOPICS.partitions}
    assert {topic["key"] for topic in compiled.values()} == {"account", "directory"}


def test_records_are_kept_by_the_time_they_were_written_never_by_business_time() -> None:
    compiled = json.loads(declared.compiled(TOPICS))["topics"]
    assert {topic["timestamp_type"] for topic in compiled.values()} == {"LogAppendTime"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_folds_something_of_each_topic_it_reads_and_nothing_else(service: str) -> None:
    folded = _folded(service)
    read = {name: {*topic.types} for name, topic in TOPICS.topics.items() if service in topic.consumers and name not in BY_THE_KERNEL}
    assert {name for name, types in read.items() if not types & folded} == set(), f"{service} reads these and folds nothing of them"
    assert folded - {kind for types in read.values() for kind in types} == set(), f"{service} folds these and proto/topics.yaml denies it"


def _folded(service: str) -> set[str]:
    """The event types among the keys of the service's HANDLERS."""
    handlers: list[type] = list(importlib.import_module(f"services.{service}.handlers").HANDLERS)
    classes = contracts.event_classes()
    return {kind.__name__ for kind in handlers if classes.get(kind.__name__) is kind}


@pytest.mark.parametrize("retention", ["90", "d", "0d", "90 d", "1w", ""])
def test_a_retention_that_cannot_be_read_names_its_topic_and_what_is_expected(retention: str) -> None:
    with pytest.raises(SystemExit, match=r"some\.topic\.v1: retention .* expected `forever`"):
        declared.retention_ms("some.topic.v1", retention)


def test_a_key_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text("partitions: 8\nreplicas: 3\ntopics: {}\n")
    with pytest.raises(SystemExit, match="replicas"):
        declared.read(path)


def test_an_empty_list_of_topics_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text("partitions: 8\ntopics: {}\n")
    assert declared.read(path) == Topics(partitions=8, topics={})
