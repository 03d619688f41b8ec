"""P3: the whole way beside the usual way to write it: a FastStream handler and the ORM's unit of work for each record, one process."""

from bench import peers
from bench.cpu import alone
from bench.figures import number
from bench.line import Line, at_least
from bench.product import product_run
from paycue.local.stack import LocalStack

PAIRS = 2


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    count = 5_000 if full else 2_000
    ratios, rates, theirs = [], [], []
    for _ in range(PAIRS):
        try:
            with alone():
                usual = await peers.run(stack, "usual_pipeline.py", count)
        except peers.PeerMissing as missing:
            return [Line("P3", "reminders/s beside FastStream + ORM per record", ("", f"cannot run here: {missing}"))]
        product = await product_run(stack, count * 10)
        ratios.append(product.rate / usual["rate"])
        rates.append(number(product.rate))
        theirs.append(f"{number(usual['rate'])}/s, Python {number(usual['cpu_us'])} us")
    return [Line("P3", "reminders/s beside FastStream + ORM per record", (f"{rates[-1]}/s", theirs[-1]), ratios, at_least(20, 50))]
