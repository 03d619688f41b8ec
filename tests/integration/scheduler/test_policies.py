"""Policies over the API: publishing puts in force, a version never changes, and what is wrong is named with its place."""

import asyncio
import json
from typing import Any

from paycue.events.v1.reminder_pb2 import ReminderDue
from tests.integration.scheduler.facts import POLICY, YAML, issued, registered
from tests.integration.world import Running

STANDARD = "/v1/creditors/acme/policies/standard"


async def versions(running: Running) -> list[tuple[str, int, bool]]:
    items = (await running.client.get("/v1/creditors/acme/policies")).json()["items"]
    return [(item["policy"], item["version"], item["in_force"]) for item in items]


async def test_publishing_puts_in_force_and_the_same_again_changes_nothing(bare: Running) -> None:
    answers = [await bare.client.put(STANDARD, content=POLICY, headers=YAML) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert await versions(bare) == [("standard", 1, True)]


async def test_what_is_read_can_be_published_again_as_it_is(scheduler: Running) -> None:
    form = (await scheduler.client.get(STANDARD)).json()
    assert form["window"] == {"from": "09:00", "to": "18:00", "days": "all"}
    assert [step["when"] for step in form["steps"]] == ["due-7d", "due", "due+15d"]
    assert (await scheduler.client.put(STANDARD, json=form)).status_code == 200
    assert (await scheduler.client.put(STANDARD, json={**form, "version": 2})).status_code == 201
    assert await versions(scheduler) == [("standard", 2, True), ("standard", 1, False)]


async def test_a_version_is_read_by_its_number_and_without_one_the_last_published(scheduler: Running) -> None:
    await scheduler.client.put(STANDARD, content=POLICY.replace("version: 1", "version: 7"), headers=YAML)
    found = [(await scheduler.client.get(STANDARD + query)).json()["version"] for query in ("", "?version=1", "?version=7")]
    assert found == [7, 1, 7]
    for path in (f"{STANDARD}?version=2", "/v1/creditors/acme/policies/other"):
        assert (await scheduler.client.get(path)).status_code == 404
    assert (await scheduler.client.get(f"{STANDARD}?version=0")).status_code == 422


async def test_a_version_with_other_content_is_refused(scheduler: Running) -> None:
    answer = await scheduler.client.put(STANDARD, content=POLICY.replace("due + 15d", "due + 16d"), headers=YAML)
    assert (answer.status_code, answer.json()["title"]) == (409, "Policy version taken")
    assert "new version" in answer.json()["detail"]
    assert len((await scheduler.client.get(STANDARD)).json()["steps"]) == 3


async def test_an_older_version_can_come_back_into_force(scheduler: Running) -> None:
    await scheduler.client.put(STANDARD, content=POLICY.replace("version: 1", "version: 2"), headers=YAML)
    assert (await scheduler.client.put(STANDARD, content=POLICY, headers=YAML)).status_code == 200
    assert await versions(scheduler) == [("standard", 1, True), ("standard", 2, False)]


async def test_a_request_repeated_under_its_key_does_not_put_an_old_version_back(scheduler: Running) -> None:
    second = POLICY.replace("version: 1", "version: 2")
    keyed = {**YAML, "Idempotency-Key": "k-1"}
    first = await scheduler.client.put(STANDARD, content=second, headers=keyed)
    await scheduler.client.put(STANDARD, content=POLICY.replace("version: 1", "version: 3"), headers=YAML)
    again = await scheduler.client.put(STANDARD, content=second, headers=keyed)
    assert (again.status_code, again.content) == (201, first.content)
    assert (await versions(scheduler))[0] == ("standard", 3, True)
    other = await scheduler.client.put(STANDARD, content=POLICY, headers=keyed)
    assert (other.status_code, other.json()["title"]) == (422, "Idempotency key reused")


async def test_of_two_contents_published_at_once_under_one_version_one_is_refused(bare: Running) -> None:
    texts = [POLICY, POLICY.replace("due + 15d", "due + 16d")] * 3
    answers = await asyncio.gather(*(bare.client.put(STANDARD, content=text, headers=YAML) for text in texts))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201, 409, 409, 409]


async def test_a_policy_reaches_accounts_that_were_there_before_it(bare: Running) -> None:
    await bare.publish(registered(), issued())
    await bare.at("2013-01-14T00:00")
    assert bare.said(ReminderDue) == []
    await bare.client.put(STANDARD, content=POLICY, headers=YAML)
    assert (await bare.settle()).isoformat() == "2013-01-14T09:00:00+00:00"  # type: ignore[union-attr]
    await bare.at("2013-01-14T10:00")
    assert [reminder.policy_version for reminder in bare.said(ReminderDue)] == [1]


async def test_a_new_version_reminds_of_nothing_again(scheduler: Running) -> None:
    await scheduler.publish(registered(), issued())
    await scheduler.at("2013-01-14T00:00")
    await scheduler.client.put(STANDARD, content=POLICY.replace("version: 1", "version: 2"), headers=YAML)
    await scheduler.at("2013-01-21T00:00")
    assert [(r.policy_version, r.items[0].step) for r in scheduler.said(ReminderDue)] == [(1, "due-7d"), (2, "due")]


async def test_policies_come_in_pages(scheduler: Running) -> None:
    for version in range(2, 6):
        await scheduler.client.put(STANDARD, content=POLICY.replace("version: 1", f"version: {version}"), headers=YAML)
    seen: list[int] = []
    page: dict[str, Any] = {"next": ""}
    while page.get("next") is not None:
        query = {"limit": "2"} | ({"cursor": page["next"]} if page["next"] else {})
        page = (await scheduler.client.get("/v1/creditors/acme/policies", params=query)).json()
        seen += [item["version"] for item in page["items"]]
    assert seen == [5, 4, 3, 2, 1]


async def test_a_name_may_hold_any_character_that_is_not_a_control_character(bare: Running) -> None:
    text = POLICY.replace("policy: standard", "policy: " + json.dumps("EU/B2B ü 50%", ensure_ascii=False))
    path = "/v1/creditors/acme/policies/EU%2FB2B%20%C3%BC%2050%25"
    assert (await bare.client.put(path, content=text.encode(), headers=YAML)).status_code == 201
    assert (await bare.client.get(path)).json()["policy"] == "EU/B2B ü 50%"
