"""The main job, from ERP to inbox: invoices remind, payments silence, disputes hold and let go - services apart, over real Kafka."""

from tests.e2e.day import today
from tests.e2e.world import World

POLICY = """
policy: plain
version: 1
steps:
  - {when: due, stage: friendly, channels: [email]}
"""


async def test_an_invoice_that_is_due_reminds_its_debtor_once_with_what_is_open(world: World) -> None:
    await world.policy(POLICY)

    await world.publish(world.account("a1"), world.invoice("a1", "R-1", minor=123_450))
    await world.settle()

    (text,) = world.mails("a1")
    assert "R-1" in text
    assert "1,234.50" in text


async def test_a_payment_silences_its_invoice_and_no_other(world: World) -> None:
    await world.policy(POLICY)
    await world.publish(world.account("a1"), world.invoice("a1", "R-1", due=today(1)), world.invoice("a1", "R-2", due=today()))
    await world.publish(world.payment("a1", "p1", "R-1"))
    await world.settle()

    balance = await world.get("payments", "/accounts/a1/balance")
    account = await world.get("scheduler", "/accounts/a1")

    assert balance["balances"] == [{"currency": "EUR", "open": "100.00", "open_invoices": 1, "credit": "0.00", "reserved": "0.00"}]
    assert [item["invoice_id"] for item in account["items"]] == ["R-2"]
    assert len(world.mails("a1")) == 1


async def test_money_in_sight_before_the_invoice_is_due_means_silence(world: World) -> None:
    await world.policy(POLICY)
    await world.publish(world.account("a1"), world.invoice("a1", "R-1", due=today(1)), world.payment("a1", "p1", "R-1"))
    await world.settle()

    (decided,) = (await world.get("scheduler", "/accounts/a1/why?invoice=R-1"))["decided"]

    assert world.mails("a1") == []
    assert (decided["outcome"], decided["reason"]) == ("not_sent", "settled")


async def test_a_dispute_holds_its_invoice_and_found_invalid_lets_it_go_on(world: World) -> None:
    await world.publish(world.account("a1"), world.invoice("a1", "R-1"), world.invoice("a1", "R-2"))
    await world.post("disputes", "/accounts/a1/disputes", {"invoice_id": "R-1", "reason": "quality", "dispute_id": "d1"})
    await world.settle()
    await world.policy(POLICY)
    await world.settle()
    held = world.mails("a1")

    await world.post("disputes", "/accounts/a1/disputes/d1/resolve", {"outcome": "invalid"})
    await world.settle()
    await world.post("scheduler", "/accounts/a1/reminders", {"invoice_ids": ["R-1"]})
    await world.settle()

    assert ["R-2" in text and "R-1" not in text for text in held] == [True]
    assert ["R-1" in text for text in world.mails("a1")] == [False, True]
