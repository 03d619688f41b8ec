"""Disputes as ERPs tell them over the bus: in any order, twice, of any invoice."""

from itertools import permutations
from typing import Any

import pytest

from paycue.events.v1.dispute_pb2 import DisputeRefused, DisputeRegistered, DisputeResolved, DisputeReviewed, DisputeReviewStarted
from tests.integration.disputes.facts import VALID, decided, issued, raised, read, settled, who
from tests.integration.world import Running


async def test_a_dispute_is_registered_under_its_cause_and_can_be_read(disputes: Running) -> None:
    await disputes.publish(issued())
    await disputes.publish(raised(minor=4_000, note="one pallet is missing"), event_id="erp-7")
    (said,) = disputes.said(DisputeRegistered)
    (cause,) = await disputes.rows("select cause from disputes.note")
    assert (said.cause_id, said.version, said.disputed_minor) == (cause["cause"], 1, 4_000)
    seen = await read(disputes)
    assert (seen["status"], seen["disputed_amount"], seen["currency"], seen["invoice_open"]) == ("opened", "40.00", "USD", "100.00")
    assert [(note["author"], note["text"]) for note in seen["notes"]["items"]] == [("erp", "one pallet is missing")]


async def test_a_dispute_before_its_invoice_is_recorded_and_completed_by_it(disputes: Running) -> None:
    await disputes.publish(raised(currency=""))
    early = await read(disputes)
    assert (early["currency"], early["invoice_status"], early["invoice_open"]) == (None, "unknown", None)
    await disputes.publish(issued())
    late = await read(disputes)
    assert (late["currency"], late["invoice_status"], late["invoice_open"]) == ("USD", "open", "100.00")
    assert late["invoice_status_when_opened"] == "unknown"
    assert len(disputes.said(DisputeRegistered)) == 1


async def test_a_dispute_of_a_settled_invoice_is_recorded(disputes: Running) -> None:
    await disputes.publish(issued())
    await disputes.publish(settled())
    await disputes.publish(raised())
    seen = await read(disputes)
    assert (seen["status"], seen["invoice_status_when_opened"], seen["invoice_open"]) == ("opened", "settled", "0.00")
    assert len(disputes.said(DisputeRegistered)) == 1


async def test_a_claim_that_its_invoice_contradicts_is_refused_when_the_invoice_comes(disputes: Running) -> None:
    await disputes.publish(raised(minor=10_001))
    await disputes.publish(issued())
    seen = await read(disputes)
    assert seen["status"] == "refused"
    assert seen["refusal"] == "100.01 USD is disputed of invoice i1, which is of 100.00 USD; dispute that much at most"
    assert [event.version for event in disputes.said(DisputeResolved)] == [2]


async def test_the_same_event_twice_counts_once(disputes: Running) -> None:
    for _ in range(2):
        await disputes.publish(raised(note="again"), event_id="erp-7")
    assert len(disputes.said(DisputeRegistered)) == 1
    assert len((await read(disputes))["notes"]["items"]) == 1


async def test_the_same_claim_under_another_event_is_answered_and_changes_nothing(disputes: Running) -> None:
    await disputes.publish(raised())
    await disputes.publish(raised())
    said = disputes.said(DisputeRegistered)
    assert [event.version for event in said] == [1, 1]
    assert len({event.cause_id for event in said}) == 2


async def test_other_content_under_a_known_id_is_refused_and_noted(disputes: Running) -> None:
    await disputes.publish(raised())
    await disputes.publish(raised(invoice_id="i2"))
    (refused,) = disputes.said(DisputeRefused)
    seen = await read(disputes)
    assert (refused.invoice_id, seen["invoice_id"]) == ("i2", "i1")
    assert [(note["author"], note["text"]) for note in seen["notes"]["items"]] == [("paycue", refused.reason)]


async def test_a_replay_after_the_inbox_was_pruned_changes_no_dispute_and_repeats_no_note(disputes: Running) -> None:
    story = [issued(), raised(note="torn"), DisputeReviewStarted(**who(), dispute_id="d1", note="called"), raised(invoice_id="i2")]
    await _tell(disputes, story)
    before = await disputes.rows("select * from disputes.dispute"), await disputes.rows("select * from disputes.note")
    await disputes.rows("delete from disputes.inbox")
    disputes.clock.set(disputes.clock.now().replace(hour=9))
    await _tell(disputes, story)
    assert (await disputes.rows("select * from disputes.dispute"), await disputes.rows("select * from disputes.note")) == before


async def _tell(disputes: Running, story: list[Any]) -> None:
    for number, event in enumerate(story):
        await disputes.publish(event, event_id=f"erp-{number}")


FACTS = {
    "issued": issued(),
    "raised": raised(minor=4_000),
    "decided": decided(outcome=VALID, reason="half came"),
    "settled": settled(),
}


@pytest.mark.parametrize("order", list(permutations(FACTS))[::5], ids="-".join)
async def test_facts_in_any_order_end_in_the_same_dispute(disputes: Running, order: tuple[str, ...]) -> None:
    for name in order:
        await disputes.publish(FACTS[name])
    seen = await read(disputes)
    assert (seen["status"], seen["outcome"], seen["credit_amount"], seen["invoice_status"]) == ("resolved", "valid", "40.00", "settled")
    (resolved,) = disputes.said(DisputeResolved)
    assert (resolved.credit_minor, resolved.credit_whole, resolved.version) == (4_000, False, 2)


async def test_an_erp_takes_a_dispute_into_review_and_decides_it(disputes: Running) -> None:
    await disputes.publish(raised())
    await disputes.publish(DisputeReviewStarted(**who(), dispute_id="d1", note="called the carrier"))
    assert (await read(disputes))["status"] == "in_review"
    await disputes.publish(decided(outcome=VALID, reason="the carrier lost it"))
    seen = await read(disputes)
    assert (seen["outcome"], seen["credit_whole"], seen["credit_amount"]) == ("valid", True, None)
    assert [note["text"] for note in seen["notes"]["items"]] == ["called the carrier", "the carrier lost it"]
    assert ([event.version for event in disputes.said(DisputeReviewed)], disputes.said(DisputeResolved)[0].version) == ([2], 3)
