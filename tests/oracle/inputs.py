"""Reads the three files a replay is given (ledger CSV, mapping, policy) into plain values, on its own.
It must never import the system under test: two readers of the same file are the point of an oracle."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import yaml

STAGES = ("friendly", "firm", "final_demand", "agency", "legal")
CHANNELS = ("email", "sms")
NO_DECIMALS = frozenset(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"])
THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


class BadInput(ValueError):
    """An input that the oracle refuses to judge; the text says what was found where."""


@dataclass(frozen=True)
class Item:
    account: str
    invoice: str
    issued: date
    due: date
    amount: Decimal
    currency: str
    paid_on: date | None
    disputed_on: date | None


@dataclass(frozen=True)
class Debtor:
    account: str
    zone: str
    addresses: tuple[tuple[str, str], ...]  # (channel, address), only what is known

    def address(self, channel: str) -> str | None:
        return dict(self.addresses).get(channel)


@dataclass(frozen=True)
class Ledger:
    debtors: dict[str, Debtor]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Step:
    name: str
    offset: int
    stage: str
    channels: tuple[str, ...]
    position: int


@dataclass(frozen=True)
class Policy:
    name: str
    version: int
    consolidate: str
    opens: time
    working: bool
    steps: tuple[Step, ...]


def decimals(currency: str) -> int:
    return 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def money(amount: Decimal, currency: str) -> str:
    return f"{amount:.{decimals(currency)}f}"


def section(path: Path) -> dict[str, object]:
    with path.open(encoding="utf-8") as file:
        found = yaml.safe_load(file)
    if not isinstance(found, dict):
        raise BadInput(f"{path}: expected a mapping of keys, found {type(found).__name__}")
    return found


def texts(found: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def read_amount(text: str, mark: str, currency: str) -> Decimal:
    if not re.fullmatch(rf"\d+({re.escape(mark)}\d+)?", text):
        raise BadInput(f"amount {text!r} is not a plain number with decimal mark {mark!r}")
    amount = Decimal(text.replace(mark, "."))
    if amount <= 0 or amount != round(amount, decimals(currency)):
        raise BadInput(f"amount {text!r} is not positive or has too many decimals for {currency}")
    return amount


class Row:
    """One CSV row seen through the mapping: a field is a column, or else a constant with its placeholders filled."""

    def __init__(self, mapping: Mapping[str, object], row: Mapping[str, str]) -> None:
        self.columns, self.constants = dict(texts(mapping.get("columns"))), texts(mapping.get("constants"))
        self.formats, self.disputes = texts(mapping.get("formats")), texts(mapping.get("disputes"))
        self.row = row

    def text(self, field: str) -> str:
        if field in self.columns:
            return self.row[self.columns[field]].strip()
        constant = self.constants.get(field, "")
        for name in self.columns:
            constant = constant.replace("{" + name + "}", self.row[self.columns[name]].strip())
        return constant

    def day(self, field: str) -> date | None:
        text = self.text(field)
        return datetime.strptime(text, self.formats.get("date", "%Y-%m-%d")).replace(tzinfo=UTC).date() if text else None

    def required_day(self, field: str) -> date:
        day = self.day(field)
        if day is None:
            raise BadInput(f"the {field} date is empty")
        return day

    def disputed_on(self) -> date | None:
        if not self.disputes or self.row[self.disputes["column"]].strip() != self.disputes["equals"]:
            return None
        opened = self.disputes["opened"]
        return self.required_day(opened if opened in ("due", "issued", "paid_on") else self.named(opened))

    def named(self, column: str) -> str:
        """A date column that no field names, made a field of its own."""
        self.columns[column] = column
        return column

    def item(self) -> Item:
        issued, due, currency = self.required_day("issued"), self.required_day("due"), self.text("currency")
        if due < issued:
            raise BadInput(f"due {due} before issued {issued}")
        amount = read_amount(self.text("amount"), self.formats.get("decimal", "."), currency)
        return Item(self.text("account"), self.text("invoice"), issued, due, amount, currency, self.day("paid_on"), self.disputed_on())

    def debtor(self) -> Debtor:
        known = [(channel, self.text(field)) for channel, field in (("email", "email"), ("sms", "phone"))]
        return Debtor(self.text("account"), self.text("zone"), tuple((channel, address) for channel, address in known if address))


def read_ledger(csv_path: Path, mapping_path: Path) -> Ledger:
    mapping = section(mapping_path)
    debtors: dict[str, Debtor] = {}
    items: dict[tuple[str, str], Item] = {}
    with csv_path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=texts(mapping.get("formats")).get("delimiter", ","))
        for found in reader:
            try:
                row = Row(mapping, found)
                item, debtor = row.item(), row.debtor()
            except (ValueError, KeyError) as error:
                raise BadInput(f"{csv_path.name}, line {reader.line_num}: {error}") from error
            if items.setdefault((item.account, item.invoice), item) != item or debtors.setdefault(item.account, debtor) != debtor:
                raise BadInput(f"{csv_path.name}, line {reader.line_num}: the same account or invoice again, with other content")
    return Ledger(debtors, tuple(items[key] for key in sorted(items, key=lambda key: (key[1], key[0]))))


def read_step(found: object, position: int) -> Step:
    if not isinstance(found, dict):
        raise BadInput(f"step {position} is not a mapping")
    when, stage, channels = "".join(str(found["when"]).split()), str(found["stage"]), tuple(found["channels"])
    match = re.fullmatch(r"due(?:([+-]\d+)d)?", when)
    if not match or stage not in STAGES or not channels or not set(channels) <= set(CHANNELS):
        raise BadInput(f"step {position}: the oracle does not know {found}")
    return Step(when, int(match[1] or 0), stage, channels, position)


def read_opening(window: dict[str, object]) -> time:
    opens = window["from"]
    if isinstance(opens, int):  # YAML 1.1 reads an unquoted 10:30 as a number in base 60
        return time(*divmod(opens, 60))
    return time.fromisoformat(str(opens))


def read_policy(path: Path) -> Policy:
    found = section(path)
    window, steps = found.get("window"), found.get("steps")
    if not isinstance(window, dict) or not isinstance(steps, list):
        raise BadInput(f"{path.name}: a window and steps are expected")
    for key, off in (("minimum_gap", "0d"), ("caps", "none"), ("spread", "none")):
        if str(found.get(key, off)) != off:
            raise BadInput(f"{path.name}: the oracle knows {key} only as {off!r}, found {found[key]!r}")
    days, consolidate = str(window.get("days", "all")), str(found.get("consolidate", "invoice"))
    if days not in ("all", "working") or consolidate not in ("invoice", "account"):
        raise BadInput(f"{path.name}: days {days!r}, consolidate {consolidate!r} are not known")
    ladder = tuple(read_step(step, position) for position, step in enumerate(steps))
    if len({step.offset for step in ladder}) < len(ladder):
        raise BadInput(f"{path.name}: two steps on the same day of an invoice")
    return Policy(str(found["policy"]), int(str(found["version"])), consolidate, read_opening(window), days == "working", ladder)
