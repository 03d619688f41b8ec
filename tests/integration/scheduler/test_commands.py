"""Pauses and manual reminders over the API: they take effect on what follows, once per request, and are refused with what to do."""

import pytest

from paycue.events.v1.account_pb2 import AccountState
from paycue.events.v1.reminder_pb2 import ReminderDue
from tests.integration.scheduler.facts import disputed, issued, registered, settled
from tests.integration.world import Running

A1 = "/v1/creditors/acme/accounts/A1"
PAUSE, REMINDERS = f"{A1}/pause", f"{A1}/reminders"
I1_PAUSE = f"{A1}/invoices/I1/pause"


@pytest.fixture
async def owing(scheduler: Running) -> Running:
    """A1 owes I1 and I2; it is the morning before the first step."""
    await scheduler.publish(registered(), issued("I1"), issued("I2"))
    await scheduler.at("2013-01-12T10:00")
    return scheduler


async def test_a_paused_account_is_silent_until_it_is_resumed_and_others_are_told(owing: Running) -> None:
    answer = await owing.client.put(PAUSE, json={"reason": "asked to wait"})
    stop = {"stop_id": answer.json()["stop"]["stop_id"], "receipt": None}
    assert answer.json() == {"paused": True, "paused_invoice_ids": [], "next_action_at": "2013-01-13T09:00:00Z", "stop": stop}
    await owing.at("2013-01-19T00:00")
    assert owing.said(ReminderDue) == []
    assert (await owing.client.delete(PAUSE, params={"reason": "they wrote"})).json()["paused"] is False
    await owing.at("2013-01-21T00:00")
    assert [reminder.items[0].step for reminder in owing.said(ReminderDue)] == ["due", "due"]
    assert [(state.version, state.paused) for state in owing.said(AccountState)] == [(1, True), (2, False)]


async def test_a_paused_invoice_is_left_out_until_its_day(owing: Running) -> None:
    answer = await owing.client.put(I1_PAUSE, json={"reason": "being checked", "until": "2013-01-20"})
    assert answer.json()["paused_invoice_ids"] == ["I1"]
    await owing.at("2013-01-21T00:00")
    sent = [(reminder.items[0].invoice_id, reminder.items[0].step) for reminder in owing.said(ReminderDue)]
    assert sorted(sent) == [("I1", "due"), ("I2", "due"), ("I2", "due-7d")]
    assert (await owing.client.delete(I1_PAUSE)).status_code == 409


async def test_a_pause_that_would_be_over_or_is_of_nothing_known_is_refused(owing: Running) -> None:
    over = await owing.client.put(PAUSE, json={"reason": "x", "until": "2013-01-12"})
    assert (over.status_code, over.json()["title"]) == (422, "The pause would be over")
    for path in (f"{A1}/invoices/I9/pause", "/v1/creditors/acme/accounts/A9/pause"):
        assert (await owing.client.put(path, json={"reason": "x"})).status_code == 404
    assert await owing.rows("select account_id from scheduler.account") == await owing.rows("select 'A1'")


async def test_a_person_reminds_now_and_it_counts_as_a_contact(owing: Running) -> None:
    answer = await owing.client.post(REMINDERS, json={"invoice_ids": ["I1"]})
    told = answer.json()
    assert (answer.status_code, told["invoice_ids"], told["left_out"], told["planned_on"]) == (201, ["I1"], [], "2013-01-12")
    await owing.settle()
    (reminder,) = owing.said(ReminderDue)
    assert (reminder.reminder_id, reminder.manual, [item.invoice_id for item in reminder.items]) == (told["reminder_id"], True, ["I1"])
    assert (await owing.client.get(A1)).json()["last_contact_on"] == "2013-01-12"


async def test_a_manual_reminder_without_a_body_covers_what_is_open_and_says_what_it_leaves_out(owing: Running) -> None:
    await owing.publish(disputed("I2"))
    told = (await owing.client.post(REMINDERS)).json()
    assert (told["invoice_ids"], told["left_out"]) == (["I1"], [{"invoice_id": "I2", "reason": "disputed"}])


async def test_the_same_request_under_one_key_is_one_reminder(owing: Running) -> None:
    keyed = {"Idempotency-Key": "k-1"}
    first, again = [await owing.client.post(REMINDERS, json={}, headers=keyed) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    await owing.settle()
    assert len(owing.said(ReminderDue)) == 1
    other = await owing.client.post(REMINDERS, json={"invoice_ids": ["I1"]}, headers=keyed)
    assert (other.status_code, other.json()["title"]) == (422, "Idempotency key reused")
    await owing.client.post(REMINDERS, json={})
    await owing.settle()
    assert len(owing.said(ReminderDue)) == 2


async def test_nothing_is_sent_where_nothing_may_be_and_the_answer_says_what_to_do(owing: Running) -> None:
    await owing.at("2013-01-12T20:00")
    night = await owing.client.post(REMINDERS)
    assert (night.status_code, night.json()["detail"].partition(":")[0]) == (409, "outside_window")
    assert (await owing.client.post(REMINDERS, json={"any_hour": True})).status_code == 201
    await owing.publish(settled("I1"), settled("I2"))
    assert (await owing.client.post(REMINDERS, json={"any_hour": True})).json()["detail"].startswith("settled")
    assert (await owing.client.post(REMINDERS, json={"invoice_ids": ["I9"]})).status_code == 404
    assert (await owing.client.post("/v1/creditors/acme/accounts/A9/reminders")).status_code == 404


async def test_an_id_with_a_slash_is_sent_escaped(owing: Running) -> None:
    await owing.publish(issued("2013/001", account="K/7"))
    path = "/v1/creditors/acme/accounts/K%2F7/invoices/2013%2F001/pause"
    answer = await owing.client.put(path, json={"reason": "x"})
    assert answer.json()["paused_invoice_ids"] == ["2013/001"]
