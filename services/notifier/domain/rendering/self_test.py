"""What the notifier asks of itself before it sends anything: every template renders, and what leaves is read as it was meant.

The interpreter's own mail parser is the judge, because older ones decode RFC 2047 words into headers. It must pass at every
start; a service that fails it does not start.
"""

from datetime import UTC, date, datetime
from email import message_from_bytes
from email.policy import default

import msgspec

from services.notifier.domain.rendering.facts import STAGES, Facts, Line
from services.notifier.domain.rendering.reminder import Rendered, render_email, render_sms

HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
]
"""The headers of every mail, in order: these and no others."""

_SAMPLE = Facts(
    creditor_name="Müller & Söhne <Wien>",
    account_id="A-1",
    debtor_name="Ann O'Neil",
    locale="en",
    stage="friendly",
    items=(Line("INV/7 a", 123450, "EUR", date(2013, 2, 1)), Line("8", 5000, "JPY", date(2013, 2, 2))),
    payment_link="https://pay.example.com/p/t0ken",
    unsubscribe_link="https://pay.example.com/u/t0ken",
    message_id="0187a1b2-0000-8000-8000-000000000000",
    sent_at=datetime(2013, 2, 8, 14, tzinfo=UTC),
    zone="America/New_York",
    sender_email="reminders@paycue.example",
    sender_name="Müller, on behalf",
    to="Ann.O'Neil@debtors.example",
)
_INJECTIONS = (
    {"to": "a@debtors.example\r\nBcc: b@debtors.example"},
    {"to": "a@debtors.example, b@debtors.example"},
    {"to": "=?utf-8?q?a=0aBcc=3a_b?=@debtors.example"},
    {"sender_name": "Pay\nBcc: b@debtors.example"},
    {"sender_name": "=?utf-8?q?Pay=0d=0aBcc=3a_b@debtors.example?="},
    {"creditor_name": "=?utf-8?q?=0d=0a=0d=0abody?="},
    {"creditor_name": "Creditor\x00"},
    {"unsubscribe_link": "https://pay.example.com/>\r\nBcc: <b@debtors.example"},
    {"message_id": "1@x>\r\nBcc: b@debtors.example"},
)


class SelfTestFailed(RuntimeError):
    """The notifier must not start; the text says why and what to do."""


def self_test() -> None:
    """Raises SelfTestFailed unless every default template renders into a mail that reads back as meant and refuses injections."""
    for stage in STAGES:
        facts = msgspec.structs.replace(_SAMPLE, stage=stage)
        try:
            problem = misread(facts, render_email(facts))
            render_sms(facts)
        except ValueError as refused:
            raise SelfTestFailed(f"the default templates of {stage} cannot be used: {refused}") from refused
        if problem:
            raise SelfTestFailed(f"this Python reads our mail wrongly: {problem}. Use Python 3.11.10, 3.12.5 or later")
    for injection in _INJECTIONS:
        try:
            render_email(msgspec.structs.replace(_SAMPLE, **injection))
        except ValueError:
            continue
        raise SelfTestFailed(f"a header injection was not refused: {injection!r}; this build must not send mail")


def misread(facts: Facts, rendered: Rendered) -> str:
    """What the interpreter's parser reads otherwise than it was meant in a mail's bytes; empty: nothing."""
    mail = message_from_bytes(rendered.raw, policy=default)
    if mail.keys() != HEADERS or mail.defects:
        return f"the headers are {mail.keys()} with {mail.defects}, expected {HEADERS}"
    if [address.addr_spec for address in mail["To"].addresses] != [facts.to] or len(mail["From"].addresses) != 1:
        return f"the mail is to {len(mail['To'].addresses)} addresses, expected the one given"
    if mail["Subject"] != rendered.subject or mail["Date"].datetime != facts.sent_at:
        return "the subject or the date differs from what was written"
    parts = [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in mail.iter_parts()]
    if parts != [("text/plain", rendered.text.rstrip("\n")), ("text/html", rendered.html.rstrip("\n"))]:
        return "the parts are not the text and the HTML that were written"
    return ""
