"""What commands print for a person: the report of a replay, and rows that were refused."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from paycue.cli.progress import err, out
from paycue.handwritten import read
from paycue.ledger import RowError

_MOST_ERRORS = 50
_BAR = 24


def show_report(report: Mapping[str, Any], policy: str, path: str) -> None:
    """The totals of a replay as a person reads them. `policy` is the policy file's text: its steps have stages."""
    totals = report["totals"]
    name = f"policy {report['policy']['name']} version {report['policy']['version']}"
    out.print(f"\n[bold]From {report['from']} to {report['to']}, {name}[/bold]\n", highlight=False)
    _section("came in", {"invoices": totals["invoices"], "accounts": totals["accounts"], "payments": totals["payments"]})
    _section("went out", {"reminders": totals["reminders"]} | {f"by {channel}": n for channel, n in totals["by_channel"].items()})
    _section("by stage", _by_stage(totals["by_step"], _stages(policy)))
    _section("by step", totals["by_step"])
    _section("kept silent", {reason.replace("_", " "): n for reason, n in totals["not_sent"].items()})
    money = [f"{amount} {currency}" for currency, amount in totals["settled"].items()] or ["nothing"]
    out.print(f"  [bold]{'settled':<14}[/bold]{', '.join(money)}\n", highlight=False, soft_wrap=True)
    good = not any(totals[bad] for bad in ("late", "duplicate", "dead_letters"))
    verdict = f"{totals['late']} late, {totals['duplicate']} duplicate, {totals['unknown']} unknown, {totals['dead_letters']} dead letters"
    out.print(f"  {verdict}", style="bold green" if good else "bold red", highlight=False)
    out.print(f"  The whole report: {path}\n", highlight=False, soft_wrap=True)


def _section(title: str, counts: Mapping[str, int]) -> None:
    """Numbers with bars, the longest for the largest."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=15, style="bold")
    table.add_column(width=14)
    table.add_column(width=8, justify="right")
    table.add_column(style="cyan")
    largest = max([*counts.values(), 1])
    for row, (name, count) in enumerate(counts.items()):
        table.add_row(f"  {title}" if row == 0 else "", name, f"{count:,}", "▇" * round(_BAR * count / largest))
    out.print(table)
    out.print()


def _stages(policy: str) -> dict[str, str]:
    """Step name -> stage, of a policy file that the scheduler has taken already."""
    steps = read(policy, "policy").required("steps").list()
    return {step.required("when").text().replace(" ", ""): step.required("stage").text() for step in steps}


def _by_stage(by_step: Mapping[str, int], stages: Mapping[str, str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for step, count in by_step.items():
        counts[stages[step].replace("_", " ")] += count
    return dict(counts)


def show_row_errors(errors: Sequence[RowError]) -> None:
    """Rows that were skipped, each with its reason."""
    if not errors:
        return
    err.print(f"\n[red]{len(errors)} rows were skipped:[/red]")
    for error in errors[:_MOST_ERRORS]:
        err.print(f"  {error}", highlight=False, soft_wrap=True, markup=False)
    if len(errors) > _MOST_ERRORS:
        err.print(f"  ... and {len(errors) - _MOST_ERRORS} more")
