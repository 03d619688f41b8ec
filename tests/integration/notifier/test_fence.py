"""A stop is acknowledged only when nothing can leave any more, and nothing leaves of what may have been stopped unheard."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from paycue.bus.envelope import Outgoing
from paycue.bus.feeds import BEAT_KEY, BEAT_TYPE, Feeds
from paycue.events.v1.directory_pb2 import CreditorRegistered
from paycue.events.v1.message_pb2 import ReminderExpired, ReminderSkipped
from paycue.events.v1.payment_pb2 import PaymentReturned
from paycue.events.v1.stop_pb2 import StopReceipt
from paycue.local.inbox import LocalInbox, SmtpFault
from tests.integration.notifier.conftest import Frozen, Notifier
from tests.integration.world import other_member
from tests.unit.notifier.story import MAIL, WHO, account, applied, balance, due, item, money

OPT_OUTS = "/v1/creditors/acme/accounts/a1/opt-outs"
BODY = {"address": MAIL, "evidence": "letter of 2013-01-02"}
BEATING = ("payments.events.v1", "disputes.events.v1", "accounts.state.v1")


async def opt_out(notifier: Notifier, prefer: str = "wait=5") -> Any:
    return await notifier.client.post(OPT_OUTS, json=BODY, headers={"Prefer": prefer})


async def under_way(notifier: Notifier, inbox: LocalInbox) -> str:
    """The call of a mail that was taken and is not answered."""
    inbox.fail(SmtpFault("accepted", silent=True))
    await notifier.publish(account(MAIL))
    await notifier.bus.publish([notifier._record(due(item("i1")), "due-1")])
    await inbox.wait_for(1)
    return inbox.received[0].message_id.partition("@")[0]


async def test_whoever_prefers_to_wait_hears_that_the_stop_is_in_force(notifier: Notifier) -> None:
    await notifier.publish(account(MAIL))
    answer = await opt_out(notifier)
    receipt = answer.json()["stop"]["receipt"]
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "wait=5")
    assert (receipt["kind"], receipt["calls_in_flight"]) == ("opt_out", [])
    again = await notifier.client.get(f"/v1/creditors/acme/stops/{receipt['stop_id']}")
    assert again.json() == receipt


async def test_a_stop_that_is_not_in_force_in_time_is_accepted_and_no_more(notifier: Notifier, inbox: LocalInbox) -> None:
    await under_way(notifier, inbox)
    answer = await opt_out(notifier, "respond-async, wait=1")
    assert (answer.status_code, answer.json()["stop"]["receipt"]) == (202, None)
    stop = f"/v1/creditors/acme/stops/{answer.json()['stop']['stop_id']}"
    assert (await notifier.client.get(stop)).status_code == 404
    await notifier.later(5)
    assert (await notifier.client.get(stop)).status_code == 200


async def test_after_five_seconds_the_receipt_names_the_call_in_flight(notifier: Notifier, inbox: LocalInbox) -> None:
    call = await under_way(notifier, inbox)
    asked = asyncio.ensure_future(opt_out(notifier))
    while not (await notifier.client.get("/v1/creditors/acme/accounts/a1/gate")).json()["contact_points"][0]["suppressed"]:
        await asyncio.sleep(0.02)
    notifier.clock.set(notifier.clock.now() + timedelta(seconds=5))
    receipt = (await asked).json()["stop"]["receipt"]
    assert receipt["calls_in_flight"] == [call]


async def test_a_fact_on_a_topic_is_acknowledged_under_its_event_id(notifier: Notifier) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(money("p1", "i1"), event_id="pay-1")
    assert [receipt.stop_id for receipt in notifier.said(StopReceipt)] == ["pay-1"]


async def test_a_process_frozen_between_claim_and_first_byte_sends_nothing_when_it_wakes(
    notifier: Notifier, inbox: LocalInbox, freeze: Frozen
) -> None:
    await notifier.publish(account(MAIL))
    freeze(notifier.runtime.settings.start_by_seconds + 0.1)
    await notifier.publish(due())
    told = await notifier.story()
    assert [attempt["what"] for attempt in told["attempts"]] == ["claimed", "not_started", "claimed", "accepted"]
    assert inbox.count == 1


@pytest.fixture
def strict(notifier: Notifier) -> Feeds:
    """Feeds that have to be fresh, as they are read."""
    feeds = notifier.runtime.feeds
    assert feeds is not None
    feeds.limit = 30
    return feeds


async def beat(notifier: Notifier, *topics: str) -> None:
    """What the owners of these topics say once a second, heard by a consumer that had read all before."""
    await asyncio.sleep(0.5)
    lanes = range(notifier.bus.partitions(BEATING[0]))
    headers = (("ce_type", BEAT_TYPE.encode()),)
    await notifier.bus.publish([Outgoing(topic, lane, BEAT_KEY, b"", headers) for topic in topics for lane in lanes])
    await notifier.settle()
    await asyncio.sleep(0.3)


async def test_nothing_is_claimed_while_a_stop_feed_is_stale(notifier: Notifier, inbox: LocalInbox, strict: Feeds) -> None:
    await beat(notifier, *BEATING[:2])
    await notifier.publish(account(MAIL), due())
    assert inbox.count == 0
    (message,) = (await notifier.client.get("/v1/creditors/acme/messages")).json()["items"]
    assert (message["status"], message["reason"]) == ("pending", "stop_feed_stale")
    assert "accounts.state.v1 too old" in notifier.runtime.notes()[0]
    await beat(notifier, *BEATING)
    await notifier.later(10)
    assert inbox.count == 1
    assert notifier.runtime.notes() == []


async def test_a_message_that_expires_unheard_says_so(notifier: Notifier, inbox: LocalInbox, strict: Feeds) -> None:
    await notifier.publish(account(MAIL), due(until=timedelta(seconds=25)))
    notifier.clock.set(notifier.clock.now() + timedelta(days=80))
    await notifier.settle()
    assert [event.reason for event in notifier.said(ReminderExpired)] == ["stop_feed_stale"]
    assert inbox.count == 0


async def test_a_creditor_that_is_being_suspended_sends_nothing(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(CreditorRegistered(tenant_id="acme", name="Acme", zone="UTC", suspended="contract ended"))
    await notifier.publish(due())
    assert inbox.count == 0
    assert [event.reason for event in notifier.said(ReminderSkipped)] == ["creditor_suspended"]


async def test_the_suspension_of_a_creditor_has_a_receipt_that_names_the_call_in_flight(notifier: Notifier, inbox: LocalInbox) -> None:
    call = await under_way(notifier, inbox)
    suspended = CreditorRegistered(tenant_id="acme", name="Acme", zone="UTC", suspended="contract ended")
    await notifier.bus.publish([notifier._record(suspended, "left-1")])
    while (answer := await notifier.client.get("/v1/creditors/acme/stops/left-1")).status_code == 404:
        await asyncio.sleep(0.05)
        notifier.clock.set(notifier.clock.now() + timedelta(seconds=1))
    receipt = answer.json()
    assert (receipt["kind"], receipt["cause"], receipt["calls_in_flight"]) == ("suspension", "suspension", [call])


async def test_nothing_is_claimed_while_the_creditor_is_being_changed(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    known = await notifier.runtime.directory.creditor("acme")
    assert known is not None
    async with notifier.runtime.store.transaction(()) as unit:
        await unit.write_entry("creditor:acme", msgspec.msgpack.encode(replace(known, suspended="contract ended")))
        await notifier.publish(due())
        assert inbox.count == 0
        assert (await notifier.story())["reason"] == "creditor_unknown"


async def test_a_raw_return_does_not_open_the_gate(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(money("p1", "i1"), event_id="pay-1")
    await notifier.publish(PaymentReturned(**WHO, return_id="b1", payment_id="p1", currency="EUR", amount_minor=5000))
    await notifier.publish(due(item("i1")))
    assert inbox.count == 0
    await notifier.publish(balance("i1", 5000, 1), applied("p1", "pay-1"))
    assert inbox.count == 1


async def test_what_is_due_on_a_lane_that_another_process_owns_is_left_to_it(notifier: Notifier, inbox: LocalInbox) -> None:
    ours = next(name for name in map(str, range(100)) if notifier.runtime.folder.lane(("acme", name)) == 0)
    inbox.fail(SmtpFault("rcpt", "451 4.7.1 greylisted", times=2))
    await notifier.publish(account(MAIL), due(), of(ours, account(MAIL)), of(ours, due(key="r2")))
    members = [await other_member(notifier, "notifier.stops") for _ in range(notifier.bus.partitions(BEATING[0]) - 1)]
    assert notifier.runtime.lanes() == {0}
    notifier.clock.set(notifier.clock.now() + timedelta(seconds=30))
    await inbox.wait_for(1)
    assert (await notifier.story("r2", ours))["status"] in ("claimed", "sent")
    assert (await notifier.story())["status"] == "pending"
    for member in members:
        await member.stop()
    await notifier.settle()
    assert inbox.count == 2


async def test_a_reminder_on_a_lane_that_another_process_owns_is_not_claimed_when_it_comes(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    members = [await other_member(notifier, "notifier.stops") for _ in range(notifier.bus.partitions(BEATING[0]) - 1)]
    await notifier.bus.publish([notifier._record(due(), "due-1")])
    while not (await notifier.client.get("/v1/creditors/acme/messages")).json()["items"]:
        await asyncio.sleep(0.02)
    assert [attempt["what"] for attempt in (await notifier.story())["attempts"]] == []
    for member in members:
        await member.stop()
    await notifier.settle()
    assert inbox.count == 1


def of(account_id: str, event: Any) -> Any:
    """The same about another account."""
    event.account_id = account_id
    return event
