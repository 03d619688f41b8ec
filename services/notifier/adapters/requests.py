"""A claim made into what a channel is asked to send, or to find: its bytes, its deadline, and links that are signed for it alone."""

from datetime import timedelta
from typing import Protocol

from paycue.auth.links import sign
from services.notifier.domain.calls import ProviderCall
from services.notifier.domain.claim import Send
from services.notifier.domain.rendering.facts import Facts, Line
from services.notifier.domain.rendering.reminder import render_email, render_sms
from services.notifier.settings import NotifierSettings

_LINK_DAYS = 90


class MakesRequests(Protocol):
    """How a claim becomes a request."""

    def __call__(self, settings: NotifierSettings, send: Send, began: float, *, rendered: bool) -> ProviderCall: ...


def provider_call(settings: NotifierSettings, send: Send, began: float, *, rendered: bool) -> ProviderCall:
    """The request to the provider; for `find` its identity is enough. `began`: the event loop's time before the claim."""
    token = _token(settings, "payment", send)
    email = send.channel == "email"
    facts = _facts(settings, send, token)
    return ProviderCall(
        call_id=send.call_id,
        message_id=send.call_id,
        channel=send.channel,
        recipient=send.recipient,
        sender=send.sender,
        start_by_loop=began + send.start_by_seconds,
        raw=render_email(facts).raw if rendered and email else b"",
        body=render_sms(facts).body if rendered and not email else "",
        link_token=token,
    )


def _facts(settings: NotifierSettings, send: Send, token: str) -> Facts:
    return Facts(
        creditor_name=send.creditor_name,
        account_id=send.account,
        debtor_name=send.debtor_name,
        locale=send.locale,
        stage=send.stage,
        items=tuple(Line(line.invoice_id, line.open_minor, line.currency, line.due_on) for line in send.lines),
        payment_link=f"{settings.public_url}/p/{token}",
        unsubscribe_link=f"{settings.own_url}/u/{_token(settings, 'unsubscribe', send)}",
        message_id=send.call_id,
        sent_at=send.claimed_at,
        zone=send.zone,
        sender_email=send.sender,
        sender_name=send.sender_name,
        to=send.recipient,
    )


def _token(settings: NotifierSettings, purpose: str, send: Send) -> str:
    """A signed link of this message alone: the same claim gives the same token, another message another."""
    expires = send.claimed_at + timedelta(days=_LINK_DAYS)
    fields = (send.tenant, send.account, send.call_id)
    return sign(settings.signing_key, purpose, (*fields, send.recipient) if purpose == "unsubscribe" else fields, expires)
