"""The mapping file: what is read, and what is refused with its line and field."""

import pytest

from paycue.handwritten import HandwrittenError
from paycue.ledger import Disputes, Formats, read_mapping

ISSUE = """\
columns: {account: customerID, invoice: invoiceNumber, issued: InvoiceDate, due: DueDate, amount: InvoiceAmount, paid_on: SettledDate}
formats: {date: "%m/%d/%Y", decimal: ".", delimiter: ","}
constants: {currency: USD, zone: America/New_York, locale: en, email: "{account}@debtors.example"}
disputes: {column: Disputed, equals: "Yes", opened: due}
"""
SHORT = "columns: {account: a, invoice: b, issued: c, due: d, amount: e}\nconstants: {currency: EUR, zone: Europe/Berlin}\n"


def refusal(text: str) -> HandwrittenError:
    with pytest.raises(HandwrittenError) as caught:
        read_mapping(text, "mapping.yaml")
    return caught.value


def test_a_whole_mapping_is_read() -> None:
    mapping = read_mapping(ISSUE, "mapping.yaml")
    assert mapping.columns["paid_on"] == "SettledDate"
    assert mapping.formats == Formats("%m/%d/%Y", ".", ",")
    assert mapping.constants["email"] == "{account}@debtors.example"
    assert mapping.disputes == Disputes("Disputed", "Yes", "due")


def test_what_may_be_absent_has_its_default() -> None:
    mapping = read_mapping(SHORT)
    assert mapping.formats == Formats("%Y-%m-%d", ".", ",")
    assert mapping.disputes is None
    assert mapping.constants["locale"] == "en"


def test_an_unquoted_yes_is_the_word_that_was_written() -> None:
    disputes = read_mapping(ISSUE.replace('"Yes"', "Yes")).disputes
    assert disputes is not None
    assert disputes.equals == "Yes"


@pytest.mark.parametrize(
    ("was", "now", "line", "field", "said"),
    [
        ("due: DueDate, ", "", 1, "columns.due", "found no such key"),
        ("due: DueDate", "due: ", 1, "columns.due", "found no value"),
        ("due: DueDate", 'due: " "', 1, "columns.due", "expected the name of a column"),
        ("due: DueDate", "due: [DueDate]", 1, "columns.due", "found a list, expected a text"),
        ("due: DueDate", "dew: DueDate, due: DueDate", 1, "columns.dew", "the unknown key 'dew', expected one of account, invoice"),
        ("constants:", "constant:", 3, "constant", "the unknown key"),
        ('decimal: "."', 'decimal: ";"', 2, "formats.decimal", 'found \';\', expected "." or ","'),
        ('delimiter: ","', 'delimiter: ",;"', 2, "formats.delimiter", "found ',;'"),
        ('delimiter: ","', "delimiter: ''", 2, "formats.delimiter", "found ''"),
        ("%m/%d/%Y", "mm/dd/yyyy", 2, "formats.date", "expected a strptime format with year, month and day"),
        ("%m/%d/%Y", "%m/%d", 2, "formats.date", "expected a strptime format"),
        ("%m/%d/%Y", "%Q", 2, "formats.date", "expected a strptime format"),
        ("USD", "DOLLAR", 3, "constants.currency", "expected a currency of ISO 4217"),
        ("America/New_York", "America/Gotham", 3, "constants.zone", "expected an IANA time zone"),
        ("locale: en", "locale: en_US", 3, "constants.locale", "expected a BCP 47 language tag"),
        ("{account}@", "{acount}@", 3, "constants.email", "expected placeholders from {account}, {invoice}"),
        ("{account}@", "{account@", 3, "constants.email", "expected placeholders"),
        ("{account}@", "@", 3, "constants.email", "expected one e-mail address"),
        ("locale: en", "phone: 12", 3, "constants.phone", "expected a phone number with its country"),
        (
            "locale: en",
            "name: '{name}'",
            3,
            "constants.name",
            "expected placeholders from {account}, {invoice}, {currency}, {zone}, {locale}",
        ),
        ("currency: USD, ", "", 3, "constants", "found no currency, expected currency there or under columns"),
        ("paid_on: SettledDate", "currency: Cur", 3, "constants.currency", "no constant, since the column 'Cur' gives it"),
        ("opened: due", "open: due", 4, "disputes.open", "the unknown key 'open', expected one of column, equals, opened"),
        (", opened: due", "", 4, "disputes.opened", "found no such key"),
        ("{column: Disputed, ", "{", 4, "disputes.column", "found no such key"),
    ],
)
def test_a_wrong_mapping_is_refused_by_line_and_field(was: str, now: str, line: int, field: str, said: str) -> None:
    assert was in ISSUE
    error = refusal(ISSUE.replace(was, now, 1))
    assert (error.file, error.line, error.field) == ("mapping.yaml", line, field)
    assert said in str(error)


def test_disputes_opened_when_paid_need_a_column_of_payments() -> None:
    error = refusal(SHORT + "disputes: {column: x, equals: y, opened: paid_on}")
    assert (error.line, error.field) == (3, "disputes.opened")
    assert "columns.paid_on is absent" in str(error)


def test_a_tab_is_a_delimiter() -> None:
    assert read_mapping(SHORT + 'formats: {delimiter: "\\t"}').formats.delimiter == "\t"
