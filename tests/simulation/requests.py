"""What is asked of a service, as one of its processes obeys it: commands of its API, providers' callbacks, an operator's hand."""

from typing import Literal

from paycue.bus import letters
from paycue.bus.batch import Input
from paycue.bus.fold import Folding
from paycue.db.accounts import Key
from paycue.decision import Refused
from services.notifier.adapters.debtors import stop_address
from services.notifier.domain.commands import DeliveryReported, OptOut
from services.notifier.domain.said import ANY_CREDITOR
from tests.simulation.actions import Asked, Published, Replied
from tests.simulation.estate import Estate, Worker
from tests.simulation.judge import Judge
from tests.simulation.providers import Received

Report = Literal["sent", "delivered"]


async def report(judge: Judge, worker: Worker, received: Received, status: Report) -> str:
    """A provider reports on a message that it took."""
    call, claim = received.call, judge.history.claims[received.call.call_id]
    command = DeliveryReported(claim.reminder_id, call.call_id, call.recipient, f"ref-{received.place}", status, "")
    cause = f"twilio:ref-{received.place}:{status}"
    await worker.serving.folder.obey([Input(*claim.key, command, cause, worker.clock.now(), command=True)])
    return f"report {status} of {call.call_id[-12:]}"


async def tidy(worker: Worker) -> str:
    """Somebody discards every dead letter."""
    folder = worker.serving.folder
    found = await letters.unresolved(folder)
    for letter in found:
        await letters.replay(folder, letter, discard=True)
    return f"{len(found)} dead letters discarded"


async def obey(judge: Judge, worker: Worker, asked: Asked) -> str:
    """A command over the API."""
    one = Input(asked.tenant, asked.account, asked.command, asked.command_id, worker.clock.now(), command=True)
    name = f"{asked.command_id} {type(asked.command).__name__}"
    try:
        await worker.serving.folder.obey([one])
    except Refused as refused:
        return f"{name} refused: {refused.title}"
    if asked not in judge.obeyed:
        judge.obeyed.append(asked)
    return f"{name} obeyed"


async def silence(judge: Judge, worker: Worker, reply: Replied) -> str:
    """As the notifier does when a provider calls back with a STOP."""

    async def having(_: Folding, address: str, channel: str) -> list[Key]:
        await worker.store.statement("accounts of address")
        return [key[:2] for key in worker.house.tables.tables["address"] if key[2:] == (address, channel)]

    command = OptOut(reply.number, "sms", "reply", "STOP")
    async with worker.serving.folder.transaction(()) as folding:
        accounts = await stop_address(worker.serving, folding, command, reply.cause, ANY_CREDITOR, having=having)
    judge.silenced.setdefault(reply.number, judge.trace.place)
    return f"{reply.cause} stopped {len(accounts)} accounts"


async def put_in_force(estate: Estate, worker: Worker, published: Published) -> str:
    """A policy is put in force, and every account of its creditor asked again."""
    estate.policies[published.tenant] = published.policy
    async with worker.store.transaction([published.tenant]) as unit:
        await unit.wake_tenant(published.tenant, worker.clock.now())
    worker.serving.alarm.ring()
    return f"{published.tenant} policy {published.policy.version}"
