"""What commands print for a person: the report of a replay, and rows that were refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from paycue.cli.progress import err, out
from paycue.ledger import RowError

_MOST_ERRORS = 50


def show_report(report: Mapping[str, Any], path: str) -> None:
    """The totals of a replay as a person reads them."""
    totals = report["totals"]
    out.print()
    out.print(f"[bold]What happened from {report['from']} to {report['to']}[/bold]", highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column()
    for number, words in _lines(totals):
        table.add_row(number, words)
    out.print(table)
    good = not any(totals[bad] for bad in ("late", "duplicate", "dead_letters"))
    verdict = f"{totals['late']} late, {totals['duplicate']} duplicate, {totals['unknown']} unknown, {totals['dead_letters']} dead letters"
    out.print(f"  {verdict}", style="green" if good else "red", highlight=False)
    out.print(f"  The whole report: {path}", highlight=False, soft_wrap=True)


def _lines(totals: Mapping[str, Any]) -> list[tuple[str, str]]:
    settled = ", ".join(f"{amount} {currency}" for currency, amount in totals["settled"].items()) or "nothing"
    lines = [
        (f"{totals['invoices']:,}", f"invoices of {totals['accounts']:,} accounts came in"),
        (f"{totals['payments']:,}", f"payments came in and settled {settled}"),
        (f"{totals['reminders']:,}", "reminders went out: " + _counts(totals["by_channel"])),
        ("", "by step: " + _counts(totals["by_step"])),
    ]
    stopped = sum(totals["not_sent"].values())
    return [*lines, (f"{stopped:,}", "steps were not sent: " + _counts(totals["not_sent"]))]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def show_row_errors(errors: Sequence[RowError]) -> None:
    """Rows that were skipped, each with its reason."""
    if not errors:
        return
    err.print(f"\n[red]{len(errors)} rows were skipped:[/red]")
    for error in errors[:_MOST_ERRORS]:
        err.print(f"  {error}", highlight=False, soft_wrap=True, markup=False)
    if len(errors) > _MOST_ERRORS:
        err.print(f"  ... and {len(errors) - _MOST_ERRORS} more")
