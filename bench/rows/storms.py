"""P4: a due storm of real, durable work beside the no-op job of those who fire jobs: what they do only begins where ours ends."""

import os
from typing import NamedTuple

from bench import peers
from bench.cpu import alone
from bench.figures import number
from bench.line import Bar, Line, at_least
from bench.storm import storm_run
from paycue.local.stack import LocalStack


class Peer(NamedTuple):
    """A peer's script, the ways it is run (the fastest counts), and what ratio is wanted."""

    what: str
    script: str
    ways: tuple[tuple[object, ...], ...]
    bar: Bar
    redis: bool = False


PEERS = (
    Peer(
        "Celery + Redis, tasks with one ETA", "celery_storm.py", ((5000, "prefork", 2), (5000, "threads", 10)), at_least(4, 10), redis=True
    ),
    Peer("Procrastinate, due jobs", "procrastinate_drain.py", ((5000, 10),), at_least(12, 30)),
    Peer("APScheduler + PostgreSQL, date jobs", "apscheduler_drain.py", ((2000,),), at_least(6, 15)),
    Peer("Dramatiq + Redis, messages (no ETA)", "dramatiq_drain.py", ((10000,),), at_least(1.3, 3.5), redis=True),
)


async def measure(stack: LocalStack, full: bool) -> list[Line]:
    """Each peer between two storms of ours."""
    count = 100_000 if full else 40_000
    ours = [(await storm_run(stack, count)).rate]
    lines = []
    for peer in PEERS:
        try:
            measured = max([await _run(stack, peer, way) for way in peer.ways], key=lambda one: float(one["rate"]))
        except peers.PeerMissing as missing:
            lines.append(Line("P4", f"due storm beside {peer.what}", (f"{number(ours[-1])}/s", f"cannot run here: {missing}")))
            continue
        ours.append((await storm_run(stack, count)).rate)
        theirs = f"{number(measured['rate'])}/s, Python {number(measured['cpu_us'])} us"
        ratios = [rate / measured["rate"] for rate in ours[-2:]]
        lines.append(Line("P4", f"due storm beside {peer.what}", (f"{number(sum(ours[-2:]) / 2)}/s", theirs), ratios, peer.bar))
    return lines


async def _run(stack: LocalStack, peer: Peer, way: tuple[object, ...]) -> dict[str, float]:
    with alone():
        if not peer.redis:
            return await peers.run(stack, peer.script, *way)
        async with peers.redis() as port:
            os.environ["PEER_REDIS"] = str(port)
            return await peers.run(stack, peer.script, *way)
