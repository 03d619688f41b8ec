"""A policy as people write it: what is read, what is refused and in which words, and that it comes back the same."""

from datetime import time

import msgspec
import pytest

from paycue.handwritten import HandwrittenError
from services.scheduler.domain.policy import Policy, Step
from services.scheduler.domain.policy_form import policy_form, policy_from, read_policy

FULL = """\
policy: standard
version: 3
consolidate: account
window: {from: "09:00", to: 18:00, days: working}
minimum_gap: 2d
caps: none
spread: none
steps:
  - {when: due - 7d,  stage: friendly, channels: [email]}
  - {when: due,       stage: firm,     channels: [email, sms]}
  - {when: due + 15d, stage: legal,    channels: [sms]}
"""
STEP = "steps: [{when: due, stage: friendly, channels: [email]}]"


def test_every_key_is_read() -> None:
    policy = read_policy(FULL)
    assert policy == Policy(
        name="standard",
        version=3,
        steps=(
            Step("due-7d", -7, "friendly", ("email",)),
            Step("due", 0, "firm", ("email", "sms")),
            Step("due+15d", 15, "legal", ("sms",)),
        ),
        consolidate="account",
        window_from=time(9),
        window_to=time(18),
        days="working",
        minimum_gap=2,
    )


def test_a_key_that_is_absent_is_off() -> None:
    policy = read_policy(f"policy: p\nversion: 1\n{STEP}")
    assert (policy.consolidate, policy.window_from, policy.window_to, policy.days, policy.minimum_gap) == (
        "invoice",
        time(),
        time(),
        "all",
        0,
    )


def test_a_policy_comes_back_as_it_was_written_and_survives_json() -> None:
    policy = read_policy(FULL)
    assert policy_from(policy_form(policy)) == policy
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
    assert policy_form(read_policy(f"policy: p\nversion: 1\n{STEP}"))["window"] == {"from": "00:00", "to": "24:00", "days": "all"}


def test_the_ladder_is_by_date_and_the_steps_stay_as_written() -> None:
    policy = read_policy(FULL.replace("due - 7d", "due + 99d"))
    assert [step.when for step in policy.steps] == ["due+99d", "due", "due+15d"]
    assert policy.offsets == (0, 15, 99)


@pytest.mark.parametrize(
    ("found", "written", "line", "field", "expected"),
    [
        ("version: 3", "version: three", 2, "version", "a whole number"),
        ("version: 3", "version: 0", 2, "version", "at least 1"),
        ("consolidate: account", "consolidate: party", 3, "consolidate", "one of invoice, account"),
        ('"09:00"', '"9:00"', 4, "window.from", "a local time"),
        ('"09:00"', '"24:00"', 4, "window.from", "a local time"),
        ('"09:00"', "19:00", 4, "window.to", "after the window's from, 19:00"),
        ("to: 18:00", 'to: "00:00"', 4, "window.to", '"24:00"'),
        ("days: working", "days: weekdays", 4, "window.days", "one of all, working"),
        ("days: working", "holidays: AT", 4, "window.holidays", "one of from, to, days"),
        ("minimum_gap: 2d", "minimum_gap: 2", 5, "minimum_gap", "such as 3d"),
        ("caps: none", "caps: us-reg-f", 6, "caps", "rule packs come in a later version"),
        ("spread: none", "spread: window", 7, "spread", "none"),
        ("caps: none", "cap: none", 6, "cap", "one of policy, version"),
        ("due - 7d", "due - 7", 9, "steps[1].when", "due - 7d"),
        ("due - 7d", "issued + 7d", 9, "steps[1].when", "due - 7d"),
        ("due - 7d", "due + 4000d", 9, "steps[1].when", "at most 3650 days"),
        ("due + 15d", "due + 0d", 11, "steps[3].when", "due stands for it already"),
        ("due + 15d", "due-7d", 11, "steps[3].when", "due-7d stands for it already"),
        ("stage: legal", "stage: rude", 11, "steps[3].stage", "one of friendly, firm"),
        ("stage: legal", "stag: legal", 11, "steps[3].stag", "one of when, stage, channels"),
        ("channels: [sms]", "channels: [letter]", 11, "steps[3].channels[1]", "one of email, sms"),
        ("channels: [sms]", "channels: [fax]", 11, "steps[3].channels[1]", "one of email, sms"),
        ("channels: [sms]", "channels: [sms, sms]", 11, "steps[3].channels[2]", "each channel once"),
        ("channels: [sms]", "channels: []", 11, "steps[3].channels", "at least one"),
        ("channels: [sms]", "channels: sms", 11, "steps[3].channels", "a list"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_field(found: str, written: str, line: int, field: str, expected: str) -> None:
    assert found in FULL
    with pytest.raises(HandwrittenError) as refused:
        read_policy(FULL.replace(found, written), "policy.yaml")
    error = refused.value
    assert (error.file, error.line, error.field) == ("policy.yaml", line, field)
    assert expected in error.expected


def test_a_channel_of_a_later_version_is_said_to_be_one() -> None:
    with pytest.raises(HandwrittenError, match="'letter', which is not available in this version"):
        read_policy(FULL.replace("[sms]", "[letter]"))


@pytest.mark.parametrize("key", ["policy", "version", "steps"])
def test_name_version_and_steps_have_to_be_there(key: str) -> None:
    form = {name: value for name, value in policy_form(read_policy(FULL)).items() if name != key}
    with pytest.raises(HandwrittenError) as refused:
        policy_from(form)
    assert refused.value.field == key


def test_a_policy_without_steps_is_refused() -> None:
    with pytest.raises(HandwrittenError, match="0 steps"):
        read_policy("policy: p\nversion: 1\nsteps: []")
