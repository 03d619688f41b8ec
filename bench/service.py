"""One service as it ships, in a process of its own, that tells on its output how much it has folded; its mail may go nowhere.

    python -m bench.service NAME PREFIX CHANNEL

CHANNEL is `ships`, or a mail is accepted at once by nobody: rendered (`rendered`) or not even made (`null`). Settings come from
PAYCUE_*. The name `beats` stands for payments and disputes of which only the relays run: without their beats nothing may be sent.
"""

import asyncio
import cProfile
import json
import os
import signal
import sys
import time
from collections import Counter
from typing import Any

import msgspec
import uvloop

from paycue.app import Service, discover, running, serve_runtimes
from paycue.bus.batch import Batch
from paycue.bus.flow import Flow
from paycue.bus.kafka import KafkaBus
from paycue.bus.outbox import Relay
from paycue.clock import SystemClock
from paycue.ending import Ending
from paycue.events.v1.payment_pb2 import PaymentReceived
from paycue.observability import logs
from paycue.settings import load
from paycue.world import World, on_postgres


def tell(**what: Any) -> None:
    """A line for whoever started us; the monotonic clock is the machine's, the same for both."""
    print(json.dumps({**what, "at": time.monotonic()}), flush=True)


class Teller:
    """Counts what a service has folded durably, by type, and tells it after every commit. Of calls those that a provider accepted."""

    def __init__(self) -> None:
        self.folded: Counter[str] = Counter()

    def __call__(self, batch: Batch) -> None:
        # By type first, in C: what is counted here is part of what is measured.
        events = [one.event for one, outcome in batch.outcomes if outcome == "applied"]
        kinds = Counter(map(type, events))
        for kind, count in kinds.items():
            self.folded[kind.__name__] += count - self._refused(events, kind)
        paid = [one.payment_id for one in events if type(one) is PaymentReceived] if PaymentReceived in kinds else []
        tell(folded=self.folded, paid=paid) if paid else tell(folded=self.folded)

    def _refused(self, events: list[Any], kind: Any) -> int:
        """Calls that no provider accepted, counted by why; how many."""
        if kind.__name__ != "CallFinished":
            return 0
        refused = [one.result for one in events if type(one) is kind and one.result.outcome != "accepted"]
        self.folded.update(f"{kind.__name__}, {result.outcome} {result.reason}" for result in refused)
        return len(refused)


def without_a_provider(service: Service, rendered: bool) -> Service:
    """The service with a channel in the place of mail that accepts every message at once."""
    from services.notifier.adapters.requests import provider_call
    from services.notifier.domain.calls import CallResult, Found, ProviderCall
    from services.notifier.domain.claim import Send
    from services.notifier.loops import Sender
    from services.notifier.settings import NotifierSettings

    class Null:
        async def send(self, call: ProviderCall) -> CallResult:
            return CallResult("accepted")

        async def find(self, call: ProviderCall) -> Found:
            return "cannot_tell"

        async def close(self) -> None:
            return

    def empty(settings: NotifierSettings, send: Send, began: float, *, rendered: bool) -> ProviderCall:
        return ProviderCall(send.call_id, send.call_id, send.channel, send.recipient, send.sender, began + send.start_by_seconds)

    made = provider_call if rendered else empty
    return msgspec.structs.replace(service, outbound=lambda runtime: Sender(runtime, lambda _: {"email": Null()}, made))


async def _beat(prefix: str) -> None:
    """The relays of the ledger and of the cases, whose feeds must be fresh before anything is claimed."""
    flow, clock = Flow(), SystemClock()
    services = discover(("payments", "disputes"))
    settings = [load(service.settings) for service in services]
    bus = KafkaBus(settings[0].kafka, flow, prefix=prefix)
    await bus.start()
    tell(ready="nowhere")
    stores = [on_postgres(*pair) for pair in zip(services, settings, strict=True)]
    relays = [Relay(service.name, store, bus, clock, flow) for service, store in zip(services, stores, strict=True)]
    await asyncio.gather(*(relay.run() for relay in relays))


async def _serve(name: str, prefix: str, channel: str) -> None:
    (service,) = discover([name])
    if name == "notifier" and channel != "ships":
        service = without_a_provider(service, rendered=channel == "rendered")
    settings: Any = load(service.settings)
    logs.configure(settings.log_format, settings.log_level)
    ending, flow = Ending(), Flow()
    bus = KafkaBus(settings.kafka, flow, prefix=prefix)
    await bus.start()
    try:
        async with running([(service, settings)], World(bus, SystemClock(), flow)) as runtimes:
            runtimes[0].folder.on_commit.append(Teller())
            await serve_runtimes(runtimes, {name: 0}, lambda urls: tell(ready=urls[name]), ending)
    finally:
        await bus.stop()


def main() -> None:
    name, prefix, channel = sys.argv[1:]
    profile = cProfile.Profile()
    signal.signal(signal.SIGUSR1, lambda number, frame: profile.enable())
    uvloop.run(_beat(prefix) if name == "beats" else _serve(name, prefix, channel))
    if where := os.environ.get("BENCH_PROFILE"):
        profile.disable()
        profile.dump_stats(f"{where}.{name}")


if __name__ == "__main__":
    main()
