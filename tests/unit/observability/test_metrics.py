"""Every metric is in one registry, is named once, and says what it counts."""

from prometheus_client import Counter, Gauge, Histogram

from paycue.observability import metrics

OURS = {name: value for name, value in vars(metrics).items() if isinstance(value, Counter | Gauge | Histogram)}


def test_every_metric_is_ours_by_name_and_documented_as_a_sentence() -> None:
    described = {family.name: family.documentation for family in metrics.REGISTRY.collect() if family.name.startswith("paycue_")}
    assert len(described) == len(OURS)
    assert all(text.endswith(".") for text in described.values())


def test_no_label_can_grow_with_accounts_or_creditors() -> None:
    labels = {label for metric in OURS.values() for label in metric._labelnames}
    assert labels <= {
        *("service", "topic", "type", "outcome", "partition", "error", "channel", "provider"),
        *("command", "invariant", "operation", "method", "status"),
    }


def test_a_record_is_counted_by_what_became_of_it() -> None:
    labels = {"service": "payments", "topic": "erp.payments.v1", "type": "PaymentReceived", "outcome": "applied"}
    metrics.RECORDS.labels(**labels).inc(3)
    assert metrics.REGISTRY.get_sample_value("paycue_records_total", labels) == 3
