"""What the inbox received is the truth: each reminder once, through failures, crashes and replays."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from paycue.bus.batch import Input
from paycue.events.v1.message_pb2 import ReminderExpired, ReminderFailed, ReminderSent, ReminderSkipped, ReminderUnknown
from paycue.local.inbox import LocalInbox, SmtpFault, TwilioFault
from services.notifier.domain.calls import Found, ProviderCall
from services.notifier.loops import Sender
from tests.integration.notifier.conftest import Notifier
from tests.unit.notifier.story import EMAIL, MAIL, PHONE, SMS, account, applied, balance, due, item, money

LEASE = 3 + 2 * 2 + 10


async def test_a_reminder_told_twice_and_replayed_from_the_start_is_one_mail(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(due(), event_id="due-1")
    await notifier.publish(due(), event_id="due-1")
    await notifier.publish(due(), event_id="due-2")
    (mail,) = inbox.received
    assert (mail.to, mail.recipients) == (MAIL, (MAIL,))
    assert re.search(r"\bi1\b", mail.text)
    assert "50.00 EUR" in mail.text
    assert mail.sent_at == notifier.clock.now()
    (sent,) = notifier.said(ReminderSent)
    assert (list(sent.invoice_ids), sent.channel) == (["i1"], EMAIL)
    told = await notifier.story()
    assert [attempt["what"] for attempt in told["attempts"]] == ["claimed", "accepted"]


async def test_a_stop_before_the_claim_keeps_the_message_in(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(money("p1", "i1"), event_id="pay-1")
    await notifier.publish(due(item("i1")))
    assert inbox.count == 0
    await notifier.publish(balance("i1", 0, 1))
    await notifier.publish(applied("p1", "pay-1"))
    assert inbox.count == 0
    assert [event.reason for event in notifier.said(ReminderSkipped)] == ["settled"]


async def test_a_payment_of_a_part_changes_the_amount_of_what_is_sent(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(money("p1"), event_id="pay-1")
    await notifier.publish(due(item("i1"), item("i2")))
    await notifier.publish(balance("i1", 0, 1), balance("i2", 123, 1))
    await notifier.publish(applied("p1", "pay-1"))
    (mail,) = inbox.received
    assert "1.23 EUR" in mail.text
    assert not re.search(r"\bi1\b", mail.text)


async def test_a_mail_that_was_refused_for_now_is_sent_later(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("rcpt", "451 4.7.1 greylisted"))
    await notifier.publish(account(MAIL), due())
    assert inbox.count == 0
    await notifier.later(30)
    assert inbox.count == 1
    assert len(notifier.said(ReminderSent)) == 1


async def test_a_refused_recipient_falls_back_to_the_next_channel_for_good(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("rcpt", "550 5.1.1 no such user"))
    await notifier.publish(account(MAIL, PHONE), due())
    await notifier.publish(due(item("i2"), key="r2"))
    assert [(message.channel, message.to) for message in inbox.received] == [("sms", PHONE), ("sms", PHONE)]
    gate = (await notifier.client.get("/v1/creditors/acme/accounts/a1/gate")).json()
    assert gate["suppressed"] == [{"address": MAIL, "reason": "undeliverable"}]


async def test_a_recipient_refused_on_the_only_channel_fails(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("dot", "554 5.7.1 spam"))
    await notifier.publish(account(MAIL), due())
    assert [event.reason for event in notifier.said(ReminderFailed)] == ["smtp_554_5.7.1"]


async def test_a_mail_accepted_by_a_server_that_then_drops_is_found_and_not_sent_again(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("accepted"))
    await notifier.publish(account(MAIL), due())
    assert (await notifier.story())["status"] == "unknown"
    await notifier.later(60)
    assert (await notifier.story())["status"] == "sent"
    assert inbox.count == 1
    assert (len(notifier.said(ReminderUnknown)), len(notifier.said(ReminderSent))) == (1, 1)


@pytest.mark.parametrize(("at", "received_before"), [("accepted", 1), ("content", 0)])
async def test_a_crash_between_claim_and_outcome_ends_in_one_mail(
    notifier: Notifier, inbox: LocalInbox, at: str, received_before: int
) -> None:
    inbox.fail(SmtpFault(at, silent=True))  # type: ignore[arg-type]
    await notifier.bus.publish([notifier._record(fact, f"crash-{n}") for n, fact in enumerate([account(MAIL), due()])])
    while not (rows := await notifier.rows("select status from notifier.message order by id desc")) or rows[0]["status"] != "claimed":
        await notifier.flow.moved(notifier.flow.moves, 0.05)
    while inbox._smtp_faults._faults:
        await asyncio.sleep(0.01)
    await notifier.kill()
    survivor = await notifier.restart()
    try:
        await survivor.later(LEASE - 1)
        assert (await survivor.story())["status"] == "claimed"
        await survivor.later(1)
        assert (await survivor.story())["status"] == "unknown"
        assert inbox.count == received_before
        await survivor.later(60)
        told = await survivor.story()
        assert (told["status"], inbox.count) == ("sent", 1)
        assert [attempt["what"] for attempt in told["attempts"]][:2] == ["claimed", "unknown"]
        await survivor.later(3 * 86400)
        assert inbox.count == 1
    finally:
        await survivor.runtime.stop()
        await survivor.client.aclose()


async def test_an_sms_refused_for_haste_waits_as_long_as_twilio_asks(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(TwilioFault("before", 429, 20429, "Too Many Requests", retry_after=7))
    await notifier.publish(account(PHONE), due(channels=(SMS,)))
    await notifier.later(6)
    assert inbox.count == 0
    await notifier.later(1)
    assert inbox.count == 1


async def test_an_sms_answered_with_an_error_of_twilios_own_is_looked_for(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(TwilioFault("accepted"))
    await notifier.publish(account(PHONE), due(channels=(SMS,)))
    assert (await notifier.story())["status"] == "unknown"
    await notifier.later(60)
    assert (await notifier.story())["status"] == "sent"
    assert inbox.count == 1


async def test_an_sms_that_twilio_lost_is_sent_again_once_that_is_certain(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(TwilioFault("before"))
    await notifier.publish(account(PHONE), due(channels=(SMS,)))
    assert ((await notifier.story())["status"], inbox.count) == ("unknown", 0)
    await notifier.later(60)
    assert ((await notifier.story())["status"], inbox.count) == ("sent", 1)


async def test_a_reminder_that_nothing_lets_out_expires(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(money("p1"))
    await notifier.publish(due())
    await notifier.at("2013-03-01T18:00:00")
    assert [event.reason for event in notifier.said(ReminderExpired)] == ["stop_unresolved"]
    assert inbox.count == 0
    (overdue,) = await notifier.rows("select * from notifier.overdue_stop")
    assert overdue["resolved_at"] is None


async def test_more_messages_than_a_second_of_the_channel_all_leave(notifier: Notifier, inbox: LocalInbox) -> None:
    people = [account(PHONE) for _ in range(30)]
    reminders = [due(channels=(SMS,), key=f"r{n}") for n in range(30)]
    for n in range(30):
        people[n].account_id = reminders[n].account_id = f"a{n}"
    await notifier.publish(*people)
    await notifier.publish(*reminders)
    assert inbox.count == 30


async def test_a_lookup_that_fails_in_a_way_nobody_knows_proves_nothing(notifier: Notifier, inbox: LocalInbox, monkeypatch: Any) -> None:
    async def failing(call: ProviderCall) -> Found:
        raise RuntimeError("nobody knows what this is")

    inbox.fail(SmtpFault("accepted"))
    await notifier.publish(account(MAIL), due())
    sender = notifier.runtime.outbound
    assert isinstance(sender, Sender)
    monkeypatch.setattr(sender._channels["email"], "find", failing)
    await notifier.later(3600)
    assert ((await notifier.story())["status"], inbox.count) == ("unknown", 1)


async def test_a_channel_that_fails_in_a_way_nobody_knows_may_have_sent(notifier: Notifier, inbox: LocalInbox, monkeypatch: Any) -> None:
    sender = notifier.runtime.outbound
    assert isinstance(sender, Sender)
    send = sender._channels["email"].send

    async def sent_and_lost(call: ProviderCall) -> None:
        await send(call)
        raise RuntimeError("nobody knows what this means")

    monkeypatch.setattr(sender._channels["email"], "send", sent_and_lost)
    await notifier.publish(account(MAIL), due())
    assert (inbox.count, (await notifier.story())["status"]) == (1, "unknown")
    await notifier.later(LEASE + 900)
    assert (inbox.count, (await notifier.story())["status"]) == (1, "sent")


async def test_room_that_is_kept_for_a_batch_is_nobody_elses_and_a_sender_that_stops_has_none(notifier: Notifier) -> None:
    sender = notifier.runtime.outbound
    assert isinstance(sender, Sender)
    room = sender.take(1000)
    assert (room > 0, sender.take(1)) == (True, 0)
    sender.give_back(room)
    assert sender.take(1) == 1
    sender.give_back(1)
    await sender.stop()
    assert sender.take(1) == 0


async def test_an_outcome_that_the_database_does_not_take_at_once_is_recorded_later(
    notifier: Notifier, inbox: LocalInbox, monkeypatch: Any
) -> None:
    obey, failed = notifier.runtime.folder.obey, list[int]()

    async def failing_once(inputs: Sequence[Input]) -> list[Any]:
        if not failed:
            failed.append(len(inputs))
            raise ConnectionResetError("the connection was lost")
        return await obey(inputs)

    monkeypatch.setattr(notifier.runtime.folder, "obey", failing_once)
    await notifier.publish(account(MAIL), due())
    assert (failed, (await notifier.story())["status"], inbox.count) == ([1], "sent", 1)
