"""Incremental fetch sessions (KIP-227), which aiokafka lacks: a fetch names what changed since the last one, and so does its answer.

Of the forty partitions that a member of the stop feeds reads, one or two have moved since it last asked. Naming all of them each time,
and hearing of all of them, costs half a millisecond here and more at the broker, for every few stops that come.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import FetchSessionIdNotFound, InvalidFetchSessionEpoch
from aiokafka.protocol.fetch import FetchRequest

from paycue.bus.flow import TopicPartition

QUICK_MS, PATIENT_MS = 100, 500
_SESSIONS_SINCE, _REPLICAS_SINCE = 7, 11
_LAST_EPOCH = 2**31 - 1
_WHOLE_SECONDS, _ENOUGH = 0.05, 1_048_576
_LOST = (FetchSessionIdNotFound.errno, InvalidFetchSessionEpoch.errno)

Told = tuple[int, int, int]
"""Of a partition: its high watermark, the end of what is committed, its start."""
Wanted = dict[TopicPartition, tuple[int, int]]
"""By partition: the offset from which it is read, and how many bytes at most."""


def with_sessions(consumer: AIOKafkaConsumer, linger_ms: int) -> AIOKafkaConsumer:
    """A consumer, not started yet, whose fetches go by sessions."""
    client = consumer._client
    client.send = Sessions(client.send, consumer.assignment, linger_ms).send
    return consumer


class Sessions:
    """Sends what a client sends; what it fetches of a broker is a session with that broker. `assigned`: the member's partitions.

    While records come, brokers gather them for `linger_ms`; the first after a rest comes at once.
    """

    def __init__(self, send: Callable[..., Awaitable[Any]], assigned: Callable[[], Collection[TopicPartition]], linger_ms: int = 0) -> None:
        self._send, self._assigned, self._linger_ms = send, assigned, linger_ms
        self.of: defaultdict[int, Session] = defaultdict(Session)

    async def send(self, node: int, request: Any, **how: Any) -> Any:
        """The answer to a request, to a fetch as if it had named everything. Raises what the client raises."""
        if not isinstance(request, FetchRequest):
            return await self._send(node, request, **how)
        session, wanted = self.of[node], _partitions(request)
        patience = self._patience(session, wanted)
        answer = await self._fetch(node, session, Asked(request, wanted, session, *patience), how)
        if answer.API_VERSION >= _SESSIONS_SINCE and answer.error_code in _LOST:
            # The broker has begun anew, or needed the room for somebody else.
            answer = await self._fetch(node, session, Asked(request, wanted, session, *patience), how)
        return answer

    def _patience(self, session: "Session", wanted: Wanted) -> tuple[int, int]:
        """For how many milliseconds a broker may wait, and for how many bytes."""
        if self._linger_ms and session.news:
            return self._linger_ms, _ENOUGH
        return PATIENT_MS if session.whole(wanted, self._assigned()) else QUICK_MS, 1

    async def _fetch(self, node: int, session: "Session", asked: "Asked", how: dict[str, Any]) -> Any:
        try:
            answer = await self._send(node, asked, **how)
        except BaseException:
            session.epoch = 0  # Nobody knows whether the broker heard it.
            raise
        session.heard(asked.wanted, answer, asyncio.get_running_loop().time())
        return answer


class Session:
    """What a broker knows that we want of it, and what it told of that. `epoch` 0: it is told everything with the next fetch."""

    def __init__(self) -> None:
        self.id, self.epoch = 0, 0
        self.wanted: Wanted = {}
        self.news = False
        """Whether the last answer held records."""
        self._told: dict[TopicPartition, Told] = {}
        self._whole_at = 0.0

    def whole(self, wanted: Collection[TopicPartition], assigned: Collection[TopicPartition]) -> bool:
        """Whether nothing that this broker leads is left out for now: then whatever comes ends the wait, however long that is."""
        return not any(tp in assigned for tp in self._told.keys() - wanted)

    def changed(self, wanted: Wanted) -> Wanted:
        """Of what is wanted now what the broker does not know."""
        return wanted if not self.epoch else dict(wanted.items() - self.wanted.items())

    def forgotten(self, wanted: Wanted) -> Collection[TopicPartition]:
        """What the broker knows and is not wanted now."""
        return () if not self.epoch else self.wanted.keys() - wanted.keys()

    def heard(self, wanted: Wanted, answer: Any, now: float) -> None:
        """Take note of an answer to a fetch of `wanted`; twenty times a second make it whole, with what did not change meanwhile."""
        if answer.API_VERSION < _SESSIONS_SINCE:
            return
        if answer.error_code:
            self.epoch = 0
            return
        self.id, self.epoch = answer.session_id, self.epoch % _LAST_EPOCH + 1 if answer.session_id else 0
        self.wanted, heard = wanted, self._note(answer)
        if now - self._whole_at >= _WHOLE_SECONDS:
            self._whole_at = now
            answer.topics += _unchanged(answer.API_VERSION, {tp: self._told[tp] for tp in wanted.keys() - heard if tp in self._told})

    def _note(self, answer: Any) -> set[TopicPartition]:
        """Keep what an answer tells; of which partitions it does."""
        heard, self.news = set(), False
        for topic, partitions in answer.topics:
            for number, error, high, stable, start, *_, records in partitions:
                heard.add((topic, number))
                self.news = self.news or bool(records)
                self._told[topic, number] = high, stable, start
                if error:  # It comes again with every answer, until it is over.
                    del self._told[topic, number]
        return heard


class Asked(FetchRequest):  # type: ignore[misc]
    """A fetch that names what its session's broker does not know. To whoever asked, it is a fetch of everything."""

    def __init__(self, whole: FetchRequest, wanted: Wanted, session: Session, wait_ms: int, least: int) -> None:
        super().__init__(wait_ms, least, whole._max_bytes, whole._isolation_level, whole.topics, whole._rack_id)
        self.wanted = wanted
        self._known = session.id, session.epoch
        self._changed, self._forgotten = session.changed(wanted), session.forgotten(wanted)

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class.API_VERSION < _SESSIONS_SINCE:
            return super().build(request_struct_class)
        self._topics = _by_topic({tp: (tp[1], *what) for tp, what in self._changed.items()})
        made = super().build(request_struct_class)
        made.session_id, made.session_epoch = self._known
        made.forgotten_topics_data = _by_topic({tp: tp[1] for tp in self._forgotten})
        return made


def _partitions(request: FetchRequest) -> Wanted:
    return {(topic, number): (offset, most) for topic, partitions in request.topics for number, offset, most in partitions}


def _by_topic(partitions: Mapping[TopicPartition, Any]) -> list[tuple[str, list[Any]]]:
    topics: dict[str, list[Any]] = {}
    for (topic, _), what in partitions.items():
        topics.setdefault(topic, []).append(what)
    return list(topics.items())


def _unchanged(version: int, told: Mapping[TopicPartition, Told]) -> list[tuple[str, list[Any]]]:
    """Partitions without news, as an answer of that version has them: no error, no aborted transactions, no other replica, no records."""
    rest = (None, -1, b"") if version >= _REPLICAS_SINCE else (None, b"")
    return _by_topic({tp: (tp[1], 0, *ends, *rest) for tp, ends in told.items()})
