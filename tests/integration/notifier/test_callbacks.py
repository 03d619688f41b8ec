"""What providers and debtors tell us: taken only when signed, harmless when repeated, obeyed at once."""

import asyncio
import re

import httpx2
import pytest

from paycue.local.inbox import LocalInbox
from paycue.local.inbox.twilio import sign
from services.notifier.domain.said import ANY_CREDITOR, Said, stop
from services.notifier.store import say
from tests.integration.notifier.conftest import PUBLIC_NUMBER, Notifier
from tests.unit.notifier.story import EMAIL, MAIL, PHONE, SMS, account, due, item

STATUS, INBOUND = "/v1/providers/twilio/status", "/v1/providers/twilio/inbound"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def public(notifier: Notifier, path: str) -> str:
    return f"{notifier.runtime.settings.public_url}{path}"


async def test_reports_are_recorded_once_however_often_and_in_whatever_order_they_come(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(PHONE), due(channels=(SMS,)))
    (message,) = inbox.received
    for status in ("delivered", "sent", "delivered", "queued", "sent"):
        assert await inbox.twilio.send_status(message.message_id, status) == 204
    told = await notifier.story()
    assert sorted(report["status"] for report in told["reports"]) == ["delivered", "queued", "sent"]
    assert told["status"] == "sent"


async def test_a_number_reported_dead_is_not_written_to_again(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(PHONE), due(channels=(SMS,)))
    assert await inbox.twilio.send_status(inbox.received[0].message_id, "undelivered", 30006) == 204
    await notifier.publish(due(item("i2"), key="r2", channels=(SMS,)))
    assert inbox.count == 1
    assert (await notifier.story("r2"))["reason"] == "undeliverable"


async def test_a_stop_by_sms_holds_for_every_account_that_has_the_number(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.creditor("other")
    where = [("acme", "a1"), ("acme", "a2"), ("other", "a1")]
    for tenant, name in where:
        person = account(PHONE)
        person.tenant_id, person.account_id = tenant, name
        await notifier.publish(person)
    for _ in range(2):
        assert await inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body="Stop please!") == 200
    inbox.twilio.opted_out.clear()  # Not the provider keeps the messages in: we do.
    for number, (tenant, name) in enumerate(where):
        reminder = due(key=f"r{number}", channels=(SMS,))
        reminder.tenant_id, reminder.account_id = tenant, name
        await notifier.publish(reminder)
    assert inbox.count == 0
    assert [row["basis"] for row in await notifier.rows("select basis from notifier.consent")] == ["reply", "reply"]


async def test_a_stop_by_sms_holds_for_the_account_that_a_person_gave_the_number(notifier: Notifier, inbox: LocalInbox) -> None:
    consent = {"channel": "sms", "address": PHONE, "basis": "consent", "evidence": "phone call"}
    assert (await notifier.client.post("/v1/creditors/acme/accounts/a1/contact-points", json=consent)).status_code == 201
    assert await inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body="STOP") == 200
    inbox.twilio.opted_out.clear()
    await notifier.publish(due(channels=(SMS,)))
    assert (inbox.count, (await notifier.story())["reason"]) == (0, "opted_out")


async def test_a_stop_by_sms_from_a_number_that_nobody_has_holds_for_the_account_that_has_it_later(
    notifier: Notifier, inbox: LocalInbox
) -> None:
    for body in ("STOP", "Stop please!"):
        assert await inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body=body) == 200
    assert await inbox.twilio.reply(public(notifier, INBOUND), sender="+12025550177", to=PUBLIC_NUMBER, body="STOP") == 200
    inbox.twilio.opted_out.clear()
    await notifier.publish(due(channels=(SMS,)))
    await notifier.publish(account(PHONE))
    assert (await notifier.story())["reason"] == "opted_out"
    assert inbox.count == 0
    (consent,) = await notifier.rows("select basis, granted, evidence from notifier.consent")
    assert (consent["basis"], consent["granted"]) == ("reply", False)
    assert "please" in consent["evidence"]


async def _registered(notifier: Notifier, name: str, *points: str, tenant: str = "acme", version: int = 1) -> None:
    person = account(*points, version=version)
    person.tenant_id, person.account_id = tenant, name
    await notifier.publish(person)


async def _reminded(notifier: Notifier, name: str, reminder: str, tenant: str = "acme", channel: int = SMS) -> None:
    one = due(key=reminder, channels=(channel,))
    one.tenant_id, one.account_id = tenant, name
    await notifier.publish(one)


async def test_a_stop_by_sms_from_a_known_number_holds_for_every_account_that_gets_it_until_that_creditor_has_a_consent(
    notifier: Notifier, inbox: LocalInbox
) -> None:
    await notifier.creditor("other")
    await _registered(notifier, "a1", PHONE)
    assert await inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body="STOP") == 200
    inbox.twilio.opted_out.clear()
    for tenant in ("acme", "other"):
        await _registered(notifier, "a2", PHONE, tenant=tenant)
        await _reminded(notifier, "a2", "r2", tenant)
    assert inbox.count == 0
    consent = {"address": PHONE, "evidence": "phone call"}
    assert (await notifier.client.post("/v1/creditors/acme/accounts/a1/opt-ins", json=consent)).status_code == 201
    for tenant in ("acme", "other"):
        await _registered(notifier, "a3", PHONE, tenant=tenant)
        await _reminded(notifier, "a3", "r3", tenant)
    assert [message.to for message in inbox.received] == [PHONE]
    assert (await notifier.story("r3", "a3"))["status"] == "sent"


async def test_an_address_opted_out_at_one_creditor_is_opted_out_for_its_later_accounts_and_for_no_other_creditor(
    notifier: Notifier, inbox: LocalInbox
) -> None:
    await notifier.creditor("other")
    await _registered(notifier, "a1", MAIL)
    assert (await notifier.client.post("/v1/creditors/acme/opt-outs", json={"address": MAIL, "evidence": "letter"})).status_code == 201
    for tenant in ("acme", "other"):
        await _registered(notifier, "a2", MAIL.upper(), tenant=tenant)
        await _reminded(notifier, "a2", "r2", tenant, EMAIL)
    assert [message.to.lower() for message in inbox.received] == [MAIL.lower()]
    assert (await notifier.story("r2", "a2"))["reason"] == "opted_out"
    (_, later) = await notifier.rows("select basis, evidence from notifier.consent order by id")
    assert (later["basis"], later["evidence"]) == ("person", "letter")


async def test_an_opt_in_that_is_refused_or_repeated_does_not_undo_a_stop(notifier: Notifier, inbox: LocalInbox) -> None:
    consent, keyed = {"address": PHONE, "evidence": "phone call"}, {"Idempotency-Key": "k1"}
    opt_ins = "/v1/creditors/acme/accounts/a1/opt-ins"
    await _registered(notifier, "a1", PHONE)
    assert await inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body="STOP") == 200
    assert (await notifier.client.post(opt_ins.replace("a1", "a9"), json=consent)).status_code == 409
    assert (await notifier.client.post(opt_ins, json=consent, headers=keyed)).status_code == 201
    assert await inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body="STOP") == 200
    assert (await notifier.client.post(opt_ins, json=consent, headers=keyed)).status_code == 201
    inbox.twilio.opted_out.clear()
    await _registered(notifier, "a2", PHONE)
    await _reminded(notifier, "a2", "r2")
    assert inbox.count == 0


async def test_an_account_that_gets_a_number_waits_while_its_stop_is_being_written_and_a_stop_waits_for_the_account(
    notifier: Notifier, inbox: LocalInbox
) -> None:
    async with notifier.runtime.store.transaction(()) as unit:
        await say(unit, ("sms", PHONE), lambda words: stop(words, ANY_CREDITOR, Said("twilio:SM1", "reply", "SM1: STOP")))
        folding = asyncio.ensure_future(_registered(notifier, "a1", PHONE))
        stopping = asyncio.ensure_future(inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body="STOP"))
        done, _ = await asyncio.wait({folding, stopping}, timeout=1.5)
        assert not done
    await folding
    assert await stopping == 200
    inbox.twilio.opted_out.clear()
    await _reminded(notifier, "a1", "r1")
    assert (await notifier.story())["reason"] == "opted_out"


async def test_another_answer_stops_nothing(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(PHONE))
    assert await inbox.twilio.reply(public(notifier, INBOUND), sender=PHONE, to=PUBLIC_NUMBER, body="I paid yesterday") == 200
    await notifier.publish(due(channels=(SMS,)))
    assert inbox.count == 1


async def test_a_forged_callback_is_refused_and_changes_nothing(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(PHONE))
    form = {"MessageSid": "SM1", "From": PHONE, "To": PUBLIC_NUMBER, "Body": "STOP"}
    url, token = public(notifier, INBOUND), notifier.runtime.settings.twilio_auth_token
    forged = ["", "AAAA", sign("another-token-123", url, form), sign(token, url, form | {"Body": "hello"}), sign(token, url + "?x=1", form)]
    for signature in forged:
        answer = await notifier.client.post(INBOUND, data=form, headers={"X-Twilio-Signature": signature})
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    await notifier.publish(due(channels=(SMS,)))
    assert inbox.count == 1


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        (f"{STATUS}?call=unknown", {"MessageSid": "SM1", "MessageStatus": "sent"}, 404),
        (STATUS, {"MessageSid": "SM1", "MessageStatus": "sent"}, 422),
        (f"{STATUS}?call=x", {"MessageSid": "SM1", "MessageStatus": "teleported"}, 422),
        (INBOUND, {"MessageSid": "SM1"}, 422),
    ],
)
async def test_a_signed_callback_that_makes_no_sense_is_a_problem(
    notifier: Notifier, path: str, form: dict[str, str], expected: int
) -> None:
    signature = sign(notifier.runtime.settings.twilio_auth_token, public(notifier, path), form)
    answer = await notifier.client.post(path, data=form, headers={"X-Twilio-Signature": signature})
    assert (answer.status_code, answer.headers["content-type"]) == (expected, "application/problem+json")


async def link_of(notifier: Notifier, inbox: LocalInbox) -> str:
    """The path of the opt-out link in the one mail that was received."""
    (mail,) = inbox.received
    assert mail.mail.header("list-unsubscribe-post") == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<(.+)>", mail.mail.header("list-unsubscribe"))
    assert found, "one address in angle brackets"
    return found[1].removeprefix(notifier.runtime.settings.public_url)


@pytest.mark.parametrize(
    "request_",
    [{"data": {"List-Unsubscribe": "One-Click"}}, {"files": {"List-Unsubscribe": (None, "One-Click")}}],
    ids=["form", "multipart"],
)
async def test_one_click_ends_reminders_by_mail_and_looking_at_the_link_does_not(
    notifier: Notifier, inbox: LocalInbox, request_: dict[str, object]
) -> None:
    await notifier.publish(account(MAIL), due(channels=(EMAIL,)))
    link = await link_of(notifier, inbox)
    async with httpx2.AsyncClient(transport=notifier.client._transport, base_url="http://test") as debtor:
        page = await debtor.get(link)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert MAIL not in page.text
        assert "form-action 'self'" in page.headers["content-security-policy"]
        await notifier.publish(due(key="r2", channels=(EMAIL,)))
        assert inbox.count == 2
        for _ in range(2):
            assert (await debtor.post(link, **request_)).status_code == 200  # type: ignore[arg-type]
    await notifier.publish(due(key="r3", channels=(EMAIL,)))
    assert inbox.count == 2
    assert [row["basis"] for row in await notifier.rows("select basis from notifier.consent")] == ["one_click"]


async def test_one_click_holds_for_every_account_of_its_creditor_and_for_no_other_creditor(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.creditor("other")
    await _registered(notifier, "a1", MAIL)
    await _registered(notifier, "a2", MAIL)
    await _registered(notifier, "a1", MAIL, tenant="other")
    await _reminded(notifier, "a1", "r1", channel=EMAIL)
    link = await link_of(notifier, inbox)
    assert (await notifier.client.post(link, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    await _registered(notifier, "a3", MAIL)
    for name in ("a1", "a2", "a3"):
        await _reminded(notifier, name, f"{name}-r2", channel=EMAIL)
    await _reminded(notifier, "a1", "r3", "other", EMAIL)
    assert ["Other" in message.text for message in inbox.received] == [False, True]


async def test_a_link_that_does_not_hold_says_so_and_changes_nothing(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL), due(channels=(EMAIL,)))
    link = await link_of(notifier, inbox)
    payment = re.search(r"/p/(\w+)", inbox.received[0].text)
    assert payment
    form = {"List-Unsubscribe": "One-Click"}
    for wrong in (link[:-1], link + "a", f"/u/{payment[1]}", "/u/%3Cscript%3E"):
        assert (await notifier.client.post(wrong, data=form)).status_code == 404
        assert (await notifier.client.get(wrong)).status_code == 404
    assert (await notifier.client.post(link, content=b"", headers=FORM)).status_code == 400
    await notifier.later(91 * 86400)
    assert (await notifier.client.post(link, data=form)).status_code == 410
    assert await notifier.rows("select * from notifier.consent") == []
