"""One reminder's facts become its mail or its SMS.

Whatever a template says, every covered invoice and what is open on it must stand in the text; a message that would not say so,
or that would say nothing is owed, is an error and never leaves.
"""

from typing import Literal

import msgspec

from services.notifier.domain.rendering.facts import Context, Facts, check_facts, check_link, template_context
from services.notifier.domain.rendering.mail import Mail, mail_bytes
from services.notifier.domain.rendering.templates import TemplateError, template

SMS_LIMIT = 1600
"""Characters that Twilio takes in one message; it splits them into segments itself."""


class Rendered(msgspec.Struct, frozen=True):
    """A mail: what it says, and the bytes that leave."""

    subject: str
    text: str
    html: str
    raw: bytes


class Sms(msgspec.Struct, frozen=True):
    """An SMS."""

    body: str


def render_email(facts: Facts) -> Rendered:
    """The reminder as a mail. Raises ValueError (TemplateError) when a fact or a template is not fit to be sent."""
    check_facts(facts)
    check_link("unsubscribe_link", facts.unsubscribe_link)
    context = template_context(facts)
    subject = template(facts.stage, "subject").render(context).strip()
    text = _stated(facts, context, "text")
    html = template(facts.stage, "html").render(context)
    mail = Mail(
        sender_email=facts.sender_email,
        sender_name=facts.sender_name,
        to=facts.to,
        subject=subject,
        sent_at=facts.sent_at,
        zone=facts.zone,
        message_id=facts.message_id,
        unsubscribe_link=facts.unsubscribe_link,
        text=text,
        html=html,
    )
    return Rendered(subject, text, html, mail_bytes(mail))


def render_sms(facts: Facts) -> Sms:
    """The reminder as an SMS. Raises ValueError (TemplateError) when it is not fit to be sent or longer than a provider takes."""
    check_facts(facts)
    body = _stated(facts, template_context(facts), "sms").strip()
    if len(body) > SMS_LIMIT:
        raise ValueError(f"the SMS has {len(body)} characters for {len(facts.items)} invoices; providers take {SMS_LIMIT}, so send a mail")
    return Sms(body)


def _stated(facts: Facts, context: Context, part: Literal["text", "sms"]) -> str:
    """The rendered part, once it is certain that it names each invoice with its amount, links to payment and has no blanks."""
    used = template(facts.stage, part)
    text = used.render(context)
    for item in context["items"]:
        if item["invoice"] not in text or item["amount"] not in text:
            raise TemplateError(f"{used.file}, line 1: found no mention of invoice {item['invoice']} with its amount; expected each item")
    if facts.payment_link not in text:
        raise TemplateError(f"{used.file}, line 1: found no payment link; expected {{{{ payment_link }}}}")
    return text
