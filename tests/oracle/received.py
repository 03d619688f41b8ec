"""Reads the files of a local inbox (mails and SMS) as values, and says what is wrong with each beside what was expected.
It must never trust the report: what was received is the only evidence here."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.oracle.inputs import Item, money
from tests.oracle.oracle import Message, state

SMS_DATES = ("date", "sent_at", "received_at", "at", "date_sent", "date_created")
DUE_FORMATS = ("%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d %b %Y", "%b %d, %Y", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%Y")


@dataclass(frozen=True)
class Received:
    file: str
    channel: str
    to: str
    at: datetime | None
    text: str
    faults: tuple[str, ...]

    def names(self, number: str) -> bool:
        return re.search(rf"(?<![\w-]){re.escape(number)}(?![\w-])", self.text) is not None


def read_instant(text: str) -> datetime | None:
    """An instant with a zone, in the form of a mail or in ISO 8601; anything else is none."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(text)
        except ValueError:
            continue
        return at if at.tzinfo is not None else None
    return None


def plain_text(mail: EmailMessage) -> list[str]:
    return [
        str(part.get_content())
        for part in mail.walk()
        if part.get_content_type() == "text/plain" and part.get_content_disposition() != "attachment" and isinstance(part, EmailMessage)
    ]


def read_mail(path: Path) -> Received:
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    recipients = [str(found) for name in ("To", "Cc", "Bcc") for found in mail.get_all(name, [])]
    dates, parts = [str(found) for found in mail.get_all("Date", [])], plain_text(mail)
    faults = [
        f"{len(found)} {what}, expected 1"
        for what, found in (("To, Cc and Bcc headers", recipients), ("Date headers", dates), ("text/plain parts", parts))
        if len(found) != 1
    ]
    at = read_instant(dates[0]) if dates else None
    return Received(path.name, "email", ", ".join(recipients), at, "\n".join(parts), tuple(faults))


def read_sms(path: Path) -> Received:
    found = json.loads(path.read_text(encoding="utf-8"))
    fields = {str(key).lower(): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
    at = next((read_instant(fields[name]) for name in SMS_DATES if name in fields), None)
    faults = [f"no {name!r} in the JSON" for name in ("to", "body") if name not in fields]
    return Received(path.name, "sms", fields.get("to", ""), at, fields.get("body", ""), tuple(faults))


def read_inbox(folder: Path) -> list[Received]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    unknown = [path.name for path in files if path.suffix not in (".eml", ".json")]
    if unknown:
        raise ValueError(f"the inbox {folder} holds files that are neither .eml nor .json: {unknown}")
    return [read_mail(path) if path.suffix == ".eml" else read_sms(path) for path in files]


def amount_count(text: str, amount: str) -> int:
    whole, _, rest = amount.partition(".")
    grouped = f"{int(whole):,}" + (f".{rest}" if rest else "")
    forms = "|".join(re.escape(form) for form in {amount, grouped})
    return len(re.findall(rf"(?<![\d.,-])(?:{forms})(?![.,]?\d)", text))


def without_links(text: str) -> str:
    return re.sub(r"https?://\S+", "", text)


def names_day(text: str, day: date) -> bool:
    forms = {day.strftime(form) for form in DUE_FORMATS} | {re.sub(r"\b0(?=\d)", "", day.strftime(form)) for form in DUE_FORMATS}
    return any(re.search(rf"(?<!\d){re.escape(form)}(?!\d)", text) for form in forms)


def amount_faults(received: Received, items: list[Item]) -> list[str]:
    amounts = [money(item.amount, item.currency) for item in items]
    return [
        f"amount {amount} stands {amount_count(received.text, amount)} times, expected {amounts.count(amount)} or more"
        for amount in sorted(set(amounts))
        if amount_count(received.text, amount) < amounts.count(amount)
    ]


def content_faults(received: Received, expected: Message, account_items: list[Item]) -> list[str]:
    covered = [part.item for part in expected.covered]
    missing = [item.invoice for item in covered if not received.names(item.invoice)]
    foreign = [item.invoice for item in account_items if item not in covered and received.names(item.invoice)]
    undated = [item.invoice for item in covered if not names_day(without_links(received.text), item.due)]
    faults = [f"covered invoices not named: {missing}"] if missing else []
    faults += [f"names invoices that it does not cover: {foreign}"] if foreign else []
    faults += [f"does not say when these were due: {undated}"] if undated else []
    if received.at != expected.at:
        faults.append(f"sent at {received.at and received.at.isoformat()}, expected {expected.at.isoformat()}")
    return faults + amount_faults(received, covered)


def late(received: Received, zone: str, account_items: list[Item]) -> list[str]:
    """The invoices it names that were settled or disputed by the instant of its date."""
    if received.at is None:
        return []
    day = received.at.astimezone(ZoneInfo(zone)).date()
    return [item.invoice for item in account_items if state(item, day) in ("settled", "disputed") and received.names(item.invoice)]


def day_of(received: Received, zone: str) -> date | None:
    return received.at.astimezone(ZoneInfo(zone)).date() if received.at is not None else None


def content(received: Received) -> tuple[str, str, date | None, str]:
    """What makes two messages duplicates: recipient, day and text, less our own links (which carry an id of ours)."""
    day = received.at.astimezone(UTC).date() if received.at is not None else None
    return received.channel, received.to, day, without_links(received.text)
