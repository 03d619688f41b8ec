"""Facts from the bus: every order and repetition of them ends in the same ledger, with one answer for each payment."""

from itertools import permutations
from typing import Any

import pytest

from paycue.events.v1 import dispute_pb2, invoice_pb2, payment_pb2
from tests.integration.payments.conftest import ACCOUNT, invoice, payment
from tests.integration.world import Running

WHO: dict[str, Any] = {"tenant_id": "acme", "account_id": "a1"}
DIRECT_DEBIT = payment_pb2.RETURN_KIND_RETURNED_DIRECT_DEBIT


async def test_a_payment_settles_the_invoice_it_names_and_is_answered_once(payments: Running) -> None:
    await payments.publish(invoice("i1", 5594), payment("p1", 5594, "i1"))
    (settled,) = payments.said(payment_pb2.InvoiceSettled)
    (applied,) = payments.said(payment_pb2.PaymentApplied)
    assert (settled.balance.invoice_id, settled.balance.open_minor, settled.balance.version) == ("i1", 0, 1)
    assert [(part.invoice_id, part.amount_minor) for part in applied.allocations] == [("i1", 5594)]


async def test_a_payment_before_its_invoice_waits_for_it(payments: Running) -> None:
    await payments.publish(payment("p1", 5594, "i1"))
    (listed,) = (await payments.client.get(f"{ACCOUNT}/payments")).json()["items"]
    assert (listed["reserved"], listed["reserved_for"]) == ("55.94", [{"invoice_id": "i1", "amount": "55.94"}])
    await payments.publish(invoice("i1", 5594))
    (listed,) = (await payments.client.get(f"{ACCOUNT}/payments")).json()["items"]
    assert (listed["reserved"], listed["allocations"]) == ("0.00", [{"invoice_id": "i1", "amount": "55.94"}])
    assert len(payments.said(payment_pb2.PaymentApplied)) == 1


async def test_an_event_twice_is_in_the_ledger_once(payments: Running) -> None:
    await payments.publish(invoice("i1", 9000))
    await payments.publish(payment("p1", 4000, "i1"), event_id="same")
    await payments.publish(payment("p1", 4000, "i1"), event_id="same")
    assert len(payments.said(payment_pb2.PaymentApplied)) == 1
    assert len(await payments.rows("select 1 from payments.ledger_entry where payment_id = 'p1'")) == 2


async def test_a_payment_told_again_under_another_event_is_answered_again_and_booked_once(payments: Running) -> None:
    await payments.publish(invoice("i1", 9000), payment("p1", 4000, "i1"), payment("p1", 4000, "i1"))
    first, second = payments.said(payment_pb2.PaymentApplied)
    assert first.cause_id != second.cause_id
    assert len(await payments.rows("select 1 from payments.payment")) == 1
    assert len(payments.said(payment_pb2.BalanceChanged)) == 1


async def test_a_payment_with_an_id_used_before_for_another_is_rejected(payments: Running) -> None:
    await payments.publish(payment("p1", 4000), payment("p1", 5000))
    (rejected,) = payments.said(payment_pb2.PaymentRejected)
    assert "other content" in rejected.reason
    (note,) = (await payments.client.get(f"{ACCOUNT}/ledger-notes")).json()["items"]
    assert note["text"].startswith("payment p1 rejected")


FACTS = (
    invoice("i1", 10000),
    payment("p1", 6000, "i1"),
    payment_pb2.PaymentReturned(**WHO, return_id="r1", payment_id="p1", currency="EUR", kind=DIRECT_DEBIT, reason_code="AC04"),
    invoice_pb2.CreditNoteIssued(**WHO, credit_note_id="c1", invoice_id="i1", currency="EUR", amount_minor=1500, reason="short"),
)


@pytest.mark.parametrize("order", [*permutations(range(4))][::5])
async def test_every_order_of_the_facts_ends_in_the_same_balances(payments: Running, order: tuple[int, ...]) -> None:
    for index in order:
        await payments.publish(FACTS[index])
    (listed,) = (await payments.client.get(f"{ACCOUNT}/invoices")).json()["items"]
    assert (listed["open"], listed["credited"], listed["paid"], listed["status"]) == ("85.00", "15.00", "0.00", "open")
    (paid,) = (await payments.client.get(f"{ACCOUNT}/payments")).json()["items"]
    assert (paid["returned"], paid["status"], paid["allocations"]) == ("60.00", "returned", [])


async def test_a_returned_payment_reopens_what_it_paid(payments: Running) -> None:
    await payments.publish(invoice("i1", 6000), payment("p1", 6000, "i1"), FACTS[2])
    (reopened,) = payments.said(payment_pb2.InvoiceReopened)
    assert (reopened.balance.open_minor, reopened.balance.reopening) == (6000, 1)
    assert reopened.reason == "returned_direct_debit AC04"


async def test_a_valid_dispute_credits_what_is_open(payments: Running) -> None:
    outcome: dict[str, Any] = {"outcome": dispute_pb2.DISPUTE_OUTCOME_VALID, "credit_whole": True, "version": 2}
    resolved = dispute_pb2.DisputeResolved(**WHO, dispute_id="d1", invoice_id="i1", currency="EUR", **outcome)
    await payments.publish(invoice("i1", 6000), payment("p1", 2000, "i1"), resolved)
    (listed,) = (await payments.client.get(f"{ACCOUNT}/invoices")).json()["items"]
    assert (listed["open"], listed["credited"], listed["paid"], listed["status"]) == ("0.00", "40.00", "20.00", "settled")


async def test_a_batch_of_many_accounts_is_folded_and_adds_up(payments: Running) -> None:
    await payments.creditor("bravo")
    facts = [
        fact
        for tenant in ("acme", "bravo")
        for number in range(40)
        for fact in (
            invoice("i1", 1000 + number, tenant_id=tenant, account_id=f"a{number}"),
            payment(f"p{number}", 500, tenant_id=tenant, account_id=f"a{number}"),
        )
    ]
    await payments.publish(*facts)
    assert len(payments.said(payment_pb2.PaymentApplied)) == 80
    assert len(await payments.rows("select 1 from payments.invoice")) == 40


async def test_a_malformed_payment_is_a_dead_letter_and_parks_its_account_alone(payments: Running) -> None:
    await payments.publish(payment("p1", 0))
    await payments.publish(payment("p2", 500), payment("p3", 500, account_id="a2"))
    (letter,) = await payments.rows("select reason, parked from payments.dead_letter")
    assert (letter["parked"], "amount_minor is 0" in letter["reason"]) == (True, True)
    assert [applied.payment_id for applied in payments.said(payment_pb2.PaymentApplied)] == ["p3"]
