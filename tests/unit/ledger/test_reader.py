"""The CSV: what a row becomes, and what each bad row is told while the rest goes on."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from paycue.ledger import InvoiceRow, LedgerError, RowError, read_mapping, read_rows

Read = Callable[..., list[InvoiceRow | RowError]]

GOOD = "A-1,{},2026-01-05,2026-01-20,10.50,2026-01-30,EUR,Europe/Berlin,a-1@debtors.example\n"
FIRST, SECOND, THIRD = GOOD.format("1"), GOOD.format("2"), GOOD.format("3")


def invoices(rows: list[InvoiceRow | RowError]) -> list[str]:
    return [row.invoice for row in rows if isinstance(row, InvoiceRow)]


def errors(rows: list[InvoiceRow | RowError]) -> list[RowError]:
    return [row for row in rows if isinstance(row, RowError)]


def test_a_row_says_what_its_columns_say(read_ledger: Read) -> None:
    assert read_ledger(FIRST) == [
        InvoiceRow(
            account="A-1",
            invoice="1",
            issued=date(2026, 1, 5),
            due=date(2026, 1, 20),
            amount_minor=1050,
            currency="EUR",
            paid_on=date(2026, 1, 30),
            zone="Europe/Berlin",
            disputed_on=None,
            locale="en",
            email="a-1@debtors.example",
            phone="",
            name="",
        )
    ]


@pytest.mark.parametrize(
    ("was", "now", "field", "said"),
    [
        ("2026-01-05", "05.01.2026", "Issued (issued)", "found '05.01.2026', expected a date written as %Y-%m-%d, such as 2013-01-31"),
        ("2026-01-05", "", "Issued (issued)", "found nothing, expected a date"),
        ("2026-01-05", "0026-01-05", "Issued (issued)", "expected a date from 1980 to 2199"),
        ("2026-01-20", "2026-02-30", "Due (due)", "found '2026-02-30', expected a date"),
        ("2026-01-20", "2026-01-04", "Due (due)", "found 2026-01-04, expected a date not before the issue date 2026-01-05"),
        ("2026-01-30", "soon", "Paid (paid_on)", "found 'soon', expected a date"),
        ("10.50", "ten", "Amount (amount)", "found 'ten', expected a number such as 1234.50"),
        ("10.50", "", "Amount (amount)", "found nothing"),
        ("10.50", "1e3", "Amount (amount)", "found '1e3'"),
        ("10.50", "nan", "Amount (amount)", "found 'nan'"),
        ("10.50", "٣", "Amount (amount)", "found '٣'"),
        ("10.50", '"1,050.00"', "Amount (amount)", "expected a number such as 1234.50, without grouping"),
        ("10.50", "10.505", "Amount (amount)", "found '10.505', expected at most 2 decimals, as EUR has"),
        ("10.50", "10.500", "Amount (amount)", "found '10.500', expected at most 2 decimals"),
        ("10.50", "0.00", "Amount (amount)", "found '0.00', expected an amount above zero"),
        ("10.50", "-10.50", "Amount (amount)", "found '-10.50', expected an amount above zero"),
        ("10.50", "9" * 30, "Amount (amount)", "expected an amount of 999999999999999 minor units at most"),
        ("EUR", "EURO", "Currency (currency)", "found 'EURO', expected a currency of ISO 4217"),
        ("EUR", "eur", "Currency (currency)", "found 'eur', expected a currency of ISO 4217 in capitals"),
        ("EUR", "", "Currency (currency)", "found nothing, expected a currency"),
        ("EUR", "JPY", "Amount (amount)", "expected no decimals, as JPY has none"),
        ("Europe/Berlin", "Europe/Bonn", "Zone (zone)", "found 'Europe/Bonn', expected an IANA time zone"),
        ("Europe/Berlin", "../etc/passwd", "Zone (zone)", "expected an IANA time zone"),
        ("A-1,", ",", "Account (account)", "found nothing, expected 1 to 64 characters"),
        ("A-1,", "  ,", "Account (account)", "found nothing"),
        ("A-1,", "A" * 65 + ",", "Account (account)", "found 65 characters, expected 1 to 64 characters"),
        ("A-1,", "A\x00,", "Account (account)", "found 'A\\x00', expected 1 to 64 characters, none of them a control character"),
        ("A-1,", '"A\nB",', "Account (account)", "found 'A\\nB'"),
        (",2,", ",,", "Invoice (invoice)", "found nothing"),
        (",2,", ",2\t,", "Invoice (invoice)", "found '2\\t'"),
        (",2,", f",{'2' * 65},", "Invoice (invoice)", "found 65 characters"),
        ("a-1@", "a-1@b@", "Email (email)", "found 'a-1@b@debtors.example', expected one e-mail address"),
        ("a-1@", "a-1", "Email (email)", "expected one e-mail address"),
        ("a-1@", "a\x1b1@", "Email (email)", "expected one e-mail address"),
        ("a-1@debtors.example", '"a@debtors.example\nBcc: b@c"', "Email (email)", "expected one e-mail address"),
        (",EUR", "", "", "found 8 columns, expected 9, as in the first line"),
        ("10.50", "10,50", "", "found 10 columns, expected 9"),
        (",2,", ',"2,', "", "a line that is no CSV (unexpected end of data)"),
        (",2,", ',"2"x,', "", "a line that is no CSV"),
    ],
)
def test_a_bad_row_is_told_its_line_and_field_and_the_rest_goes_on(read_ledger: Read, was: str, now: str, field: str, said: str) -> None:
    assert was in SECOND
    rows = read_ledger(FIRST + SECOND.replace(was, now, 1) + THIRD)
    assert invoices(rows) == ["1", "3"]
    (error,) = errors(rows)
    assert (error.line, error.field) == (3, field)
    assert said in str(error)


def test_an_error_names_its_file(read_ledger: Read, tmp_path: Path) -> None:
    (error,) = errors(read_ledger(FIRST.replace("EUR", "E")))
    assert str(error).startswith(f"{tmp_path / 'ledger.csv'}, line 2, Currency (currency): found 'E', expected ")


def test_bytes_that_are_not_utf_8_cost_their_row_only(read_ledger: Read) -> None:
    rows = read_ledger(FIRST.encode() + SECOND.replace("A-1", "Å").encode("latin-1") + THIRD.encode())
    assert invoices(rows) == ["1", "3"]
    assert "line 3: found bytes that are not UTF-8: b'\\xc5', expected a text in UTF-8" in str(errors(rows)[0])


def test_a_byte_order_mark_and_crlf_change_nothing(read_ledger: Read) -> None:
    header = b"\xef\xbb\xbfAccount,Invoice,Issued,Due,Amount,Paid,Currency,Zone,Email\r\n"
    assert read_ledger((FIRST + SECOND).replace("\n", "\r\n"), header=header) == read_ledger(FIRST + SECOND)


def test_blank_lines_and_a_missing_last_line_end_change_nothing(read_ledger: Read) -> None:
    assert read_ledger("\n" + FIRST + "\r\n\n" + SECOND.removesuffix("\n")) == read_ledger(FIRST + SECOND)


def test_blanks_around_a_value_are_dropped(read_ledger: Read) -> None:
    assert read_ledger(FIRST.replace(",", " , ")) == read_ledger(FIRST)


def test_lines_are_counted_through_quoted_line_ends_and_blank_lines(read_ledger: Read) -> None:
    header = b"Note,Account,Invoice,Issued,Due,Amount,Paid,Currency,Zone,Email\n"
    rows = read_ledger('"two\nlines",' + FIRST + "\n," + SECOND.replace("10.50", "x"), header=header)
    assert invoices(rows) == ["1"]
    assert errors(rows)[0].line == 5


def test_a_quote_that_never_closes_costs_its_own_line_only(read_ledger: Read) -> None:
    rows = read_ledger('"' + FIRST + "".join(GOOD.format(number) for number in range(2, 200)))
    assert [error.line for error in errors(rows)] == [2]
    assert len(invoices(rows)) == 198


def test_the_same_row_again_is_left_out(read_ledger: Read) -> None:
    rows = read_ledger(FIRST + SECOND + FIRST)
    assert invoices(rows) == ["1", "2"]
    assert errors(rows) == []


def test_an_invoice_again_with_other_content_is_a_bad_row(read_ledger: Read) -> None:
    rows = read_ledger(FIRST + SECOND + FIRST.replace("10.50", "11.00") + FIRST)
    assert invoices(rows) == ["1", "2"]
    (error,) = errors(rows)
    assert (error.line, error.field) == (4, "Invoice (invoice)")
    assert error.found == "'1' of account 'A-1' again, with other content"
    assert error.expected == "the content of line 2, or another invoice number"


def test_two_accounts_may_use_one_invoice_number(read_ledger: Read) -> None:
    assert invoices(read_ledger(FIRST + FIRST.replace("A-1,", "A-2,"))) == ["1", "1"]


def test_an_empty_payment_date_is_an_unpaid_invoice(read_ledger: Read) -> None:
    (row,) = read_ledger(FIRST.replace("2026-01-30", ""))
    assert isinstance(row, InvoiceRow)
    assert row.paid_on is None


def test_a_payment_may_come_before_the_invoice(read_ledger: Read) -> None:
    (row,) = read_ledger(FIRST.replace("2026-01-30", "2025-12-30"))
    assert isinstance(row, InvoiceRow)
    assert row.paid_on == date(2025, 12, 30)


def test_an_empty_address_is_no_address(read_ledger: Read) -> None:
    (row,) = read_ledger(FIRST.replace("a-1@debtors.example", ""))
    assert isinstance(row, InvoiceRow)
    assert row.email == ""


SEMICOLONS = """\
columns: {account: Konto, invoice: Rechnung, issued: Datum, due: Faellig, amount: Betrag}
formats: {date: "%d.%m.%Y", decimal: ",", delimiter: ";"}
constants:
  {currency: EUR, zone: Europe/Vienna, locale: de-AT, email: "{account}@debtors.example",
  phone: "+1 (202) 555-{invoice}", name: "Konto {account}"}
"""


@pytest.mark.parametrize("delimiter", [";", "|", "\t", ":", ","])
def test_delimiter_decimal_sign_and_dates_are_those_of_the_mapping(read_ledger: Read, delimiter: str) -> None:
    mapping = SEMICOLONS.replace('";"', repr(delimiter).replace("'", '"'))
    header = delimiter.join(["Konto", "Rechnung", "Datum", "Faellig", "Betrag"]).encode() + b"\n"
    (row,) = read_ledger(delimiter.join(["K1", "0123", "5.1.2026", "20.01.2026", '"1234,5"']) + "\n", header=header, mapping=mapping)
    assert isinstance(row, InvoiceRow)
    assert (row.issued, row.amount_minor, row.zone, row.locale) == (date(2026, 1, 5), 123450, "Europe/Vienna", "de-AT")
    assert (row.email, row.phone, row.name) == ("K1@debtors.example", "+12025550123", "Konto K1")


def test_a_point_is_no_decimal_comma(read_ledger: Read) -> None:
    rows = read_ledger("K1;0123;05.01.2026;20.01.2026;10.50\n", header=b"Konto;Rechnung;Datum;Faellig;Betrag\n", mapping=SEMICOLONS)
    assert "expected a number such as 1234,50" in str(errors(rows)[0])


@pytest.mark.parametrize(
    ("account", "invoice", "field"),
    [
        ("K 1", "0123", "email"),
        ("a@b", "0123", "email"),
        ("K,1", "0123", "email"),
        ("K<1>", "0123", "email"),
        ("K..1", "0123", "email"),
        ("Å1", "0123", "email"),
        ("=?K", "0123", "email"),
        ("K1", "R-1", "phone"),
    ],
)
def test_an_address_made_from_a_constant_has_to_be_plausible(read_ledger: Read, account: str, invoice: str, field: str) -> None:
    body = f"{account};{invoice};05.01.2026;20.01.2026;10,50\n"
    (error,) = errors(read_ledger(body, header=b"Konto;Rechnung;Datum;Faellig;Betrag\n", mapping=SEMICOLONS))
    assert (error.line, error.field) == (2, field)


def test_a_constant_may_name_another(read_ledger: Read) -> None:
    mapping = SEMICOLONS.replace('"{account}@debtors.example"', '"{name}@debtors.example"').replace("Konto {account}", "x-{account}")
    (row,) = read_ledger("K1;0123;05.01.2026;20.01.2026;10,50\n", header=b"Konto;Rechnung;Datum;Faellig;Betrag\n", mapping=mapping)
    assert isinstance(row, InvoiceRow)
    assert row.email == "x-K1@debtors.example"


@pytest.mark.parametrize(
    ("opened", "expected"),
    [("due", date(2026, 1, 20)), ("issued", date(2026, 1, 5)), ("paid_on", date(2026, 1, 30)), ("Since", date(2026, 1, 17))],
)
def test_a_dispute_opens_on_the_date_the_mapping_names(read_ledger: Read, opened: str, expected: date) -> None:
    header = b"Disputed,Since,Account,Invoice,Issued,Due,Amount,Paid,Currency,Zone,Email\n"
    more = f"disputes: {{column: Disputed, equals: Yes, opened: {opened}}}\n"
    rows = read_ledger("Yes,2026-01-17," + FIRST + "No,," + SECOND, header=header, more=more)
    assert [row.disputed_on for row in rows if isinstance(row, InvoiceRow)] == [expected, None]


@pytest.mark.parametrize(("opened", "found"), [("paid_on", "no paid_on"), ("Since", "nothing")])
def test_a_dispute_without_its_date_is_a_bad_row(read_ledger: Read, opened: str, found: str) -> None:
    header = b"Disputed,Since,Account,Invoice,Issued,Due,Amount,Paid,Currency,Zone,Email\n"
    more = f"disputes: {{column: Disputed, equals: Yes, opened: {opened}}}\n"
    (error,) = errors(read_ledger("Yes,," + FIRST.replace("2026-01-30", ""), header=header, more=more))
    assert (error.line, error.field, error.found) == (2, f"{opened} (disputes.opened)", found)


@pytest.mark.parametrize(
    ("header", "line", "field", "said"),
    [
        (b"", 1, "", "found nothing, expected a line with the names of the columns"),
        (
            b"\n\nAccount,Invoice\n",
            3,
            "issued",
            "found no column 'Issued' among Account, Invoice, expected that column once, as mapping.yaml says",
        ),
        (b"Account,Invoice,Issued,Due,Amount,Paid,Currency,Zone,Email,Due\n", 1, "due", "found the column 'Due' more than once"),
        ("Account,Invoice\n".encode("utf-16"), 1, "", "found bytes that are not UTF-8"),
    ],
)
def test_a_file_without_the_columns_of_the_mapping_is_refused(read_ledger: Read, header: bytes, line: int, field: str, said: str) -> None:
    with pytest.raises(LedgerError) as caught:
        read_ledger("", header=header)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert said in str(caught.value)


def test_a_column_of_the_disputes_that_is_absent_is_refused(read_ledger: Read) -> None:
    with pytest.raises(LedgerError, match=r"disputes.opened: found no column 'dew' among .*, or due, issued, paid_on"):
        read_ledger(FIRST, more="disputes: {column: Zone, equals: x, opened: dew}\n")


def test_a_file_that_is_not_there_is_refused_by_its_path(tmp_path: Path) -> None:
    mapping = read_mapping("columns: {account: a, invoice: b, issued: c, due: d, amount: e, currency: f, zone: g}")
    with pytest.raises(LedgerError, match=r"nowhere\.csv: found no such file or directory, expected a CSV file that can be read"):
        list(read_rows(tmp_path / "nowhere.csv", mapping))


def test_a_header_alone_is_an_empty_ledger(read_ledger: Read) -> None:
    assert read_ledger("") == []
