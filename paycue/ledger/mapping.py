"""The mapping file: which column of a CSV is which fact, how dates and amounts are written, and what every row has in common.

It reads and checks the mapping alone; whether the CSV has those columns is the reader's question. It never opens the CSV.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from paycue.handwritten import HandwrittenError, Node, read
from paycue.ledger import values

NEEDED = ("account", "invoice", "issued", "due", "amount")
"""Fields that only a column can give."""
COMMON = ("currency", "zone", "locale", "name", "email", "phone")
"""Fields of a column or of a constant, each after those it may name; `currency` and `zone` are needed, `locale` is `en` if absent."""
TEMPLATES = ("name", "email", "phone")
"""Constants that may hold `{account}` and other fields of the row."""
PLACEHOLDERS = ("account", "invoice", "currency", "zone", "locale", "name")
OPENED = ("due", "issued", "paid_on")
"""What `disputes.opened` may name besides a column of the CSV. These words win over a column of the same name."""

CHECKS: Mapping[str, Callable[[str], str]] = {
    "currency": values.currency,
    "zone": values.zone,
    "locale": values.locale,
    "email": values.email,
    "phone": values.phone,
    "name": values.name,
}
"""What each field of COMMON has to be."""

_BRACED = re.compile(r"\{([^{}]*)\}")
_PROBES = (date(2013, 1, 2), date(2012, 11, 30))


class Formats(msgspec.Struct, frozen=True):
    """How the CSV is written."""

    date: str = "%Y-%m-%d"
    """A strptime format."""
    decimal: str = "."
    delimiter: str = ","


class Disputes(msgspec.Struct, frozen=True):
    """Rows whose `column` equals a text are disputed, from the date that `opened` names (a field of OPENED, or a column)."""

    column: str
    equals: str
    opened: str


class LedgerMapping(msgspec.Struct, frozen=True):
    """A mapping that holds together."""

    file: str
    columns: Mapping[str, str]
    """Field -> the CSV's column."""
    constants: Mapping[str, str]
    formats: Formats = Formats()
    disputes: Disputes | None = None


def read_mapping(source: Path | str, name: str = "") -> LedgerMapping:
    """Read a mapping from a file (a Path) or a text (a str). Raises HandwrittenError."""
    root = read(source, name).only("columns", "formats", "constants", "disputes")
    columns, constants, disputes = root.required("columns"), root.get("constants"), root.get("disputes")
    fields = _columns(columns)
    given = _constants(constants) if constants else {}
    _given_once(root, fields, given)
    return LedgerMapping(
        file=root.file,
        columns=fields,
        constants={"locale": "en", **given} if "locale" not in fields else given,
        formats=_formats(root.get("formats")),
        disputes=_disputes(disputes, fields) if disputes else None,
    )


def fill(template: str, row: Mapping[str, str]) -> str:
    """A constant with its placeholders replaced by the row's own values."""
    return _BRACED.sub(lambda braced: row[braced[1]], template)


def _columns(node: Node) -> dict[str, str]:
    node.only(*NEEDED, "paid_on", *COMMON)
    for field in NEEDED:
        node.required(field)
    return {field: _column(child) for field, child in node.items() if not child.empty}


def _column(node: Node) -> str:
    return node.text().strip(" ") or node.fail("the name of a column")


def _constants(node: Node) -> dict[str, str]:
    node.only(*COMMON)
    return {field: _constant(field, child) for field, child in node.items() if not child.empty}


def _constant(field: str, node: Node) -> str:
    if field in TEMPLATES and _placeholders(field, node):
        return node.text()
    try:
        return CHECKS[field](node.text())
    except values.BadValue as bad:
        node.fail(bad.expected)


def _placeholders(field: str, node: Node) -> list[str]:
    """The placeholders of a template. What they make of each row is checked row by row."""
    text, known = node.text(), [placeholder for placeholder in PLACEHOLDERS if placeholder != field]
    found = _BRACED.findall(text)
    if not set(found) <= set(known) or set("{}") & set(_BRACED.sub("", text)):
        node.fail(f"placeholders from {', '.join(f'{{{placeholder}}}' for placeholder in known)}")
    return found


def _given_once(root: Node, columns: Mapping[str, str], constants: Mapping[str, str]) -> None:
    """Refuse a field that is both column and constant, and a currency or zone that is neither."""
    given = root.get("constants")
    for field in sorted(columns.keys() & constants.keys()):
        (given or root).required(field).fail(f"no constant, since the column {columns[field]!r} gives it")
    for field in ("currency", "zone"):
        if field not in columns and field not in constants:
            raise HandwrittenError(root.file, (given or root).line, "constants", f"no {field}", f"{field} there or under columns")


def _formats(node: Node | None) -> Formats:
    if node is None:
        return Formats()
    node.only("date", "decimal", "delimiter")
    written, decimal, delimiter = node.get("date"), node.get("decimal"), node.get("delimiter")
    return Formats(
        date=_date_format(written) if written else Formats().date,
        decimal=_sign(decimal, ".,", '"." or ","') if decimal else Formats().decimal,
        delimiter=_sign(delimiter, ",;|:\t", 'one of "," ";" "|" ":" or "\\t" (a tab), in double quotes')
        if delimiter
        else Formats().delimiter,
    )


def _date_format(node: Node) -> str:
    """A strptime format that loses nothing of a date."""

    def lossless(pattern: str) -> str:
        if any(datetime.strptime(probe.strftime(pattern), pattern).replace(tzinfo=UTC).date() != probe for probe in _PROBES):
            raise ValueError
        return pattern

    return node.parsed(lossless, "a strptime format with year, month and day, such as %Y-%m-%d or %d.%m.%Y")


def _sign(node: Node, known: str, expected: str) -> str:
    text = node.text()
    return text if len(text) == 1 and text in known else node.fail(expected)


def _disputes(node: Node, columns: Mapping[str, str]) -> Disputes:
    node.only("column", "equals", "opened")
    opened = node.required("opened")
    if opened.text() == "paid_on" and "paid_on" not in columns:
        opened.fail("due, issued or a column with the date, since columns.paid_on is absent")
    return Disputes(_column(node.required("column")), node.required("equals").text().strip(" "), _column(opened))
