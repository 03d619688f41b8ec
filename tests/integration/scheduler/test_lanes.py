"""Of two schedulers each fires the timers of its own lanes, and takes over those of one that leaves."""

from paycue.events.v1.reminder_pb2 import ReminderDue
from tests.integration.bus.ground import until
from tests.integration.scheduler.facts import issued, registered
from tests.integration.world import Running, other_member


async def test_the_timers_of_a_lane_fire_at_its_owner_alone(scheduler: Running) -> None:
    accounts = [f"A{number}" for number in range(8)]
    for account in accounts:
        await scheduler.publish(registered(account), issued(f"I-{account}", account))
    other = await other_member(scheduler, "scheduler")
    mine = {account for account in accounts if scheduler.runtime.folder.lane(("acme", account)) in scheduler.runtime.lanes()}
    assert 0 < len(mine) < len(accounts)
    due = await scheduler.next_due()
    assert due is not None
    scheduler.clock.set(due)
    await until(lambda: any(event.account_id in mine for event in scheduler.said(ReminderDue)))
    assert {event.account_id for event in scheduler.said(ReminderDue)} == mine
    await other.stop()
    await scheduler.settle()
    assert {event.account_id for event in scheduler.said(ReminderDue)} == {*accounts}
