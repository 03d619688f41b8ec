"""P1 and P2: the whole way from an invoice to a reminder's outcome, beside the floor; in pairs, floor and product by turns.

The pair is scheduler and notifier, mail going nowhere and not rendered: the floor renders nothing either, and P9 measures what a
mail costs. Two more lines say what rendering adds, and what the whole installation costs, whose ledgers fold each invoice too.
"""

from bench.figures import Run, median, number, spread
from bench.floor import floor_run
from bench.line import Bar, Line, at_least, at_most
from bench.product import EVERY, product_run
from paycue.local.stack import LocalStack

PAIRS = 3


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    """Interleaved runs; ratios are taken within a pair."""
    floors = 200_000 if full else 100_000
    ours = floors // 2  # The floor starts as late as we do, and is done four times as fast.
    await floor_run(stack, 10_000)  # Warm: files, caches, compiled modules.
    one: list[tuple[Run, Run]] = []
    five: list[tuple[Run, Run]] = []
    for _ in range(PAIRS):
        for per_account, pairs in ((1, one), (5, five)):
            pairs.append((await floor_run(stack, floors), await product_run(stack, ours, per_account)))
    rendered = [(one[-1][0], await product_run(stack, ours, 1, channel="rendered"))]
    whole = [(five[-1][0], await product_run(stack, ours, 1, EVERY, "rendered"))]
    return [
        *_lines("one invoice for each account", one, at_least(0.20, 0.50), at_most(5, 2)),
        *_lines("five adjacent invoices for each account", five, at_least(0.20, 0.50), at_most(5, 2)),
        *_lines("one invoice for each account, each mail rendered", rendered),
        *_lines(f"the whole installation ({', '.join(EVERY)}), each mail rendered", whole),
    ]


def _lines(what: str, pairs: list[tuple[Run, Run]], rate_bar: Bar | None = None, cost_bar: Bar | None = None) -> list[Line]:
    rates = tuple(product.rate / floor.rate for floor, product in pairs)
    costs = tuple(product.each.total / floor.each.total for floor, product in pairs)
    floors, products = [floor for floor, _ in pairs], [product for _, product in pairs]
    return [
        Line("P1", f"reminders/s; {what}", (_rate(products), _rate(floors)), rates, rate_bar),
        Line("P2", f"CPU us a reminder (Python + PostgreSQL + broker); {what}", (_cost(products), _cost(floors)), costs, cost_bar),
    ]


def _rate(runs: list[Run]) -> str:
    rates = [run.rate for run in runs]
    return f"{number(median(rates))}/s {spread(rates)}" if len(rates) > 1 else f"{number(rates[0])}/s"


def _cost(runs: list[Run]) -> str:
    parts = [median([getattr(run.each, kind) for run in runs]) for kind in ("python", "postgres", "broker")]
    return f"{median([run.each.total for run in runs]):.0f} ({' + '.join(f'{part:.0f}' for part in parts)})"
