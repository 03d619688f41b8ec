"""Both channels against the local inbox, which answers as a mail server, as Mailpit's search and as Twilio's API do."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime

import pytest

from paycue.clock import SteppedClock
from paycue.local.inbox import LocalInbox, SmtpFault, TwilioFault
from services.notifier.adapters.base import Channel
from services.notifier.adapters.mail_lookup import MailLookup
from services.notifier.adapters.smtp import SmtpChannel
from services.notifier.adapters.smtp_server import smtp_server
from services.notifier.adapters.twilio_http import TwilioHttp
from services.notifier.adapters.twilio_sms import TwilioSms
from services.notifier.domain.calls import ProviderCall
from services.notifier.domain.rendering.facts import Facts, Line
from services.notifier.domain.rendering.reminder import render_email, render_sms

Build = Callable[..., ProviderCall]
ID = "013cba5c-6400-8abc-9def-0123456789ab"
FACTS = Facts(
    creditor_name="Müller & Söhne",
    account_id="A-1",
    debtor_name="Zoë",
    locale="en",
    stage="firm",
    items=(Line("611365", 123450, "USD", date(2013, 2, 1)),),
    payment_link="https://pay.example.com/p/t0ken-1",
    unsubscribe_link="https://pay.example.com/u/t0ken-1",
    message_id=ID,
    sent_at=datetime(2013, 2, 8, 14, tzinfo=UTC),
    zone="America/New_York",
    sender_email="us@operator.example",
    sender_name="Müller & Söhne",
    to="you@debtors.example",
)


@pytest.fixture
async def inbox() -> AsyncIterator[LocalInbox]:
    async with LocalInbox(clock=SteppedClock(FACTS.sent_at)) as running:
        yield running


@pytest.fixture
async def mail(inbox: LocalInbox) -> AsyncIterator[Channel]:
    channel = SmtpChannel(smtp_server(inbox.smtp_url), final_reply_seconds=0.3, lookup=MailLookup(inbox.http_url))
    yield channel
    await channel.close()


@pytest.fixture
async def sms(inbox: LocalInbox) -> AsyncIterator[Channel]:
    http = TwilioHttp(inbox.http_url, inbox.twilio.account_sid, "local-inbox-token", seconds=0.5)
    channel = TwilioSms(http, status_callback="http://127.0.0.1:9/status")
    yield channel
    await channel.close()


@pytest.fixture
async def mail_call(call: Build) -> ProviderCall:
    return call(raw=render_email(FACTS).raw, message_id=ID)


@pytest.fixture
async def sms_call(call: Build) -> ProviderCall:
    body = render_sms(FACTS).body
    return call(channel="sms", recipient="+12025550123", sender="+12025550199", raw=b"", body=body, link_token="t0ken-1")


async def test_a_reminder_arrives_as_it_was_rendered(inbox: LocalInbox, mail: Channel, mail_call: ProviderCall) -> None:
    assert (await mail.send(mail_call)).outcome == "accepted"
    [received] = inbox.received
    assert received.raw == mail_call.raw
    assert received.recipients == ("you@debtors.example",)
    assert "* Invoice 611365 | open 1,234.50 USD | due 1 February 2013" in received.text


@pytest.mark.parametrize(
    ("fault", "outcome", "found"),
    [
        (None, "accepted", "accepted"),
        (SmtpFault("rcpt", "550 5.1.1 no such user"), "failed", "not_accepted"),
        (SmtpFault("mail"), "accepted", "accepted"),
        (SmtpFault("mail", times=2), "retry", "not_accepted"),
        (SmtpFault("dot"), "unknown", "not_accepted"),
        (SmtpFault("accepted"), "unknown", "accepted"),
        (SmtpFault("accepted", silent=True), "unknown", "accepted"),
    ],
)
async def test_what_is_unknown_of_a_mail_is_found_out_by_its_message_id(
    inbox: LocalInbox, mail: Channel, mail_call: ProviderCall, call: Build, fault: SmtpFault | None, outcome: str, found: str
) -> None:
    await mail.send(call(raw=mail_call.raw.replace(ID.encode(), b"0" * 36), message_id="0" * 36))
    if fault:
        inbox.fail(fault)
    assert ((await mail.send(mail_call)).outcome, await mail.find(mail_call)) == (outcome, found)


async def test_a_lookup_that_does_not_answer_cannot_tell(call: Build, unused_tcp_port: int, inbox: LocalInbox) -> None:
    for url in (f"http://127.0.0.1:{unused_tcp_port}", f"{inbox.http_url}/nothing/here"):
        channel = SmtpChannel(smtp_server(inbox.smtp_url), lookup=MailLookup(url))
        assert await channel.find(call()) == "cannot_tell"
        await channel.close()


async def test_an_sms_arrives_and_names_the_call_in_its_callback(inbox: LocalInbox, sms: Channel, sms_call: ProviderCall) -> None:
    result = await sms.send(sms_call)
    [received] = inbox.received
    assert (result.outcome, result.reference) == ("accepted", received.sms.sid)
    assert (received.sms.to, received.sms.from_, received.sms.body) == ("+12025550123", "+12025550199", sms_call.body)
    assert received.sms.status_callback == "http://127.0.0.1:9/status?call=c1"


@pytest.mark.parametrize(
    ("fault", "outcome", "reason", "found"),
    [
        (TwilioFault("before", 503), "unknown", "twilio_503", "not_accepted"),
        (TwilioFault("accepted", 500), "unknown", "twilio_500", "accepted"),
        (TwilioFault("accepted", silent=True), "unknown", "twilio_TimeoutError", "accepted"),
        (TwilioFault("before", 429, 20429, retry_after=7), "retry", "twilio_429", "not_accepted"),
        (TwilioFault("before", 400, 21610), "failed", "opted_out", "not_accepted"),
        (TwilioFault("before", 400, 21211), "failed", "invalid_number", "not_accepted"),
        (TwilioFault("before", 400, 21614), "failed", "invalid_number", "not_accepted"),
        (TwilioFault("before", 400, 30034), "failed", "twilio_30034", "not_accepted"),
        (TwilioFault("before", 401, 20003), "retry", "twilio_20003", "not_accepted"),
    ],
)
async def test_what_we_say_of_an_sms_is_never_more_than_what_is_certain(
    inbox: LocalInbox, sms: Channel, sms_call: ProviderCall, fault: TwilioFault, outcome: str, reason: str, found: str
) -> None:
    inbox.fail(fault)
    result = await sms.send(sms_call)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.retry_after == fault.retry_after
    assert (inbox.count == 1) == (found == "accepted")
    assert await sms.find(sms_call) == found


async def test_an_earlier_sms_to_the_same_number_is_not_taken_for_this_one(sms: Channel, sms_call: ProviderCall, call: Build) -> None:
    other = call(channel="sms", recipient=sms_call.recipient, sender=sms_call.sender, body="another, t0ken-2", link_token="t0ken-2")
    assert (await sms.send(other)).outcome == "accepted"
    assert await sms.find(sms_call) == "not_accepted"
    assert await sms.find(other) == "accepted"


async def test_an_sms_is_found_on_a_later_page_too(inbox: LocalInbox, sms: Channel, sms_call: ProviderCall) -> None:
    await sms.send(sms_call)
    for n in range(120):
        inbox.twilio.accept({"To": sms_call.recipient, "From": sms_call.sender, "Body": f"later {n}"})
    assert await sms.find(sms_call) == "accepted"


async def test_a_call_without_a_token_cannot_be_found(sms: Channel, call: Build) -> None:
    assert await sms.find(call(channel="sms", recipient="+12025550123", link_token="")) == "cannot_tell"


async def test_wrong_credentials_are_no_messages_fault(inbox: LocalInbox, sms_call: ProviderCall) -> None:
    http = TwilioHttp(inbox.http_url, inbox.twilio.account_sid, "wrong", seconds=2)
    channel = TwilioSms(http, status_callback="http://127.0.0.1:9/status")
    assert (await channel.send(sms_call)).outcome == "retry"
    assert await channel.find(sms_call) == "cannot_tell"
    await channel.close()
