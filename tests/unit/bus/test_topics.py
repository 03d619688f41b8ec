"""Topics and types come from one file, and every type has one topic."""

import pytest

from paycue.bus.topics import event_classes, lanes, topic_of, topics, topics_of
from paycue.events.v1.common_pb2 import ContactPoint
from paycue.events.v1.dispute_pb2 import DisputeRaised
from paycue.events.v1.invoice_pb2 import CreditNoteIssued, InvoiceIssued


def test_every_type_has_a_generated_class_and_one_topic() -> None:
    carried = [name for topic in topics().values() for name in topic.types]
    assert sorted(event_classes()) == sorted(carried)
    assert len(set(carried)) == len(carried)


def test_all_account_keyed_topics_have_the_same_lanes() -> None:
    assert {topic.partitions for topic in topics().values() if topic.key == "account"} == {lanes()}


def test_the_topics_of_events_are_named_once() -> None:
    assert topics_of((InvoiceIssued, DisputeRaised, CreditNoteIssued)) == ("erp.disputes.v1", "erp.invoices.v1")


def test_a_message_that_is_no_event_has_no_topic() -> None:
    with pytest.raises(KeyError):
        topic_of(ContactPoint)
