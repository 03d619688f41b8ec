"""What became of the records of a batch, as the metrics tell it."""

from collections import Counter
from collections.abc import Sequence

from paycue.bus import poison
from paycue.bus.batch import Batch, Input
from paycue.bus.envelope import type_of
from paycue.bus.intake import Taken
from paycue.bus.topics import event_classes
from paycue.decision import TimerFired
from paycue.observability import metrics


def count_records(service: str, taken: Sequence[Taken], batch: Batch) -> None:
    """Count a batch that is durable, and all that was taken for it."""
    metrics.BATCH_SIZE.labels(service).observe(len(taken))
    for (topic, kind, outcome), count in _outcomes(taken, batch).items():
        metrics.RECORDS.labels(service, topic, kind, outcome).inc(count)
    metrics.TIMERS.labels(service).inc(sum(type(one.event) is TimerFired for one, _ in batch.outcomes))
    for one in batch.poison:
        metrics.DEAD_LETTERS.labels(service, poison.record_of(one.input).topic).inc()
    for topic, count in batch.misplaced.items():
        metrics.MISPLACED.labels(service, topic).inc(count)


def _outcomes(taken: Sequence[Taken], batch: Batch) -> Counter[tuple[str, str, str]]:
    """How many records by topic, type, and what became of them; what was not even an input is a duplicate."""
    came = Counter([(one.record.topic, one.type) for one in taken])
    ended = Counter([(one.record.topic, _type(one), outcome) for one, outcome in batch.outcomes if one.record is not None])
    outcomes = Counter({(topic, _label(kind), "duplicate"): count for (topic, kind), count in came.items()})
    for (topic, kind, outcome), count in ended.items():
        outcomes[topic, _label(kind), "duplicate"] -= count
        outcomes[topic, _label(kind), outcome] += count
    return +outcomes


def _type(one: Input) -> str | None:
    if one.envelope is not None:
        return one.envelope.type
    return type_of(one.record) if one.record is not None else None


def _label(kind: str | None) -> str:
    """A type as a label. Of what is not decoded any text may stand in the header, and a label is one of a closed set."""
    return kind if kind is not None and kind in event_classes() else "unknown"
