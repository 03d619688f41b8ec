"""The written form of a policy: YAML by hand or JSON over the API, read strictly and given back the same.

Every refusal is a HandwrittenError that names file, line, field, what was found and what is expected. It must never accept a key it
does not obey: what this version cannot do is refused, not ignored.
"""

import json
import re
from collections.abc import Mapping
from datetime import time

from paycue.handwritten import HandwrittenError, Node, read
from services.scheduler.domain.policy import CHANNELS, CONSOLIDATIONS, DAYS, MIDNIGHT, STAGES, Policy, Step

_WHEN = re.compile(r"due(?:([+-])(\d{1,4})d)?")
_HOUR = re.compile(r"(\d\d):(\d\d)")
_DAYS = re.compile(r"(\d{1,3})d")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}")
_LATER_CHANNELS = ("whatsapp", "voice", "push", "inbox", "letter", "call", "webhook")
_MOST_STEPS = 100
_MOST_DAYS = 3650


def read_policy(text: str, name: str = "") -> Policy:
    """The policy that a YAML text holds; `name` is what errors call it. Raises HandwrittenError."""
    root = read(text, name).only("policy", "version", "consolidate", "window", "minimum_gap", "caps", "spread", "steps")
    for key, later in (("caps", "rule packs come in a later version"), ("spread", "every step fires when the window opens")):
        if (node := root.get(key)) is not None and node.text() != "none":
            node.fail(f"none ({later})")
    opens, closes, days = _window(root.get("window"))
    consolidate, gap = root.get("consolidate"), root.get("minimum_gap")
    return Policy(
        name=root.required("policy").parsed(_name, "a name of 1 to 64 characters"),
        version=root.required("version").integer(1, 2**31 - 1),
        steps=_steps(root.required("steps")),
        consolidate=consolidate.choice(*CONSOLIDATIONS) if consolidate else "invoice",
        window_from=opens,
        window_to=closes,
        days=days,
        minimum_gap=gap.parsed(_gap, "a number of days, such as 3d") if gap else 0,
    )


def policy_from(form: Mapping[str, object], name: str = "policy") -> Policy:
    """The policy in a decoded JSON object of the same keys. Raises HandwrittenError without a line: its field says where."""
    try:
        return read_policy(json.dumps(form, ensure_ascii=False), name)
    except HandwrittenError as error:
        raise HandwrittenError(name, 0, error.field, error.found, error.expected) from None


def policy_from_json(text: str, name: str = "policy") -> Policy:
    """The policy in a JSON text of the same keys, read as strictly as a file. Raises HandwrittenError as `policy_from` does."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        for place, (key, _) in enumerate(pairs):
            if key in dict(pairs[:place]):
                raise HandwrittenError(name, 0, key, f"the key {key!r} a second time", "it once")
        return dict(pairs)

    try:
        form = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise HandwrittenError(name, 0, "", f"no JSON ({error})", "a JSON object") from None
    return policy_from(form, name)


def policy_form(policy: Policy) -> dict[str, object]:
    """What `policy_from` reads: the keys people write, in their order."""
    closes = "24:00" if policy.window_to == MIDNIGHT else policy.window_to.strftime("%H:%M")
    return {
        "policy": policy.name,
        "version": policy.version,
        "consolidate": policy.consolidate,
        "window": {"from": policy.window_from.strftime("%H:%M"), "to": closes, "days": policy.days},
        "minimum_gap": f"{policy.minimum_gap}d",
        "caps": "none",
        "spread": "none",
        "steps": [{"when": step.when, "stage": step.stage, "channels": list(step.channels)} for step in policy.steps],
    }


def _window(node: Node | None) -> tuple[time, time, str]:
    if node is None:
        return MIDNIGHT, MIDNIGHT, "all"
    node.only("from", "to", "days")
    opens, closes, days = node.get("from"), node.get("to"), node.get("days")
    first = opens.parsed(_hour, 'a local time from "00:00" to "23:59"') if opens else MIDNIGHT
    last = closes.parsed(_closing_hour, 'a local time from "00:01" to "24:00"') if closes else MIDNIGHT
    if closes and last != MIDNIGHT and last <= first:
        closes.fail(f"a local time after the window's from, {first:%H:%M}")
    return first, last, days.choice(*DAYS) if days else "all"


def _steps(node: Node) -> tuple[Step, ...]:
    nodes = node.list()
    if not 1 <= len(nodes) <= _MOST_STEPS:
        node.fail(f"1 to {_MOST_STEPS} steps", f"{len(nodes)} steps")
    steps: list[Step] = []
    for each in nodes:
        step = _step(each)
        if same := next((other for other in steps if other.offset_days == step.offset_days), None):
            each.required("when").fail(f"a day of its own; {same.when} stands for it already")
        steps.append(step)
    return tuple(steps)


def _step(node: Node) -> Step:
    node.only("when", "stage", "channels")
    when, offset = node.required("when").parsed(_when, f"due, due - 7d or due + 15d, at most {_MOST_DAYS} days off")
    return Step(when, offset, node.required("stage").choice(*STAGES), _channels(node.required("channels")))


def _channels(node: Node) -> tuple[str, ...]:
    found: list[str] = []
    for each in node.list():
        channel = each.text()
        if channel in _LATER_CHANNELS:
            each.fail(f"one of {', '.join(CHANNELS)}", f"{channel!r}, which is not available in this version")
        if each.choice(*CHANNELS) in found:
            each.fail("each channel once", f"{channel!r} a second time")
        found.append(channel)
    if not found:
        node.fail(f"at least one of {', '.join(CHANNELS)}", "an empty list")
    return tuple(found)


def _when(text: str) -> tuple[str, int]:
    name = "".join(text.split())
    match = _WHEN.fullmatch(name)
    if match is None or int(match[2] or 0) > _MOST_DAYS:
        raise ValueError(text)
    return name, int(f"{match[1] or ''}{match[2] or 0}")


def _hour(text: str) -> time:
    match = _HOUR.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return time(int(match[1]), int(match[2]))


def _closing_hour(text: str) -> time:
    if text == "24:00":
        return MIDNIGHT
    if text == "00:00":
        raise ValueError(text)
    return _hour(text)


def _gap(text: str) -> int:
    match = _DAYS.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1])


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(text)
    return text
