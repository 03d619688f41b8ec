"""Whether everything has come to rest, asked of what is: logs and offsets, outboxes, timers, calls under way, processes between states."""

from paycue.bus.directory import TOPIC as DIRECTORY
from paycue.bus.topics import topics_of
from tests.simulation.estate import Estate, House


def unrest(estate: Estate) -> str:
    """The first thing that is still going on; empty when nothing is."""
    for provider in estate.providers.values():
        if provider.underway:
            return f"{provider.underway} messages under way"
    for house in estate.houses.values():
        if why := _between_states(house):
            return f"{house.name}: {why}"
        if house.working and (why := _at_work(estate, house)):
            return f"{house.name}: {why}"
    return ""


def _between_states(house: House) -> str:
    if house.closed:
        return "killed"
    for worker in house.workers:
        if worker.process.frozen:
            return "frozen"
        if worker.process.dead != worker.process.unwound or (not worker.process.dead and not worker.at_work):
            return "starts or ends"
        if (open_calls := worker.flow.open["provider calls"]) and not worker.process.dead:
            return f"{open_calls} provider calls"
        if worker.store.busy and not worker.process.dead:
            return "a transaction"
    return "" if house.working or house.down_until is not None else "not started"


def _at_work(estate: Estate, house: House) -> str:
    if any(reader.deaf_until > estate.loop.time() and house.owns(reader.process) for reader in estate.bus.readers):
        return "deaf"
    notes = [note for worker in house.working if worker.runtime is not None for note in worker.runtime.notes()]
    if notes and not any(other.down_until for other in estate.houses.values()):
        return notes[0]
    if house.tables.tables["outbox"]:
        return "outbox"
    due = house.first_timer() if house.service.loops else None
    if due is not None and due <= estate.shared.now():
        return f"a timer due at {due}"
    consumers = {group: topics_of(events) for group, events in house.service.consumers.items()}
    for group, topics in {**consumers, f"{house.name}.directory": (DIRECTORY,)}.items():
        for topic in topics:
            for partition in range(estate.bus.partitions(topic)):
                end, done = len(estate.bus.logs[topic, partition]), estate.bus.offsets.get((group, topic, partition), 0)
                if done < end:
                    return f"{group} is at {done} of {end} in {topic}/{partition}"
    return ""
