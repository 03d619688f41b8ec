from pathlib import Path
from paycue.events.v1 import account_pb2, invoice_pb2, reminder_pb2
from services.scheduler.main import SERVICE
from services.scheduler import store
from services.scheduler.domain.policy_form import read_policy

async def test_smoke(running_service):
    s = await running_service(SERVICE)
    async with s.runtime.database.transaction(["acme"]) as tx:
        await store.publish_policy(tx, "acme", read_policy(Path("examples/standard.policy.yaml")), s.clock.now())
    await s.publish(account_pb2.AccountRegistered(tenant_id='acme',account_id='a1',version=1),
      invoice_pb2.InvoiceIssued(tenant_id='acme',account_id='a1',invoice_id='611365',currency='USD',amount_minor=5594,issued_on='2013-01-02',due_on='2013-01-09'))
    await s.at("2013-01-12")
    print(s.said(reminder_pb2.ReminderDue), await s.rows("select * from scheduler.decision"))
    assert len(s.said(reminder_pb2.ReminderDue)) == 2
    import asyncio
    await asyncio.sleep(0.1)

async def test_smoke2(running_service):
    s = await running_service(SERVICE)
    await s.publish(account_pb2.AccountRegistered(tenant_id='acme',account_id='a1',version=1))
