"""A whole run: reminders flow, services are killed, servers, networks and providers fail, stops race sends; then all comes to rest and is
judged.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.chaos.book import CALM, seen
from tests.e2e.chaos.evidence import evidence
from tests.e2e.chaos.judge import Judge, Judgement, Reasons
from tests.e2e.chaos.load import Load
from tests.e2e.chaos.races import Races
from tests.e2e.chaos.scenarios import FAULTS, Scenario, kills
from tests.e2e.chaos.site import Site, site
from tests.e2e.chaos.table import table
from tests.e2e.world import World, outstanding

RATE = 75.0
"""Accounts that fall due a second while services are killed. Fewer messages arrive, for some are stopped and each kill costs seconds; the
promise speaks of 50 that do."""
RACES_EVERY = 7
RACE_RATE = 70.0
KILL_LANES = 2
"""Services that may be down at the same time, beside what happens to the ground."""
AT_WORK, FLOWS_WITHIN = 50, 10.0
"""Messages that have to arrive before the next kill, and for how many seconds they are waited for."""
_SETTLES_WITHIN = 240.0
_OPEN = ("pending", "claimed", "unknown")
Say = Callable[[str], None]


@dataclass
class Outcome:
    """What a run came to."""

    judged: Judgement
    drawn: Counter[str]
    races: int
    rate: float
    """Messages a second that providers received while services were killed."""
    published: float
    """Accounts a second that fell due meanwhile."""
    broken: list[str]
    """Invariants that do not hold, calls without an end, and whatever else went wrong, in words."""
    ended: list[str]
    """Services that ended by themselves and were started again."""
    times: dict[str, float] = field(default_factory=dict)
    """Seconds of each part of the run."""

    @property
    def good(self) -> bool:
        return not self.judged.total.wrong and not self.broken and not self.judged.findings

    def text(self) -> str:
        """Findings first, the table last."""
        lines = [*self.judged.evidence, *self.judged.findings, *self.broken, *(f"note: {line}" for line in self.ended)]
        spent = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.times.items())
        under = f"{self.published:.0f} accounts fell due a second under faults, {self.rate:.0f} messages arrived"
        return "\n".join((*lines, f"{spent}; {under}", "", table(self.judged, self.drawn)))


@dataclass(frozen=True)
class Planned:
    """A scenario to come. What stands in one lane never happens at the same time."""

    lane: str
    name: str
    act: Scenario


def plan(seed: int, count: int, faults: int, among: Collection[str] = FAULTS) -> list[Planned]:
    """`count` kills, each service killed and frozen as often as any other, and `faults` of the other scenarios; the seed orders them."""
    rng = random.Random(f"plan {seed}")
    killed = [Planned(f"kills {number % KILL_LANES}", *drawn) for number, drawn in enumerate(_rounds(rng, kills(), count))]
    return [*killed, *(Planned("ground", name, act) for name, act in _rounds(rng, {name: FAULTS[name] for name in among}, faults))]


def _rounds(rng: random.Random, scenarios: dict[str, Scenario], count: int) -> list[tuple[str, Scenario]]:
    """Every scenario once before any comes a second time."""
    made: list[tuple[str, Scenario]] = []
    while len(made) < count:
        made += rng.sample(list(scenarios.items()), len(scenarios))
    return made[:count]


async def run(folder: Path, seed: int, planned: list[Planned], race_count: int, say: Say) -> Outcome:
    """A run on servers of its own in `folder`. Raises only when the run itself cannot go on."""
    times: dict[str, float] = {}
    async with contextlib.AsyncExitStack() as stack:
        with _timed(times, "start"):
            scene = await stack.enter_async_context(site(folder, seed))
            races = Races(scene)
            stack.push_async_callback(races.close)
        with _timed(times, "faults"):
            load = Load(scene, races.fire, races_every=RACES_EVERY)
            await _torment(scene, load, planned, say)
            tormented, published = len(scene.book.messages), len(scene.book.debts)
        with _timed(times, "races"):
            load.races_every = 1
            await _race(scene, load, race_count, say)
        with _timed(times, "rest"):
            broken = await _rest(scene, load, say)
        judged = await _judge(scene)
        rate, due = (count / times["faults"] if planned else 0.0 for count in (tormented, published))
        return Outcome(judged, scene.book.drawn, load.races, rate, due, broken + scene.extra, scene.ended, times)


@contextlib.contextmanager
def _timed(times: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    times[name] = time.monotonic() - started


async def _torment(scene: Site, load: Load, planned: list[Planned], say: Say) -> None:
    """Several scenarios at a time, each in a lane of its own: a service is killed while another one is, and while the network fails."""
    over, started = asyncio.Event(), Counter[str]()
    loading = asyncio.ensure_future(load.run(RATE, over.is_set))

    async def lane(mine: list[Planned]) -> None:
        for one in mine:
            scene.book.scenario = one.name
            scene.book.drawn[one.name] += 1
            began = time.monotonic()
            await one.act(scene)
            started["scenarios"] += 1
            took, done = time.monotonic() - began, f"{started.total()}/{len(planned)}"
            say(f"{done} {one.name} ({took:.1f} s), {len(scene.book.messages)} messages, {load.races} races")
            await _flowing(scene)

    try:
        await asyncio.sleep(1)
        await asyncio.gather(*(lane([one for one in planned if one.lane == name]) for name in sorted({one.lane for one in planned})))
    finally:
        scene.book.scenario = CALM
        over.set()
        await loading


async def _flowing(scene: Site) -> None:
    """Until a second's messages have left again, or for a while: what comes next is to strike a house at work."""
    before, deadline = len(scene.book.messages), time.monotonic() + FLOWS_WITHIN
    while len(scene.book.messages) < before + AT_WORK and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


async def _race(scene: Site, load: Load, count: int, say: Say) -> None:
    told = load.races

    def over() -> bool:
        nonlocal told
        if load.races - told >= 500:
            told = load.races
            say(f"{load.races}/{count} races, {len(scene.book.messages)} messages")
        return load.races >= count

    await load.run(RACE_RATE, over)


async def _rest(scene: Site, load: Load, say: Say) -> list[str]:
    """Until nothing is under way any more; what does not come to rest or does not hold then, in words."""
    scene.ground.heal()
    await load.raced()
    say("waiting until everything has come to rest")
    broken: list[str] = []
    try:
        async with asyncio.timeout(_SETTLES_WITHIN):
            for world in scene.worlds:
                await _nothing_under_way(world)
            await scene.plain.settle(_SETTLES_WITHIN)
            await _acknowledged(scene)
    except (TimeoutError, AssertionError):
        broken.append(f"not at rest after {_SETTLES_WITHIN:.0f} s: {'; '.join(await outstanding(scene.estate)) or 'messages have no end'}")
    return [*broken, *(f"broken: {sentence}" for sentence in await scene.estate.broken_invariants())]


async def _nothing_under_way(world: World) -> None:
    """Until every message has come to its end: sent, refused, withdrawn, or found."""
    for status in _OPEN:
        while (await world.get("notifier", f"/messages?status={status}&limit=1"))["items"]:
            await asyncio.sleep(0.3)


async def _acknowledged(scene: Site) -> None:
    """A receipt comes five seconds after its stop at the latest."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and any(debt.stop and debt.stop.acknowledged is None for debt in scene.book.races):
        await asyncio.sleep(0.1)


async def _judge(scene: Site) -> Judgement:
    refused = [seen(message, accepted=False) for message in scene.ground.inbox.box.refused]
    letters = await scene.estate.run("dead-letters", "list")
    judged = Judge(scene.book, scene.listener, await _reasons(scene), refused, letters).judge()
    judged.evidence = await evidence(scene.ground.kafka, judged.suspects, [*scene.book.messages, *refused])
    return judged


async def _reasons(scene: Site) -> Reasons:
    """Why scheduler and notifier say that an account heard nothing."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for world in scene.worlds:
        for service, path in (("scheduler", "/decisions"), ("notifier", "/messages")):
            for row in await world.every(service, path):
                if row["reason"]:
                    found[world.tenant, row["account_id"]].add(row["reason"])
    return {account: frozenset(reasons) for account, reasons in found.items()}
