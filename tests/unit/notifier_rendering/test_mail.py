"""The mail's bytes, read by the interpreter's own parser."""

from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.notifier.domain.rendering.facts import Facts, Line
from services.notifier.domain.rendering.mail import date_header
from services.notifier.domain.rendering.reminder import render_email
from services.notifier.domain.rendering.self_test import HEADERS, misread, self_test

SAMPLE = Facts(
    creditor_name="C",
    account_id="A",
    debtor_name="D",
    locale="en",
    stage="firm",
    items=(Line("1", 1, "EUR", date(2024, 2, 29)),),
    payment_link="https://p.example/1",
    unsubscribe_link="https://p.example/2",
    message_id="013cba5c-6400-8abc-9def-0123456789ab",
    sent_at=datetime(2024, 2, 29, 12, tzinfo=UTC),
    zone="Europe/Vienna",
    sender_email="us@operator.example",
    sender_name="",
    to="you@debtors.example",
)
NAMES = st.text(min_size=1, max_size=60).filter(str.strip)


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def texts(mail: EmailMessage) -> list[str]:
    return [part.get_content().replace("\r\n", "\n").rstrip() for part in mail.iter_parts()]


def test_a_mail_has_exactly_these_headers(facts: Facts) -> None:
    mail = parsed(render_email(facts).raw)
    assert mail.keys() == HEADERS
    assert {name: str(mail[name]) for name in HEADERS if name != "Content-Type"} == {
        "From": "Northwind Ltd <reminders@northwind.example>",
        "To": "0379-NEVHP@debtors.example",
        "Subject": "Reminder: invoice 611365 of Northwind Ltd",
        "Date": "Fri, 08 Feb 2013 09:00:00 -0500",
        "Message-ID": "<013cba5c-6400-8abc-9def-0123456789ab@northwind.example>",
        "MIME-Version": "1.0",
        "List-Unsubscribe": "<https://pay.example.com/u/dG9rZW4>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }


def test_the_plain_text_comes_first_and_the_html_second(facts: Facts) -> None:
    rendered = render_email(facts)
    mail = parsed(rendered.raw)
    assert mail.get_content_type() == "multipart/alternative"
    assert [(part.get_content_type(), part.get_content_charset()) for part in mail.iter_parts()] == [
        ("text/plain", "utf-8"),
        ("text/html", "utf-8"),
    ]
    assert misread(facts, rendered) == ""


def test_a_mail_reads_as_the_one_that_the_standard_library_would_write(facts: Facts) -> None:
    facts = replace(facts, creditor_name="Österreichische Möbel GmbH & Co", sender_name="Müller, Söhne")
    rendered = render_email(facts)
    reference = EmailMessage(policy=SMTP)
    for name, value in parsed(rendered.raw).items():
        if name not in ("MIME-Version", "Content-Type"):
            reference[name] = value
    reference.set_content(rendered.text)
    reference.add_alternative(rendered.html, subtype="html")
    ours, theirs = parsed(rendered.raw), parsed(reference.as_bytes())
    assert {name: str(ours[name]) for name in HEADERS if name != "Content-Type"} == {
        name: str(theirs[name]) for name in HEADERS if name != "Content-Type"
    }
    assert texts(ours) == texts(theirs)


@given(creditor=NAMES, debtor=st.text(max_size=60), sender=st.text(max_size=60), invoice=NAMES)
def test_any_names_give_a_mail_that_reads_back_as_meant_or_are_refused(creditor: str, debtor: str, sender: str, invoice: str) -> None:
    facts = replace(
        SAMPLE, creditor_name=creditor, debtor_name=debtor, sender_name=sender, items=(Line(invoice, 5, "JPY", date(2024, 1, 1)),)
    )
    try:
        rendered = render_email(facts)
    except ValueError:
        return
    assert misread(facts, rendered) == ""
    lines = rendered.raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert b"".join(lines).count(b"\n") == 0
    assert rendered.raw.endswith(b"--\r\n")


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cs"]), min_size=1, max_size=120).filter(str.strip)
)
def test_a_name_without_control_characters_is_written_whatever_its_script(name: str) -> None:
    name = name.strip().replace("=?", "").replace("{", "") or "x"
    facts = replace(SAMPLE, creditor_name=name.strip() or "x")
    assert misread(facts, render_email(facts)) == ""


def test_every_line_of_an_encoded_subject_has_76_characters_at_most(facts: Facts) -> None:
    raw = render_email(replace(facts, creditor_name="Ж" * 200)).raw
    header = raw.partition(b"\r\nDate:")[0].partition(b"Subject:")[2]
    assert header.count(b"=?utf-8?b?") > 5
    assert max(len(line) for line in (b"Subject:" + header).split(b"\r\n")) <= 76


@pytest.mark.parametrize(
    "evil", ["\r\nBcc: x@evil.example", "\nBcc: x@evil.example", "\r", "\x00", "\x85", "\u2028", "=?utf-8?q?=0d=0aBcc=3a_x?=", "\udc80"]
)
@pytest.mark.parametrize("field", ["to", "sender_email", "sender_name", "creditor_name", "message_id", "unsubscribe_link", "payment_link"])
def test_no_fact_can_inject_a_header(facts: Facts, field: str, evil: str) -> None:
    with pytest.raises(ValueError):
        render_email(replace(facts, **{field: getattr(facts, field) + evil}))


@pytest.mark.parametrize("to", ["a@b.example, c@d.example", "A <a@b.example>", " a@b.example", "a@b", "a b@c.example", "ä@b.example", ""])
def test_to_must_be_one_bare_address(facts: Facts, to: str) -> None:
    with pytest.raises(ValueError):
        render_email(replace(facts, to=to))


def test_a_text_that_mail_servers_might_change_travels_in_base64(facts: Facts) -> None:
    ascii_mail = render_email(facts).raw
    assert ascii_mail.count(b"Content-Transfer-Encoding: 7bit") == 2
    other = render_email(replace(facts, debtor_name="Zoë")).raw
    assert other.count(b"Content-Transfer-Encoding: base64") == 2
    assert max(map(len, other.split(b"\r\n"))) <= 200


def test_the_date_is_the_instant_in_the_debtors_hours() -> None:
    at = datetime(2013, 7, 1, 21, 0, tzinfo=UTC)
    assert date_header(at, "Pacific/Auckland") == "Tue, 02 Jul 2013 09:00:00 +1200"
    assert date_header(at, "America/New_York") == "Mon, 01 Jul 2013 17:00:00 -0400"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="IANA zone"):
        date_header(datetime(2013, 7, 1, tzinfo=UTC), zone)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="sent_at"):
        date_header(datetime(2013, 7, 1), "Europe/Vienna")  # noqa: DTZ001


def test_this_interpreter_passes_the_self_test() -> None:
    self_test()
