"""Drives a ledger's history: every fact at its own instant, every timer at its own, and between them the barrier.

The services are the real ones; only the clock is stepped, the providers are the local inbox, and the data is thrown away.
"""

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import msgspec

from paycue.app import running
from paycue.auth.api_keys import mint
from paycue.bus.bus import Bus
from paycue.bus.directory import entry_key
from paycue.bus.envelope import Outgoing, outgoing
from paycue.clock import SteppedClock, instant
from paycue.events.v1.directory_pb2 import ApiKeyRegistered, CreditorRegistered
from paycue.installation import Installation, Say, Wanted, installed
from paycue.ledger import SOURCE, Fact, Ledger
from paycue.money import decimal_text, parse_minor
from paycue.replay.barrier import Barrier, dead_letters
from paycue.replay.client import Api
from paycue.replay.received import tally
from paycue.replay.report import Evidence, Report, report
from paycue.replay.span import Span, first_day, last_day, steps_of
from paycue.runtime import Runtime

TENANT = "replay"
_MIDNIGHT = datetime.min.time()
_CHUNK = 2000
_MOST_MESSAGES = 10_000_000
_MESSAGE_FILE = re.compile(r"\d{6,}\.(eml|json)")
WEEKEND = timedelta(days=2)
"""How far a step of a working-days policy moves at most."""
Progress = Callable[[date, date, int], None]
"""Told the day reached, the last day, and how many messages were received so far."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be replayed. `policy` is a policy file's text, `policy_name` what errors call it."""

    ledger: Ledger
    policy: str
    policy_name: str
    bus: str
    from_: date | None = None
    to: date | None = None
    inbox: Path | None = None


After = Callable[[Report, Installation, Sequence[Runtime], str], Awaitable[None]]
"""Told the report while everything still runs, with the operator's key."""


async def replay(asked: Asked, say: Say, progress: Progress, after: After | None = None) -> Report:
    """Replay in a folder of its own, removed at the end. Raises Stuck, PolicyRefused, LocalStackError."""
    if asked.inbox is not None:
        _empty(asked.inbox)
    first = first_day(asked.ledger, asked.from_)
    clock = SteppedClock(_opening(asked.ledger, first))
    with tempfile.TemporaryDirectory(prefix="paycue-replay-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may have to run as another user.
        wanted = Wanted(
            Path(folder),
            asked.bus,
            clock,
            _values(),
            durable=False,
            partitions=1,
            inbox_folder=asked.inbox,
            inbox_keep=_MOST_MESSAGES,
            disposable=True,
        )
        async with installed(wanted, say) as house, running(house.services, house.world) as runtimes:
            drive = _Drive(asked, first, house, runtimes, clock, progress)
            made = await drive.report()
            if after is not None:
                await after(made, house, runtimes, drive.secret)
            return made


def _empty(inbox: Path) -> None:
    """Take away what an earlier replay left there, as its report is written over; any other file stays."""
    if inbox.is_dir():
        for path in inbox.iterdir():
            if _MESSAGE_FILE.fullmatch(path.name):
                path.unlink()


def _values() -> dict[str, object]:
    """Constant, so that the same history gives the same mails to the byte, links included."""
    return {
        "secret": hashlib.sha256(b"paycue replay: nothing of value is signed with this").hexdigest(),
        "public_url": "http://localhost:8103",
        "notifier_url": "http://localhost:8102",
        "email_rate": 5000,
        "sms_rate": 5000,
    }


def _opening(ledger: Ledger, first: date) -> datetime:
    """When the first day begins in the zone where it begins first."""
    return min(instant(first, _MIDNIGHT, zone) for zone in {row.zone for row in ledger.invoices})


class _Drive:
    """One replay under way."""

    def __init__(
        self, asked: Asked, first: date, house: Installation, runtimes: Sequence[Runtime], clock: SteppedClock, progress: Progress
    ) -> None:
        self.asked, self.first, self.house, self.runtimes, self.clock, self.progress = asked, first, house, runtimes, clock, progress
        self.bus: Bus = house.world.bus
        self.barrier = Barrier(runtimes, house.world, clock)
        self.key, self.secret = mint("", ("*",), "replay")

    async def report(self) -> Report:
        """Run the history and add it up."""
        await self._register(None)
        api = Api(self.runtimes, TENANT, self.secret)
        try:
            form = await api.publish_policy(self.asked.policy, self.asked.policy_name)
            steps = steps_of(form)
            span = Span(self.first, last_day(self.asked.ledger, self.asked.to, steps))
            await self._register(span.last)
            await self._run(span, grace=WEEKEND if form["window"]["days"] == "working" else timedelta())
            evidence = await self._evidence(api, span)
        finally:
            await api.close()
        counted = tally(self.house.inbox.received, self.asked.ledger.invoices)
        return report(form, span, self.asked.ledger.invoices, steps, evidence, counted)

    async def _register(self, last: date | None) -> None:
        """The one creditor, live from the first day to the last: what is dated outside loads as state and sends nothing."""
        live = {"live_from": self.first.isoformat(), "live_until": last.isoformat() if last else ""}
        creditor = CreditorRegistered(tenant_id=TENANT, name="the creditor", zone="UTC", **live)
        key = ApiKeyRegistered(key_id=self.key.key_id, secret_hash=self.key.secret_hash, scopes=self.key.scopes)
        now, entries = self.clock.now(), ((creditor, entry_key(creditor)), (key, entry_key(key)))
        records = [outgoing(e, event_id=f"replay:{k.decode()}:{last}", source=SOURCE, at=now, partition=0, key=k) for e, k in entries]
        await self.bus.publish(records)
        await self.barrier.rest()

    async def _run(self, span: Span, grace: timedelta) -> None:
        """From instant to instant: the earlier of the next fact and the next timer, until the last day, and a step's grace, are over."""
        facts = [fact for fact in self.asked.ledger.facts if fact.on <= span.last + grace]
        past = [fact for fact in facts if fact.at <= self.clock.now()]
        await self.barrier.facts_first(lambda: self._publish(past))
        coming = [(at, list(group)) for at, group in groupby((f for f in facts if f.at > self.clock.now()), key=lambda fact: fact.at)]
        coming.reverse()
        end = self._end(span.last + grace)
        while True:
            timer = await self.barrier.rest()
            ahead = [at for at in (timer, coming[-1][0] if coming else None) if at is not None]
            if not ahead or min(ahead) >= end:
                return
            await self._step(min(ahead), coming)
            self.progress(self.clock.now().date(), span.last, self.house.inbox.count)

    async def _step(self, at: datetime, coming: list[tuple[datetime, list[Fact]]]) -> None:
        """Move to an instant and publish what happens then."""
        if not coming or coming[-1][0] > at:
            self.clock.set(at)
            return
        facts = coming.pop()[1]

        async def publish() -> None:
            self.clock.set(at)
            await self._publish(facts)

        await self.barrier.facts_first(publish)

    def _end(self, last: date) -> datetime:
        """When the last day is over in the zone where it ends last."""
        return max(instant(last + timedelta(days=1), _MIDNIGHT, zone) for zone in {row.zone for row in self.asked.ledger.invoices})

    async def _publish(self, facts: Sequence[Fact]) -> None:
        for start in range(0, len(facts), _CHUNK):
            await self.bus.publish([record(self.bus, fact) for fact in facts[start : start + _CHUNK]])

    async def _evidence(self, api: Api, span: Span) -> Evidence:
        messages = {m["reminder_id"]: m async for m in api.every("notifier", "messages")}
        settled: Counter[str] = Counter()
        payments = 0
        async for payment in api.every("payments", "payments"):
            if date.fromisoformat(payment["received_on"]) > span.last:
                continue
            payments += 1
            settled[payment["currency"]] += parse_minor(payment["allocated"], payment["currency"])
        return Evidence(
            decisions=[d async for d in api.every("scheduler", "decisions")],
            messages=messages,
            payments=payments,
            settled={currency: decimal_text(minor, currency) for currency, minor in sorted(settled.items())},
            dead_letters=await dead_letters(self.runtimes),
        )


def record(bus: Bus, fact: Fact) -> Outgoing:
    """The record of a ledger's fact, with business time in `ce_time`."""
    partition = bus.partition(fact.topic, fact.key)
    return outgoing(fact.event, event_id=fact.event_id, source=SOURCE, at=fact.at.astimezone(UTC), partition=partition, key=fact.key)
