"""Holds a replay's report and the messages its inbox received against the oracle, and lists every difference.
It must never start or import the system under test: it sees the files that a replay was given and those it left."""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tests.oracle.inputs import Item, read_ledger
from tests.oracle.oracle import Covered, Expected, Message, expected
from tests.oracle.received import Received, content, content_faults, day_of, late, read_inbox

LAYOUTS = ((None, (",", ":")), (None, (", ", ": ")), (2, (",", ": ")), (1, (",", ": ")), (4, (",", ": ")))
ABSENT = object()


def differences(found: object, wanted: object, where: str = "report") -> list[str]:
    """Field by field; the order of keys counts, since the report is canonical."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        lines = [
            line
            for key in [*wanted, *(key for key in found if key not in wanted)]
            for line in differences(found.get(key, ABSENT), wanted.get(key, ABSENT), f"{where}.{key}")
        ]
        order = [] if lines or list(found) == list(wanted) else [f"{where}: keys {list(found)}, expected in order {list(wanted)}"]
        return lines + order
    if isinstance(found, list) and isinstance(wanted, list):
        return list_differences(found, wanted, where)
    if found is ABSENT or wanted is ABSENT:
        return [f"{where}: {'missing' if found is ABSENT else 'not expected'}: {json.dumps(wanted if found is ABSENT else found)[:200]}"]
    return [] if type(found) is type(wanted) and found == wanted else [f"{where}: found {found!r}, expected {wanted!r}"]


def label(entry: object, index: int) -> str:
    return f"{index} ({entry['invoice']})" if isinstance(entry, dict) and "invoice" in entry else str(index)


def list_differences(found: Sequence[object], wanted: Sequence[object], where: str) -> list[str]:
    lines = [f"{where}: {len(found)} entries, expected {len(wanted)}"] if len(found) != len(wanted) else []
    pairs = enumerate(zip(found, wanted, strict=False))
    lines += [line for index, pair in pairs for line in differences(*pair, f"{where}[{label(pair[1], index)}]")]
    if len(found) != len(wanted):
        lines += [f"{where}: not expected: {json.dumps(entry)[:200]}" for entry in found[len(wanted) :]]
        lines += [f"{where}: missing: {json.dumps(entry)[:200]}" for entry in wanted[len(found) :]]
    return lines


def unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"keys repeated in one object: {repeated}")
    return dict(pairs)


def is_canonical(text: str, parsed: object) -> bool:
    layouts = [(indent, separators, ascii_only) for indent, separators in LAYOUTS for ascii_only in (False, True)]
    forms = {json.dumps(parsed, indent=indent, separators=marks, ensure_ascii=ascii_only) for indent, marks, ascii_only in layouts}
    return text.removesuffix("\n") in forms


def lines_of(report: object) -> list[tuple[str, str, dict[str, object]]]:
    """(invoice, account, line) of every reminder in the report, whatever else is wrong with it."""
    invoices = report.get("invoices") if isinstance(report, dict) else None
    return [
        (str(entry.get("invoice")), str(entry.get("account")), line)
        for entry in (invoices if isinstance(invoices, list) else [])
        if isinstance(entry, dict)
        for line in (entry.get("reminders") or [])
        if isinstance(line, dict)
    ]


def id_faults(report: object, messages: list[Message]) -> list[str]:
    """One id per message: the lines of a message share it, and no other message has it."""
    ids: dict[tuple[object, ...], str] = {}
    faults = []
    for invoice, account, line in lines_of(report):
        reminder_id = line.get("reminder_id")
        if isinstance(reminder_id, str) and reminder_id:
            ids[invoice, account, line.get("on"), line.get("step")] = reminder_id
        else:
            faults.append(f"invoice {invoice} on {line.get('on')}: reminder_id is {reminder_id!r}, expected a text")
    owners: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        found = {ids[key] for key in map(line_key, message.covered) if key in ids}
        if len(found) > 1:
            faults.append(f"{describe(message)}: one message, but ids {sorted(found)}")
        for reminder_id in found:
            owners[reminder_id].append(message)
    shared = [(reminder_id, "; ".join(map(describe, of))) for reminder_id, of in owners.items() if len(of) > 1]
    return faults + [f"id {reminder_id} stands for several messages: {of}" for reminder_id, of in shared]


def line_key(part: Covered) -> tuple[object, ...]:
    return part.item.invoice, part.item.account, part.on.isoformat(), part.step.name if part.step is not None else None


def describe(message: Message) -> str:
    return f"{message.channel} to {message.recipient} on {message.day} covering {[part.item.invoice for part in message.covered]}"


def line_order_faults(report: object) -> list[str]:
    return [
        f"invoice {invoice}: reminder keys {list(line)}, expected on, step, channel, reminder_id"
        for invoice, _, line in lines_of(report)
        if list(line) != ["on", "step", "channel", "reminder_id"]
    ]


def report_faults(path: Path, wanted: Expected) -> list[str]:
    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text, object_pairs_hook=unique_keys)
    except ValueError as error:
        return [f"report: {error}"]
    faults = [] if is_canonical(text, found) else ["report: not the canonical form of its own content"]
    faults += line_order_faults(found) + id_faults(found, wanted.messages)
    for _, _, line in lines_of(found):
        line.pop("reminder_id", None)
    return differences(found, wanted.report) + faults


class Inbox:
    """The expected messages not yet seen, from which each received one takes its own."""

    def __init__(self, messages: list[Message], items: Sequence[Item]) -> None:
        self.wanted = Counter((one.channel, one.recipient, str(one.day)) for one in messages)
        self.zones = {(one.channel, one.recipient): one.debtor.zone for one in messages}
        self.open: dict[tuple[str, str, str], list[Message]] = defaultdict(list)
        self.items: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            self.items[item.account].append(item)
        for message in messages:
            self.open[message.channel, message.recipient, str(message.day)].append(message)

    def key(self, received: Received) -> tuple[str, str, str]:
        zone = self.zones.get((received.channel, received.to), "UTC")
        return received.channel, received.to, str(day_of(received, zone))

    def take(self, received: Received) -> Message | None:
        """The open message that this one is: one whose invoices it all names, and has the fewest faults beside."""
        candidates = self.open[self.key(received)]
        ranked = sorted(candidates, key=lambda message: len(self.content_faults(received, message)))
        exact = [message for message in ranked if all(received.names(part.item.invoice) for part in message.covered)]
        taken = next(iter(exact + ranked), None)
        if taken is not None:
            candidates.remove(taken)
        return taken

    def content_faults(self, received: Received, message: Message) -> list[str]:
        return content_faults(received, message, self.items[message.debtor.account])

    def faults(self, received: Received) -> list[str]:
        message = self.take(received)
        if message is None:
            return [*received.faults, f"no such message is expected (any more): {self.key(received)}"]
        faults = [*received.faults, *self.content_faults(received, message)]
        named_late = late(received, message.debtor.zone, self.items[message.debtor.account])
        return faults + ([f"late: settled or disputed by then: {named_late}"] if named_late else [])


def inbox_faults(folder: Path, wanted: Expected, items: Sequence[Item]) -> list[str]:
    found, inbox = read_inbox(folder), Inbox(wanted.messages, items)
    got = Counter(map(inbox.key, found))
    faults = [
        f"{channel} to {to} on {day}: {got[channel, to, day]} received, {inbox.wanted[channel, to, day]} expected"
        for channel, to, day in sorted(inbox.wanted.keys() | got.keys())
        if got[channel, to, day] != inbox.wanted[channel, to, day]
    ]
    for received in found:
        faults += [f"{received.file}: {fault}" for fault in inbox.faults(received)]
    faults += [f"never received: {describe(message)}" for left in inbox.open.values() for message in left]
    repeated = [key for key, count in Counter(map(content, found)).items() if count > 1]
    return faults + [f"duplicate: {channel} to {to} on {day}: {text[:80]!r}" for channel, to, day, text in repeated]


def check(
    csv: Path, mapping: Path, policy: Path, report: Path, inbox: Path | None = None, from_: date | None = None, to: date | None = None
) -> list[str]:
    """Every difference between what a replay left and what the oracle expects; an empty list is agreement."""
    wanted = expected(csv, mapping, policy, from_, to)
    faults = report_faults(report, wanted)
    return faults + (inbox_faults(inbox, wanted, read_ledger(csv, mapping).items) if inbox is not None else [])


def arguments(found: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="check_replay", description="Holds a replay's report and inbox against the oracle.")
    for name in ("csv", "mapping", "policy", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--inbox", type=Path, help="the folder of received .eml and .json files")
    parser.add_argument("--from", dest="from_", type=date.fromisoformat)
    parser.add_argument("--to", type=date.fromisoformat)
    parser.add_argument("--show", type=int, default=20, help="how many differences to show")
    return parser.parse_args(found)


def main(found: Sequence[str]) -> int:
    given = arguments(found)
    faults = check(given.csv, given.mapping, given.policy, given.report, given.inbox, given.from_, given.to)
    for fault in faults[: given.show]:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{len(faults)} differences\n" if faults else "agrees with the oracle\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
