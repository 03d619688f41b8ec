"""What happens to processes, in the middle of whatever they do: killed, frozen, doubled, drained, or down for hours.

An incident is armed before a burst of activity and strikes after some number of a process's steps; a step is what runs between
two awaits, so that over many seeds every await is struck.
"""

from collections.abc import Callable
from contextvars import Context
from datetime import timedelta

from tests.simulation.chance import Chance
from tests.simulation.estate import Estate, House, Worker

_MOST_STEPS = 150


def arm(estate: Estate, chance: Chance) -> None:
    """Perhaps something is about to happen to one of the services."""
    if not chance.happens(chance.weather.incidents):
        return
    house = chance.one_of(list(estate.houses.values()))
    if not house.working:
        return
    worker = chance.one_of(house.working)
    kind = chance.one_of((_killed, _killed, _killed, _frozen, _frozen, _doubled, _drained, _out_of_order, _deaf, _forgotten, _reset))
    kind(estate, chance, house, worker)


def _killed(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """SIGKILL; started again after some seconds."""
    back_after = chance.between(0.0, 20.0)

    def strike() -> None:
        estate.kill(worker)
        closed(estate, house, back_after)

    _at_a_step(worker, chance, strike)


def _frozen(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """SIGSTOP, and SIGCONT after a while: longer than a claim may wait, or than a session lasts, or not."""
    seconds = chance.one_of((1.0, 4.0, 8.0, 25.0)) * chance.between(0.5, 1.5)

    def strike() -> None:
        estate.trace.add("freeze", f"{worker.name} for {seconds:.1f} s at step {worker.process.steps}")
        worker.process.freeze(seconds)

    _at_a_step(worker, chance, strike)


def _doubled(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """A second process, and a rebalance; one of them goes later."""
    if len(house.working) < 2:
        estate.start(house.name)


def _drained(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """SIGTERM in the middle of work."""
    estate.loop.call_later(chance.between(0.0, 1.0), estate.begin_drain, worker, context=Context())


def _out_of_order(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """Down for hours: time goes on, and the others with it."""
    for one in list(house.workers):
        estate.kill(one)
    house.down_until = estate.shared.now() + timedelta(hours=chance.between(0.1, 40))
    # Long enough for whoever listens to it to notice.
    closed(estate, house, 35.0)
    estate.trace.add("outage", f"{house.name} until {house.down_until:%d %H:%M}")


def _deaf(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """One of its consumers gets nothing for a while, as if the network between them were cut."""
    readers = [reader for reader in estate.bus.readers if reader.process is worker.process]
    if readers:
        reader, seconds = chance.one_of(readers), chance.one_of((5.0, 45.0)) * chance.between(0.5, 1.5)
        reader.deaf_until = estate.loop.time() + seconds
        estate.trace.add("deaf", f"{worker.name} {reader.group} for {seconds:.0f} s")


def _forgotten(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """Years later: inboxes are pruned, and a service reads the topics of ERPs, which are kept for ever, once more from the start."""
    if estate.replayed != "everything":
        for one in estate.houses.values():
            one.tables.tables["inbox"].clear()
        _from_the_start(estate, house, "erp.")


def _reset(estate: Estate, chance: Chance, house: House, worker: Worker) -> None:
    """An operator sets all groups of a service back to the start of their topics, our own too, while inboxes remember what they hold.

    Not years later, when an ERP's facts were answered anew: what our own topics held of them before is gone by then.
    """
    if estate.replayed != "erp.":
        _from_the_start(estate, house, "")


def _from_the_start(estate: Estate, house: House, topics: str) -> None:
    for (group, topic, partition), done in list(estate.bus.offsets.items()):
        if done and group.partition(".")[0] == house.name and topic.startswith(topics):
            estate.bus.offsets[group, topic, partition] = 0
    estate.replayed = topics or "everything"
    estate.trace.add("replayed", f"{house.name} reads {estate.replayed} from the start")
    for one_worker in list(house.workers):
        estate.kill(one_worker)


def closed(estate: Estate, house: House, seconds: float) -> None:
    """A service stays down for so long."""
    house.closed += 1

    def opened() -> None:
        house.closed -= 1

    estate.loop.call_later(seconds, opened, context=Context())


def _at_a_step(worker: Worker, chance: Chance, strike: Callable[[], None]) -> None:
    """Once, when so many more steps of it have run."""
    at = worker.process.steps + chance.whole(1, _MOST_STEPS)

    def step(steps: int) -> None:
        if steps >= at:
            worker.process.on_step = None
            strike()

    worker.process.on_step = step
