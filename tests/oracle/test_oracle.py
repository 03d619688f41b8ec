"""Pins the oracle to results worked out by hand on small ledgers full of corner cases.
It must never compute what it expects: every value below was written down from the calendar."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.oracle.inputs import BadInput
from tests.oracle.oracle import Message, Report, expected, expected_report, opening

FIXTURES = Path(__file__).parent / "fixtures"
EMAIL_BY_INVOICE = {
    "A1": ("02-29 due-7d, 03-07 due", "03-14 due+7d settled, 03-22 due+15d settled"),
    "A10": ("01-23 due-7d", "01-30 due disputed, 02-06 due+7d disputed, 02-14 due+15d disputed"),
    "A2": ("03-10 due, 03-17 due+7d, 03-25 due+15d", "03-03 due-7d before_issue"),
    "A3": ("", "03-24 due-7d settled, 03-31 due settled, 04-07 due+7d settled, 04-15 due+15d settled"),
    "A4": ("", "04-08 due-7d before_issue, 04-15 due settled, 04-22 due+7d settled, 04-30 due+15d settled"),
    "A5": ("04-13 due-7d", "04-20 due disputed, 04-27 due+7d disputed, 05-05 due+15d settled"),
    "A6": ("04-18 due-7d", "04-25 due settled, 05-02 due+7d settled, 05-10 due+15d settled"),
    "A7": ("10-28 due, 11-04 due+7d, 11-12 due+15d sms", "10-21 due-7d before_issue"),
    "A8": ("01-08 due-7d, 01-15 due, 01-22 due+7d, 01-30 due+15d sms", ""),
    "A9": ("01-15 due-7d, 01-22 due", "01-29 due+7d settled, 02-06 due+15d settled"),
}


def report(policy: str, csv: str = "ledger", mapping: str = "mapping", from_: date | None = None, to: date | None = None) -> Report:
    return expected_report(FIXTURES / f"{csv}.csv", FIXTURES / f"{mapping}.yaml", FIXTURES / f"{policy}.yaml", from_, to)


def messages(policy: str, csv: str = "ledger", mapping: str = "mapping") -> list[Message]:
    return expected(FIXTURES / f"{csv}.csv", FIXTURES / f"{mapping}.yaml", FIXTURES / f"{policy}.yaml").messages


def lines(found: Report, invoice: str) -> tuple[str, str]:
    """What was sent (a channel is named only when it is not email) and what was not, month-day first."""
    entry = next(entry for entry in found["invoices"] if entry["invoice"] == invoice)
    sent = [f"{line['on'][5:]} {line['step']}{'' if line['channel'] == 'email' else ' ' + line['channel']}" for line in entry["reminders"]]
    return ", ".join(sent), ", ".join(f"{line['on'][5:]} {line['step']} {line['reason']}" for line in entry["not_sent"])


def covering(policy: str, account: str, mapping: str = "mapping") -> list[str]:
    return [
        f"{message.day:%m-%d} {message.channel} {'+'.join(part.item.invoice for part in message.covered)}"
        for message in messages(policy, mapping=mapping)
        if message.debtor.account == account
    ]


@pytest.mark.parametrize(("invoice", "wanted"), EMAIL_BY_INVOICE.items())
def test_each_invoice_has_its_own_ladder(invoice: str, wanted: tuple[str, str]) -> None:
    assert lines(report("by-invoice"), invoice) == wanted


def test_the_report_lists_invoices_by_id_and_fills_its_totals() -> None:
    found = report("by-invoice")
    assert list(found) == ["policy", "from", "to", "totals", "invoices"]
    assert found["policy"] == {"name": "ladder", "version": 3}
    assert (found["from"], found["to"]) == ("2012-02-01", "2013-02-14")
    assert [entry["invoice"] for entry in found["invoices"]] == ["A1", "A10", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9"]
    assert list(found["totals"].items()) == [
        ("accounts", 3),
        ("invoices", 10),
        ("payments", 6),
        ("reminders", 17),
        ("by_step", {"due-7d": 6, "due": 5, "due+7d": 3, "due+15d": 3}),
        ("by_channel", {"email": 15, "sms": 2}),
        ("not_sent", {"before_issue": 3, "settled": 15, "disputed": 5}),
        ("settled", {"USD": "1255.35"}),
        ("late", 0),
        ("duplicate", 0),
        ("unknown", 0),
        ("dead_letters", 0),
    ]


def test_without_a_disputes_section_nothing_is_held() -> None:
    found = report("by-invoice", mapping="mapping-without-disputes")
    assert found["totals"]["reminders"] == 22
    assert found["totals"]["by_step"] == {"due-7d": 6, "due": 7, "due+7d": 5, "due+15d": 4}
    assert found["totals"]["by_channel"] == {"email": 19, "sms": 3}
    assert found["totals"]["not_sent"] == {"before_issue": 3, "settled": 15, "disputed": 0}
    assert lines(found, "A5") == ("04-13 due-7d, 04-20 due, 04-27 due+7d", "05-05 due+15d settled")


def test_one_contact_covers_what_is_open_and_due_or_has_a_step() -> None:
    gamma = covering("by-account", "gamma")
    assert gamma == [
        "01-08 email A8",
        "01-15 email A8+A9",
        "01-22 email A8+A9",
        "01-23 email A10+A8+A9",
        "01-30 sms A8",
    ]
    assert covering("by-account", "beta") == ["03-10 email A2", "03-17 email A2", "03-25 email A2", "04-18 email A6+A2"]
    found = report("by-account")
    assert lines(found, "A8")[0] == "01-08 due-7d, 01-15 due, 01-22 due+7d, 01-23 None, 01-30 due+15d sms"
    assert lines(found, "A9")[0] == "01-15 due-7d, 01-22 due, 01-23 None"
    assert lines(found, "A2")[0] == "03-10 due, 03-17 due+7d, 03-25 due+15d, 04-18 None"


def test_an_account_contact_counts_once_as_a_message_and_per_line_as_a_step() -> None:
    found = report("by-account")["totals"]
    assert found["reminders"] == 15
    assert found["by_channel"] == {"email": 13, "sms": 2}
    assert found["by_step"] == {"due-7d": 6, "due": 5, "due+7d": 3, "due+15d": 3}
    assert found["not_sent"] == {"before_issue": 3, "settled": 15, "disputed": 5}


def test_the_highest_stage_of_the_day_chooses_the_channel_for_all() -> None:
    found = report("by-account", mapping="mapping-without-disputes")
    assert covering("by-account", "gamma", "mapping-without-disputes")[4:] == ["01-30 sms A10+A8", "02-06 email A10+A8", "02-14 sms A10+A8"]
    assert lines(found, "A10") == ("01-23 due-7d, 01-30 due sms, 02-06 due+7d, 02-14 due+15d sms", "")
    assert lines(found, "A8")[0].endswith("01-30 due+15d sms, 02-06 None, 02-14 None sms")
    assert (found["totals"]["reminders"], found["totals"]["by_channel"]) == (19, {"email": 16, "sms": 3})


def test_a_range_lists_only_its_own_steps_and_loads_earlier_facts_as_state() -> None:
    first, last = date(2013, 1, 15), date(2013, 1, 23)
    found = report("by-invoice", from_=first, to=last)
    assert (found["from"], found["to"]) == ("2013-01-15", "2013-01-23")
    assert found["totals"]["reminders"] == 5
    assert (found["totals"]["accounts"], found["totals"]["invoices"], found["totals"]["payments"]) == (3, 10, 5)
    assert found["totals"]["settled"] == {"USD": "1235.35"}
    assert found["totals"]["not_sent"] == {"before_issue": 0, "settled": 0, "disputed": 0}
    assert lines(found, "A1") == ("", "")
    assert lines(report("by-account", from_=first, to=last), "A8") == ("01-15 due, 01-22 due+7d, 01-23 None", "")


def test_messages_leave_at_nine_local_time_on_both_sides_of_a_clock_change() -> None:
    sent = {(message.covered[0].item.invoice, message.day): message.at for message in messages("by-invoice")}
    assert sent["A1", date(2012, 2, 29)] == datetime(2012, 2, 29, 14, tzinfo=UTC)
    assert sent["A2", date(2012, 3, 10)] == datetime(2012, 3, 10, 14, tzinfo=UTC)
    assert sent["A2", date(2012, 3, 17)] == datetime(2012, 3, 17, 13, tzinfo=UTC)
    assert sent["A7", date(2012, 10, 28)] == datetime(2012, 10, 28, 13, tzinfo=UTC)
    assert sent["A7", date(2012, 11, 4)] == datetime(2012, 11, 4, 14, tzinfo=UTC)


def test_a_window_in_the_gap_opens_after_it_and_one_in_the_doubled_hour_opens_once() -> None:
    half_past_two, half_past_one = datetime(2013, 1, 1, 2, 30, tzinfo=UTC).time(), datetime(2013, 1, 1, 1, 30, tzinfo=UTC).time()
    assert opening(date(2013, 3, 10), half_past_two, "America/New_York") == datetime(2013, 3, 10, 7, tzinfo=UTC)
    assert opening(date(2013, 11, 3), half_past_one, "America/New_York") == datetime(2013, 11, 3, 5, 30, tzinfo=UTC)


def test_a_weekend_step_moves_to_monday_and_only_the_latest_of_a_day_goes() -> None:
    found = report("working", csv="weekend", mapping="mapping-without-disputes")
    assert lines(found, "W1") == ("03-11 due+2d", "03-09 due superseded, 03-10 due+1d superseded")
    assert lines(found, "W2") == ("03-08 due", "03-09 due+1d settled, 03-10 due+2d settled")
    assert lines(found, "W3") == ("03-11 due+1d, 03-12 due+2d", "03-10 due superseded")
    assert lines(found, "W4") == ("03-14 due, 03-15 due+1d, 03-16 due+2d", "")
    assert found["totals"]["not_sent"] == {"before_issue": 0, "settled": 2, "disputed": 0, "superseded": 3}


def test_a_moved_step_keeps_its_date_and_goes_at_the_monday_opening() -> None:
    last = messages("working", csv="weekend", mapping="mapping-without-disputes")[-1]
    assert [(part.item.invoice, part.on) for part in last.covered] == [("W4", date(2013, 3, 16))]
    assert (last.day, last.at) == (date(2013, 3, 18), datetime(2013, 3, 18, 13, tzinfo=UTC))


def test_an_account_is_contacted_once_on_the_monday() -> None:
    sent = messages("working-by-account", csv="weekend", mapping="mapping-without-disputes")
    delta = [(message.day, [part.item.invoice for part in message.covered]) for message in sent if message.debtor.account == "delta"]
    assert delta == [(date(2013, 3, 8), ["W2"]), (date(2013, 3, 11), ["W1"])]


TWO_CURRENCIES = (
    "\ufeffKonto;Beleg;vom;zum;Betrag;W;bezahlt\r\n"
    "k1;R-1;01.03.2013;15.03.2013;1234,5;EUR;20.03.2013\r\n"
    "k1;R-2;01.03.2013;15.03.2013;5000;JPY;20.03.2013\r\n"
    "k2;R-3;01.03.2013;15.03.2013;0,5;EUR;16.03.2013\r\n"
    "k2;R-3;01.03.2013;15.03.2013;0,5;EUR;16.03.2013\r\n"
    "k2;R-4;01.03.2013;15.03.2013;7,25;EUR;\r\n"
)


def two_currencies(folder: Path, content: str) -> Report:
    csv = folder / "ledger.csv"
    csv.write_bytes(content.encode())
    return expected_report(csv, FIXTURES / "two-currencies.yaml", FIXTURES / "by-invoice.yaml")


def test_currencies_are_never_added_together(tmp_path: Path) -> None:
    found = two_currencies(tmp_path, TWO_CURRENCIES)
    assert found["totals"]["settled"] == {"EUR": "1235.00", "JPY": "5000"}
    assert (found["totals"]["accounts"], found["totals"]["invoices"], found["totals"]["payments"]) == (2, 4, 3)
    assert (found["from"], found["to"]) == ("2013-03-01", "2013-03-30")
    assert lines(found, "R-3") == ("03-08 due-7d, 03-15 due", "03-22 due+7d settled, 03-30 due+15d settled")


@pytest.mark.parametrize(
    "row",
    [
        "k3;R-5;01.03.2013;28.02.2013;1,00;EUR;",
        "k3;R-5;01.03.2013;15.03.2013;1,005;EUR;",
        "k3;R-5;01.03.2013;15.03.2013;1.00;EUR;",
        "k3;R-5;31.02.2013;15.03.2013;1,00;EUR;",
        "k1;R-1;01.03.2013;15.03.2013;1234,51;EUR;20.03.2013",
    ],
)
def test_a_row_that_cannot_be_judged_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    with pytest.raises(BadInput, match=r"ledger\.csv, line 7"):
        two_currencies(tmp_path, TWO_CURRENCIES + row + "\r\n")
