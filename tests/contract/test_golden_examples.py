"""Bytes once written are read for ever: every event type has an example in JSON and in bytes, and both say the same."""

import json
from pathlib import Path

import pytest
from google.protobuf import json_format

from tools import generate_contracts as contracts

EXAMPLES = contracts.PROTO / "examples"
CLASSES = contracts.event_classes()
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.binpb"))


def test_every_event_type_has_an_example_in_json_and_in_bytes() -> None:
    types = sorted(name.rpartition(".")[2] for name in contracts.read_definitions().events())
    assert types == NAMES
    assert types == sorted(path.stem for path in EXAMPLES.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_bytes_decode_to_the_json(name: str) -> None:
    message = CLASSES[name].FromString((EXAMPLES / f"{name}.binpb").read_bytes())
    assert json_format.MessageToDict(message, preserving_proto_field_name=True) == json.loads((EXAMPLES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_an_example_leaves_no_released_field_unsaid(name: str) -> None:
    message = CLASSES[name].FromString((EXAMPLES / f"{name}.binpb").read_bytes())
    silent = {"InvoiceSettled": {"balance.open_minor"}}.get(name, set())
    said = {field.name for field, _ in message.ListFields()}
    assert {field.name for field in message.DESCRIPTOR.fields} - said <= silent


def test_encoding_fills_in_only_what_is_missing(tmp_path: Path) -> None:
    for path in (EXAMPLES / "ReminderSkipped.json", EXAMPLES / "ReminderFailed.json", EXAMPLES / "ReminderFailed.binpb"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert contracts.encode_examples(tmp_path) == ["ReminderSkipped"]
    assert (tmp_path / "ReminderSkipped.binpb").read_bytes() == (EXAMPLES / "ReminderSkipped.binpb").read_bytes()
