"""Every metric of the system, in one place, so that dashboards, alerts and code agree on names.

Labels are closed sets (services, topics, types, outcomes): never an account, an address or a tenant.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"paycue_{name}", about, labels, registry=REGISTRY)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"paycue_{name}", about, labels, registry=REGISTRY)


def _histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"paycue_{name}", about, labels, registry=REGISTRY, buckets=buckets)


# The bus.
RECORDS = _counter(
    "records",
    "Records taken from the bus, by what became of them: applied, duplicate, parked, buried, or ignored (another service's).",
    *("service", "topic", "type", "outcome"),
)
MISPLACED = _counter("misplaced_records", "Records on another partition than their key's; folded all the same.", "service", "topic")
BATCH_SIZE = _histogram("batch_records", "Records in one lane batch.", _SIZES, "service")
BATCH_SECONDS = _histogram("batch_seconds", "Seconds from the lane's lock to the commit of one lane batch.", _FAST, "service")
TRANSIENT = _counter("transient_errors", "Batches put back because of an error that goes away by itself.", "service", "error")
LAG = _gauge("consumer_lag", "Records behind the end of a partition.", "service", "topic", "partition")
LAST_PROGRESS = _gauge("seconds_without_progress", "Seconds since anything moved while records wait.", "service")
WATCHDOG = _counter("watchdog_exits", "Times the watchdog gave up on a process that stood still.", "service")

# Poison.
DEAD_LETTERS = _counter("dead_letters", "Records that went to the dead letters.", "service", "topic")
OPEN_DEAD_LETTERS = _gauge("open_dead_letters", "Dead letters nobody has resolved.", "service")
PARKED_ACCOUNTS = _gauge("parked_accounts", "Accounts that wait behind a dead letter.", "service")

# The outbox.
OUTBOX_PENDING = _gauge("outbox_pending", "Events the relay has not sent yet.", "service")
OUTBOX_SENT = _counter("outbox_sent", "Records the relay has sent and the broker has acknowledged.", "service", "topic")
OUTBOX_SECONDS = _histogram("outbox_seconds", "Seconds of one turn of the relay.", _FAST, "service")

# Timers and commands.
DUE_ACCOUNTS = _gauge("due_accounts", "1 while an account's timer is due and not yet folded.", "service")
TIMERS = _counter("timers_fired", "Timers folded.", "service")
COMMANDS = _counter("commands", "Commands of the API by outcome: applied, replayed, refused.", "service", "command", "outcome")

# Sending.
SENDS = _counter("sends", "Messages by what became of them: sent, failed, unknown, expired, skipped.", "channel", "outcome")
STOPS_OVERDUE = _counter("stops_overdue", "Stops by raw facts that no service resolved within an hour.")
STOP_FEED_AGE = _gauge(
    "stop_feed_age_seconds", "How old is what a stop feed told; over 30 nothing leaves.", *("service", "topic", "partition")
)
PROVIDER_SECONDS = _histogram("provider_call_seconds", "Seconds of one call to a provider.", _SLOW, "provider", "outcome")
OPEN_CALLS = _gauge("provider_calls_open", "Calls to providers whose outcome is not recorded yet.", "channel")
CALLBACKS = _counter("provider_callbacks", "Callbacks of providers by outcome: applied, duplicate, forged.", "provider", "outcome")

# What must always be true.
VIOLATIONS = _gauge("invariant_violations", "Rows that an invariant's query returned; more than none is an alert.", "service", "invariant")

# HTTP.
HTTP_REQUESTS = _counter("http_requests", "Requests answered; 499: the caller went away.", "service", "operation", "method", "status")
HTTP_SECONDS = _histogram("http_request_seconds", "Seconds from the request to the end of its answer.", _FAST, "service", "operation")
