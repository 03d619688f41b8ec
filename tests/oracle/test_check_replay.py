"""Shows that the checker agrees with a faithful replay and sees each single thing that could be wrong with one.
It must never be the oracle's own test: the replay it checks is written from the oracle's expectation."""

import json
import shutil
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.oracle.check_replay import check, main
from tests.oracle.inputs import money
from tests.oracle.oracle import Expected, Message, expected

FIXTURES = Path(__file__).parent / "fixtures"
CSV, MAPPING = FIXTURES / "ledger.csv", FIXTURES / "mapping.yaml"


def body(message: Message) -> str:
    parts = [f"Invoice {part.item.invoice}: {money(part.item.amount, 'USD')} USD, due {part.item.due}." for part in message.covered]
    return "\n".join([*parts, f"https://pay.example/{message.day}-{message.covered[0].item.invoice}"])


def mail(message: Message) -> bytes:
    built = EmailMessage()
    built["From"], built["To"], built["Subject"] = "billing@creditor.example", message.recipient, "Your account"
    built["Date"] = format_datetime(message.at)
    built.set_content(body(message))
    built.add_alternative("<p>Your account</p>", subtype="html")
    return built.as_bytes()


def deliver(message: Message, folder: Path, index: int) -> None:
    if message.channel == "email":
        (folder / f"{index:03}.eml").write_bytes(mail(message))
    else:
        sms = {"to": message.recipient, "body": body(message), "date": message.at.isoformat()}
        (folder / f"{index:03}.json").write_text(json.dumps(sms))


class Replay:
    """What a faithful replay leaves: a report and a folder of messages."""

    def __init__(self, folder: Path, policy: str) -> None:
        self.policy, self.path, self.inbox = FIXTURES / f"{policy}.yaml", folder / "report.json", folder / "inbox"
        self.inbox.mkdir()
        wanted = expected(CSV, MAPPING, self.policy)
        for index, message in enumerate(wanted.messages):
            deliver(message, self.inbox, index)
        self.report = self.with_ids(wanted)
        self.write()

    def with_ids(self, wanted: Expected) -> dict[str, object]:
        ids = {(part.item.invoice, str(part.on)): f"r{index}" for index, one in enumerate(wanted.messages) for part in one.covered}
        invoices = [
            {**entry, "reminders": [{**line, "reminder_id": ids[entry["invoice"], line["on"]]} for line in entry["reminders"]]}
            for entry in wanted.report["invoices"]
        ]
        return {**wanted.report, "invoices": invoices}

    def write(self) -> None:
        self.path.write_text(json.dumps(self.report, separators=(",", ":")) + "\n")

    def edit(self, old: str, new: str, file: str = "report.json") -> None:
        path = self.path.parent / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def faults(self) -> list[str]:
        return check(CSV, MAPPING, self.policy, self.path, self.inbox)


def second_mail_as_is(replay: Replay) -> None:
    shutil.copy(replay.inbox / "001.eml", replay.inbox / "900.eml")


def mail_lost(replay: Replay) -> None:
    (replay.inbox / "001.eml").unlink()


def foreign_invoice(replay: Replay) -> None:
    replay.edit("Invoice A1:", "Invoices A7 and A1:", "inbox/001.eml")


Edit = Callable[[Replay], None]


def edit(old: str, new: str, file: str = "report.json") -> Edit:
    return lambda replay: replay.edit(old, new, file)


WRONG: list[tuple[Edit, str]] = [
    (second_mail_as_is, "duplicate: email to acme@debtors.example on 2012-03-07"),
    (second_mail_as_is, "email to acme@debtors.example on 2012-03-07: 2 received, 1 expected"),
    (mail_lost, "never received: email to acme@debtors.example on 2012-03-07 covering ['A1']"),
    (foreign_invoice, "001.eml: names invoices that it does not cover: ['A7']"),
    (edit("Invoice A1:", "Invoice A1-x:", "inbox/001.eml"), "001.eml: covered invoices not named: ['A1']"),
    (edit("100.00 USD", "100 USD", "inbox/001.eml"), "001.eml: amount 100.00 stands 0 times, expected 1 or more"),
    (edit("100.00 USD", "2100.00 USD", "inbox/001.eml"), "001.eml: amount 100.00 stands 0 times, expected 1 or more"),
    (edit("due 2012-03-07", "due soon", "inbox/001.eml"), "001.eml: does not say when these were due: ['A1']"),
    (edit("14:00:00", "14:00:01", "inbox/001.eml"), "001.eml: sent at 2012-03-07T14:00:01+00:00, expected 2012-03-07T14:00:00+00:00"),
    (edit("Wed, 07 Mar", "Wed, 14 Mar", "inbox/001.eml"), "email to acme@debtors.example on 2012-03-14: 1 received, 0 expected"),
    (edit("To: acme@", "To: Acme <acme@", "inbox/001.eml"), "email to acme@debtors.example on 2012-03-07: 0 received, 1 expected"),
    (edit("To: acme", "Cc: x@y.example\nTo: acme", "inbox/001.eml"), "001.eml: 2 To, Cc and Bcc headers, expected 1"),
    (edit("text/plain", "text/enriched", "inbox/001.eml"), "001.eml: 0 text/plain parts, expected 1"),
    (edit('"reminders":17', '"reminders":18'), "report.totals.reminders: found 18, expected 17"),
    (edit('"sms":2', '"sms":2.0'), "report.totals.by_channel.sms: found 2.0, expected 2"),
    (edit('"accounts":3,"invoices":10', '"invoices":10,"accounts":3'), "report.totals: keys"),
    (edit(',"unknown":0', ""), "report.totals.unknown: missing: 0"),
    (edit('"late":0', '"late":0,"host":"h"'), 'report.totals.host: not expected: "h"'),
    (edit('"late":0', '"late":0,"late":0'), "report: keys repeated in one object: ['late']"),
    (edit('"late":0', '"late":  0'), "report: not the canonical form of its own content"),
    (edit('"reason":"settled"', '"reason":"disputed"'), "report.invoices[0 (A1)].not_sent[0].reason: found 'disputed', expected 'settled'"),
    (edit('"reminder_id":"r0"', '"reminder_id":"r1"'), "id r1 stands for several messages"),
    (edit('"reminder_id":"r0"', '"reminder_id":null'), "invoice A1 on 2012-02-29: reminder_id is None, expected a text"),
]


@pytest.mark.parametrize("policy", ["by-invoice", "by-account"])
def test_a_faithful_replay_agrees(tmp_path: Path, policy: str) -> None:
    assert Replay(tmp_path, policy).faults() == []


@pytest.mark.parametrize(("spoil", "wanted"), WRONG)
def test_a_single_wrong_thing_is_named(tmp_path: Path, spoil: Edit, wanted: str) -> None:
    replay = Replay(tmp_path, "by-invoice")
    spoil(replay)
    assert [fault for fault in replay.faults() if fault.startswith(wanted)], replay.faults()


def test_invoices_of_one_message_must_share_its_id(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "by-account")
    text = replay.path.read_text()
    shared = next(f'"reminder_id":"r{index}"' for index in range(15) if text.count(f'"reminder_id":"r{index}"') == 2)
    replay.edit(shared, '"reminder_id":"other"')
    assert len(replay.faults()) == 1
    assert "one message, but ids ['other'" in replay.faults()[0]


def test_a_reminder_of_a_settled_invoice_is_late(tmp_path: Path) -> None:
    replay = Replay(tmp_path, "by-account")
    path = next(path for path in sorted(replay.inbox.iterdir()) if b"Invoice A10:" in path.read_bytes())
    replay.edit("Invoice A10:", "Invoice A7, A10:", f"inbox/{path.name}")
    path = next(path for path in sorted(replay.inbox.iterdir()) if b"Invoice A2:" in path.read_bytes() and b"A6" in path.read_bytes())
    replay.edit("Invoice A2:", "Invoice A4 and A2:", f"inbox/{path.name}")
    assert f"{path.name}: late: settled or disputed by then: ['A4']" in replay.faults()
    assert len([fault for fault in replay.faults() if "late" in fault]) == 1


def test_the_command_shows_the_first_differences_and_says_so_by_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replay = Replay(tmp_path, "by-invoice")
    given = ["--csv", str(CSV), "--mapping", str(MAPPING), "--policy", str(replay.policy), "--report", str(replay.path)]
    assert main([*given, "--inbox", str(replay.inbox)]) == 0
    replay.edit('"reminders":17', '"reminders":18')
    assert main(given) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "agrees with the oracle",
        "report.totals.reminders: found 18, expected 17",
        "1 differences",
    ]
