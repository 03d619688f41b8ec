"""Time-driven work: claim what may leave, make the calls that claims allow, fold what came of them.

A call is rendered and made only after its claim is committed; outcomes are folded together, as many as have come in, in one
transaction. Nothing here decides, and no call is ever repeated here.
"""

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

import structlog

from paycue.bus.batch import Batch, Input
from paycue.db.engine import TRANSIENT
from paycue.observability import metrics
from paycue.runtime import Runtime
from services.notifier.adapters.base import Channel
from services.notifier.adapters.channels import open_channels
from services.notifier.adapters.requests import MakesRequests, provider_call
from services.notifier.domain.calls import CallResult, Found
from services.notifier.domain.claim import Find, Send
from services.notifier.domain.commands import CallFinished, CallFound
from services.notifier.domain.pace import Pace
from services.notifier.domain.rendering.self_test import self_test
from services.notifier.domain.rows import OverdueStopRow
from services.notifier.settings import NotifierSettings

_PAUSE_SECONDS = 0.05
_LAST_OUTCOMES_SECONDS = 10.0
_NO_CHANNEL = CallResult("failed", reason="channel_unavailable")
_CANNOT_RENDER = CallResult("failed", reason="cannot_render")
_open_calls, _sends = cache(metrics.OPEN_CALLS.labels), cache(metrics.SENDS.labels)
"""Each asked for once, not with every message."""
log = structlog.get_logger(__name__)


async def send_due(runtime: Runtime) -> int:
    """Claim accounts whose message wants attention, at most what the channels take in about a second; how many that were.

    A kill turns every claim in flight into an unknown call, so claims are made only as fast as they can be sent.
    """
    sender = runtime.outbound
    if not isinstance(sender, Sender):
        raise TypeError("the notifier runs with its own Sender")
    return await sender.claim()


class Sender:
    """Performs the notifier's calls, each once, on the channels that `opened` gives for its settings; `made` makes requests of claims."""

    def __init__(
        self,
        runtime: Runtime,
        opened: Callable[[NotifierSettings], Mapping[str, Channel]] = open_channels,
        made: MakesRequests = provider_call,
    ) -> None:
        self._runtime, self._opened, self._made = runtime, opened, made
        self._settings: NotifierSettings = runtime.settings
        self._channels: dict[str, Channel] = {}
        self._paces: dict[str, Pace] = {}
        self._waiting: deque[tuple[Send | Find, float]] = deque()
        self._open: dict[asyncio.Task[None], None] = {}
        self._claimed: dict[str, str] = {}
        self._outcomes: deque[tuple[Send, CallFinished | CallFound]] = deque()
        self._some, self._none = asyncio.Event(), asyncio.Event()
        self._none.set()
        self._recorder: asyncio.Task[None] | None = None
        self._claiming, self._closed, self._kept = asyncio.Lock(), False, 0

    async def start(self) -> None:
        """Refuse to start where a mail's headers could be forged; then open the channels."""
        self_test()
        loop, rates = asyncio.get_running_loop(), {"email": self._settings.email_rate, "sms": self._settings.sms_rate}
        self._channels = dict(self._opened(self._settings))
        self._paces = {name: Pace(rates[name], loop.time()) for name in self._channels}
        self._recorder = loop.create_task(self._record_outcomes(), name="notifier.outcomes")
        self._runtime.folder.on_commit.append(_count_overdue)

    async def claim(self) -> int:
        """Claim what is due, as far as every channel has room: which one a message takes is known only when it is claimed."""
        async with self._claiming:
            room = self._room()
            if room > 0:
                claimed = await self._runtime.fold_due(room)
                # A timer that only plans again is a movement too, for whoever waits until all has come to rest.
                self._runtime.world.flow.add("timers", 0)
                return claimed
        await asyncio.sleep(_PAUSE_SECONDS)
        return 0

    def take(self, wanted: int) -> int:
        """Keep room for reminders that are being folded. A replay lets nothing leave while an instant's facts are folded."""
        taken = min(wanted, self._room()) if self._runtime.timers.is_set() else 0
        self._kept += taken
        return taken

    def give_back(self, taken: int) -> None:
        """What was claimed is counted by its calls from now on."""
        self._kept -= taken

    def _room(self) -> int:
        """Calls that may be claimed now, as far as every channel has room. Without any channel messages are skipped, which takes none."""
        now = asyncio.get_running_loop().time()
        room = min((pace.room(now) for pace in self._paces.values()), default=self._runtime.most())
        return 0 if self._closed else max(0, room - self._kept)

    def submit(self, calls: Sequence[Send | Find], began: float) -> None:
        """Begin calls whose claims are committed. A process that was frozen since they `began` finds their time over."""
        self._runtime.world.flow.add("provider calls", len(calls))
        claimed = {call.call_id: call.channel for call in calls if isinstance(call, Send)}
        self._claimed |= claimed
        for channel, count in Counter(claimed.values()).items():
            if channel in self._paces:
                self._paces[channel].begin(count)
                _open_calls(channel).inc(count)
        self._waiting.extend((call, began) for call in calls)
        self._begin(self._make_calls())
        self._begin(self._spread())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._open[task] = None
        task.add_done_callback(self._open.pop)

    async def _make_calls(self) -> None:
        """One call after another for as long as each ends at once: a task costs more than such a call."""
        while self._waiting:
            await self._perform(*self._waiting.popleft())

    async def _spread(self) -> None:
        """Comes to its turn when a call takes its time: what waits behind it must not, and goes side by side."""
        while self._waiting:
            self._begin(self._perform(*self._waiting.popleft()))

    async def stop(self) -> None:
        """Let the calls in hand end, as long as one request may take, and record what came of them; the rest becomes unknown."""
        async with self._claiming:
            self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.start_by_seconds + self._settings.call_seconds):
                while self._open:
                    await asyncio.wait(list(self._open))
        if self._recorder is not None and not self._recorder.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_OUTCOMES_SECONDS):
                    await self._none.wait()
        left = [*self._open, *([self._recorder] if self._recorder is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for channel in self._channels.values():
            await channel.close()

    async def _perform(self, call: Send | Find, began: float) -> None:
        command: CallFinished | CallFound
        if isinstance(call, Find):
            send, command = call.send, await self._found(call, began)
        else:
            result, digest = await self._send(call, began)
            send, command = call, CallFinished(call.reminder_id, call.call_id, result, digest)
        self._outcomes.append((send, command))
        self._some.set()
        self._none.clear()

    async def _send(self, send: Send, began: float) -> tuple[CallResult, bytes]:
        channel = self._channels.get(send.channel)
        if channel is None:
            return _NO_CHANNEL, b""
        try:
            call = self._made(self._settings, send, began, rendered=True)
        except Exception:
            # Whatever is wrong with it, it has not left: that is a failure, and one that somebody has to look into.
            log.exception("message cannot be rendered", reminder=send.reminder_id)
            return _CANNOT_RENDER, b""
        digest = hashlib.sha256(call.raw or call.body.encode()).digest()
        try:
            return await channel.send(call), digest
        except Exception as error:
            # An adapter that fails in a way it does not know may have sent.
            log.exception("provider call failed", call=send.call_id)
            return CallResult("unknown", reason=f"adapter_{type(error).__name__}"), digest

    async def _found(self, find: Find, began: float) -> CallFound:
        send = find.send
        found: Found = "cannot_tell"
        channel = self._channels.get(send.channel)
        try:
            found = await channel.find(self._made(self._settings, send, began, rendered=False)) if channel else found
        except Exception:
            log.exception("lookup failed", call=send.call_id)
        return CallFound(send.reminder_id, send.call_id, found, find.asked_at)

    async def _record_outcomes(self) -> None:
        """Fold outcomes as they come, together where they come together."""
        while True:
            await self._some.wait()
            ended = [self._outcomes.popleft() for _ in range(min(len(self._outcomes), self._runtime.most()))]
            await self._record(_inputs(ended, self._runtime.clock.now()))
            self._runtime.world.flow.add("provider calls", -len(ended))
            self._count([command for _, command in ended])
            if not self._outcomes:
                self._some.clear()
                self._none.set()

    def _count(self, ended: Sequence[CallFinished | CallFound]) -> None:
        """Calls are over: there is room for others."""
        finished = [(self._claimed.pop(one.call_id, ""), one.result.outcome) for one in ended if isinstance(one, CallFinished)]
        for (channel, outcome), count in Counter(finished).items():
            _sends(channel, outcome).inc(count)
            if channel in self._paces:
                self._paces[channel].end(count)
                _open_calls(channel).dec(count)
        self._runtime.alarm.ring()

    async def _record(self, inputs: list[Input]) -> None:
        """Trouble with the database waits and tries again; an outcome that can never be folded leaves its call to become unknown."""
        while True:
            try:
                await self._runtime.folder.obey(inputs)
                return
            except TRANSIENT as error:
                log.warning("outcomes are recorded later", count=len(inputs), error=repr(error))
                await asyncio.sleep(0.5)
            except Exception:
                if len(inputs) == 1:
                    log.critical("outcome cannot be recorded", account=inputs[0].account, exc_info=True)
                    return
                for one in inputs:
                    await self._record([one])
                return


def _inputs(ended: Sequence[tuple[Send, CallFinished | CallFound]], at: datetime) -> list[Input]:
    """What came of calls, to be folded; a call is over once, and found or not at one instant."""
    when = at.isoformat()
    return [
        Input(send.tenant, send.account, command, f"{type(command).__name__}:{send.call_id}:{when}", at, command=True)
        for send, command in ended
    ]


def _count_overdue(batch: Batch) -> None:
    """Stops that have become somebody's business with this batch."""
    overdue = sum(isinstance(owned.row, OverdueStopRow) and owned.row.resolved_at is None for owned in batch.rows)
    if overdue:
        metrics.STOPS_OVERDUE.inc(overdue)
