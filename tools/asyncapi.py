"""Writes docs/api/asyncapi.yaml: what stands on every topic, for those who publish to it or consume it.

Everything in it comes from proto/topics.yaml, the .proto files and the golden examples; it must never say what they do not.
"""

import json
from pathlib import Path
from typing import TypeAlias

import yaml

from tools.protobuf_source import Definitions
from tools.topics import PACKAGE, Topic, Topics, retention_ms

Node: TypeAlias = dict[str, object]

_KEYS = {
    "account": ("`tenant:account`: a creditor's slug, a colon, the account's id.", "acme:C-1001"),
    "directory": ("`creditor:<tenant>` or `key:<key id>`: whose present state the record is.", "creditor:acme"),
}
_PROTOBUF = "application/vnd.google.protobuf;version=3"
_ID = "acf0b4b6-91bc-8e2a-a1f5-5d0a1c2e3f40"
_HEADERS: dict[str, Node] = {
    "ce_specversion": {"type": "string", "const": "1.0", "description": "The version of CloudEvents."},
    "ce_id": {"type": "string", "minLength": 1, "description": "Unique within ce_source; the same id again changes nothing."},
    "ce_source": {"type": "string", "format": "uri-reference", "minLength": 1, "description": "Who publishes, such as `/erp/acme`."},
    "ce_type": {"type": "string", "description": "The full name of the protobuf message."},
    "ce_time": {"type": "string", "format": "date-time", "description": "Business time: when it happened, RFC 3339 in UTC."},
    "content-type": {"type": "string", "const": "application/protobuf", "description": "How the value is written."},
    "traceparent": {"type": "string", "description": "W3C trace context, if the publisher has one."},
}
_REQUIRED = [name for name in _HEADERS if name != "traceparent"]


class _Text(str):
    """A string that is written as a block, line by line."""


class _Dumper(yaml.SafeDumper):
    """YAML without anchors and with readable blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(_Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


def document(topics: Topics, definitions: Definitions, examples: Path) -> str:
    """The AsyncAPI 3.0 document, as YAML."""
    keys = {kind: topic.key for topic in topics.topics.values() for kind in topic.types}
    body: Node = {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/protobuf",
        "servers": {"kafka": {"host": "localhost:9092", "protocol": "kafka", "description": "Apache Kafka 4.0 or newer."}},
        "channels": {name: _channel(name, topic, topics.partitions) for name, topic in topics.topics.items()},
        "operations": {key: value for name, topic in topics.topics.items() for key, value in _operations(name, topic).items()},
        "components": {
            "messageTraits": {"cloudEvent": _cloud_event()},
            "messages": {kind: _message(kind, key, definitions, examples) for kind, key in keys.items()},
        },
    }
    note = "# Generated from proto/ by `make proto`; edit proto/topics.yaml and the .proto files instead.\n"
    return note + yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=140)


def _info() -> Node:
    about = (
        "Every topic of paycue, what stands on it and who writes and reads it. Values are protobuf messages; CloudEvents 1.0 attributes "
        "travel as Kafka headers (binary mode). Amounts are integer minor units; dates are local to the debtor."
    )
    return {"title": "paycue events", "version": "1", "description": about, "license": {"name": "Apache-2.0"}}


def _channel(name: str, topic: Topic, shared: int) -> Node:
    compact = topic.retention == "compact"
    settings = {"cleanup.policy": ["compact" if compact else "delete"], "retention.ms": retention_ms(name, topic.retention)}
    binding = {"topic": name, "partitions": topic.partitions or shared, "topicConfiguration": settings, "bindingVersion": "0.5.0"}
    return {
        "address": name,
        "description": topic.about,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in topic.types},
        "bindings": {"kafka": binding},
        "x-owner": topic.owner,
        "x-timestamp-type": "LogAppendTime",
    }


def _operations(name: str, topic: Topic) -> Node:
    """One operation per writer and reader; the name says who does what."""
    pairs = [(who, "send") for who in topic.producers] + [(who, "receive") for who in topic.consumers]
    return {f"{who}.{action}.{name}": {"action": action, "channel": {"$ref": f"#/channels/{name}"}} for who, action in pairs}


def _cloud_event() -> Node:
    return {
        "contentType": "application/protobuf",
        "headers": {"type": "object", "required": _REQUIRED, "properties": _HEADERS},
    }


def _message(kind: str, key: str, definitions: Definitions, examples: Path) -> Node:
    full_name = f"{PACKAGE}.{kind}"
    about, example = _KEYS[key]
    payload = json.loads((examples / f"{kind}.json").read_text())
    headers = {"ce_specversion": "1.0", "ce_id": _ID, "ce_source": "/example", "ce_type": full_name, "ce_time": "2026-03-02T09:00:00Z"}
    return {
        "name": full_name,
        "title": kind,
        "summary": definitions.about(full_name),
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"schemaFormat": _PROTOBUF, "schema": _Text(definitions.text(full_name))},
        "bindings": {"kafka": {"key": {"type": "string", "description": about, "examples": [example]}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": "golden", "headers": headers | {"content-type": "application/protobuf"}, "payload": payload}],
    }
