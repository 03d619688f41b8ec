"""What an account is at, what was decided on it and why, as the API shows it after facts came over the bus."""

from typing import Any

from paycue.events.v1.reminder_pb2 import ReminderDue
from paycue.observability.invariants import violated
from services.scheduler.main import SERVICE
from tests.integration.scheduler.facts import disputed, issued, registered, settled, skipped
from tests.integration.world import Running

ACME = "/v1/creditors/acme"
A1 = f"{ACME}/accounts/A1"


COPIED = """select tenant_id, account_id, at + interval '2 hours', {invoice}, step, "on", {outcome}, policy, policy_version, reason,
    reminder_id, planned_on, details, {seq} from scheduler.decision where outcome = 'due' limit 1"""
SABOTAGE = (
    "insert into scheduler.decision " + COPIED.format(invoice="invoice_id", outcome="outcome", seq=90),
    "insert into scheduler.decision " + COPIED.format(invoice="'I7'", outcome="'not_sent'", seq=91),
    "update scheduler.account set next_action_at = '2013-01-01' where account_id = 'A2'",
    """insert into scheduler.outcome (tenant_id, account_id, at, reminder_id, outcome, reason)
        values ('acme', 'A1', now(), 'R', 'failed', '')""",
)


async def get(running: Running, path: str, status: int = 200, **query: str) -> Any:
    answer = await running.client.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


async def pages(running: Running, path: str, limit: int) -> list[list[Any]]:
    found: list[list[Any]] = []
    query = {"limit": str(limit)}
    while True:
        page = (await running.client.get(path, params=query)).json()
        found.append(page["items"])
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def test_an_account_shows_its_open_items_with_amounts_levels_holds_and_what_is_next(scheduler: Running) -> None:
    await scheduler.publish(registered(zone="America/New_York"), issued("I1"), issued("I2", due_on="2013-01-15", minor=5), issued("I3"))
    await scheduler.publish(settled("I3"), disputed("I2"))
    await scheduler.at("2013-01-14T00:00")
    account = await get(scheduler, A1)
    assert (account["zone"], account["settled"], account["waiting"]) == ("America/New_York", 1, [])
    assert account["open"] == [{"currency": "USD", "open": "1234.55", "open_invoices": 2}]
    assert account["next_action_at"] == "2013-01-15T14:00:00Z"
    second, first = account["items"]
    assert (first["invoice_id"], first["open"], first["level"], first["holds"]) == ("I1", "1234.50", "due-7d", [])
    assert (second["invoice_id"], second["due_on"], second["level"], second["holds"]) == ("I2", "2013-01-15", None, ["dispute D1"])
    assert (second["next_step"]["step"], second["next_step"]["held_by"]) == ("due", "disputed")


async def test_a_balance_that_comes_before_its_invoice_waits(scheduler: Running) -> None:
    await scheduler.publish(settled("I9"))
    account = await get(scheduler, A1)
    assert (account["waiting"], account["items"], account["open"]) == (["I9"], [], [])
    await scheduler.publish(issued("I9"))
    account = await get(scheduler, A1)
    assert (account["waiting"], account["items"], account["settled"]) == ([], [], 1)


async def test_accounts_come_in_pages_by_id(scheduler: Running) -> None:
    names = ["a", "B", "ä/1", "z:2", "0"]
    await scheduler.publish(*(issued(account=name) for name in names))
    found = await pages(scheduler, f"{ACME}/accounts", 2)
    assert [len(page) for page in found] == [2, 2, 1]
    assert [item["account_id"] for page in found for item in page] == sorted(names, key=str.encode)
    assert (await get(scheduler, f"{ACME}/accounts/%C3%A4%2F1"))["account_id"] == "ä/1"


async def test_the_timeline_tells_in_one_order_what_was_decided_what_became_of_it_and_who_paused(scheduler: Running) -> None:
    await scheduler.publish(registered(), issued())
    await scheduler.at("2013-01-13T10:00")
    await scheduler.publish(skipped(scheduler.said(ReminderDue)[0].reminder_id))
    await scheduler.client.put(f"{A1}/pause", json={"reason": "asked to wait", "until": "2013-01-22"})
    await scheduler.at("2013-02-05T00:00")
    entries = [entry for page in await pages(scheduler, f"{A1}/timeline", 2) for entry in page]
    told = [(entry["at"][:10], entry["kind"], entry.get("action") or entry["outcome"], entry["reason"]) for entry in entries]
    assert told == [
        ("2013-01-13", "decision", "due", None),
        ("2013-01-13", "pause", "paused", "asked to wait"),
        ("2013-01-13", "outcome", "skipped", "no_contact"),
        ("2013-01-20", "decision", "not_sent", "paused"),
        ("2013-01-22", "pause", "ended", "asked to wait"),
        ("2013-02-04", "decision", "due", None),
    ]
    assert entries[0]["reminder_id"] == entries[2]["reminder_id"]


async def test_why_tells_what_was_decided_last_on_each_step_what_became_of_it_and_what_comes_next(scheduler: Running) -> None:
    await scheduler.publish(registered(), issued(), disputed())
    await scheduler.at("2013-01-14T00:00")
    why = await get(scheduler, f"{A1}/why")
    assert [(each["step"], each["outcome"], each["reason"]) for each in why["decided"]] == [("due-7d", "not_sent", "disputed")]
    assert why["holds"] == {"I1": ["dispute D1"]}
    assert (why["next_steps"][0]["step"], why["next_steps"][0]["on"], why["silent_because"]) == ("due", "2013-01-20", None)
    assert (why["policy"], why["policy_version"], why["next_action_at"]) == ("standard", 1, "2013-01-20T09:00:00Z")


async def test_why_shows_what_became_of_a_reminder(scheduler: Running) -> None:
    await scheduler.publish(registered(), issued())
    await scheduler.at("2013-01-14T00:00")
    await scheduler.publish(skipped(scheduler.said(ReminderDue)[0].reminder_id))
    (decided,) = (await get(scheduler, f"{A1}/why"))["decided"]
    assert (decided["outcome"], decided["became"]["outcome"], decided["became"]["reason"]) == ("due", "skipped", "no_contact")


async def test_why_of_one_invoice_leaves_the_others_out(scheduler: Running) -> None:
    await scheduler.publish(issued("I1"), issued("I2"), settled("I2"))
    why = await get(scheduler, f"{A1}/why", invoice="I2")
    assert ({each["invoice_id"] for each in why["decided"]}, why["next_steps"]) == ({"I2"}, [])
    assert (why["silent_because"], why["next_action_at"]) == ("nothing_open", None)
    assert {each["reason"] for each in why["decided"]} == {"settled"}
    await get(scheduler, f"{A1}/why", status=404, invoice="I3")


async def test_decisions_of_the_whole_creditor_come_in_pages_by_account_and_number(scheduler: Running) -> None:
    await scheduler.publish(*(issued(account=name) for name in ("A2", "A1", "B")))
    await scheduler.at("2013-03-01T00:00")
    found = [decision for page in await pages(scheduler, f"{ACME}/decisions", 4) for decision in page]
    assert [(each["account_id"], each["seq"]) for each in found] == [(name, seq) for name in ("A1", "A2", "B") for seq in (1, 2, 3)]
    assert {key: found[0][key] for key in ("invoice_id", "step", "on", "outcome", "reason", "planned_on", "policy", "policy_version")} == {
        "invoice_id": "I1",
        "step": "due-7d",
        "on": "2013-01-13",
        "outcome": "due",
        "reason": None,
        "planned_on": "2013-01-13",
        "policy": "standard",
        "policy_version": 1,
    }
    assert {each["reminder_id"] for each in found} == {reminder.reminder_id for reminder in scheduler.said(ReminderDue)}


async def test_what_is_not_known_is_a_404_and_a_bad_page_is_refused(scheduler: Running) -> None:
    for path in (A1, f"{A1}/timeline", f"{A1}/why"):
        assert (await get(scheduler, path, status=404))["title"] == "Unknown account"
    for path in (f"{ACME}/accounts", f"{ACME}/decisions", f"{ACME}/policies"):
        await get(scheduler, path, status=422, limit="0")
        await get(scheduler, path, status=422, limit="501")
        await get(scheduler, path, status=400, cursor="no-cursor")
    await get(scheduler, f"{ACME}/accounts/{'x' * 65}", status=422)


async def test_facts_again_and_late_change_nothing_that_was_decided(scheduler: Running) -> None:
    facts = [registered(), issued(), settled("I2")]
    await scheduler.publish(*facts)
    await scheduler.at("2013-01-21T00:00")
    before = (await get(scheduler, A1), await get(scheduler, f"{ACME}/decisions"))
    await scheduler.publish(*facts)
    await scheduler.at("2013-01-22T00:00")
    assert (await get(scheduler, A1), await get(scheduler, f"{ACME}/decisions")) == before
    assert len(scheduler.said(ReminderDue)) == 2


async def test_the_invariants_hold_after_a_history_and_each_notices_what_it_is_for(scheduler: Running) -> None:
    await scheduler.publish(registered(), issued("I1"), issued("I2", due_on="2013-01-15"), issued(account="A2"))
    await scheduler.at("2013-01-14T00:00")
    reminder = next(each for each in scheduler.said(ReminderDue) if each.account_id == "A1")
    await scheduler.publish(skipped(reminder.reminder_id), settled("I2"))
    await scheduler.at("2013-03-01T00:00")
    async with scheduler.runtime.database.transaction(["acme"]) as tx:
        assert await violated(tx, SERVICE.invariants) == []
        for statement in SABOTAGE:
            await tx.execute(statement)
        assert [each.invariant for each in await violated(tx, SERVICE.invariants)] == list(SERVICE.invariants)
