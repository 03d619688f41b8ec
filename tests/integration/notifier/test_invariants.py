"""The invariants hold after a busy history, and each of them sees what it is there to see."""

import pytest

from paycue.local.inbox import LocalInbox, SmtpFault
from paycue.observability.metrics import REGISTRY
from services.notifier.invariants import INVARIANTS
from tests.integration.notifier.conftest import Notifier
from tests.unit.notifier.story import MAIL, PHONE, account, due, item

_ATTEMPT = """insert into notifier.attempt
    (tenant_id, account_id, reminder_id, call_id, attempt, at, what, channel, recipient, reference, reason, content_digest)
    select tenant_id, account_id, reminder_id, '{call}', 9, '2013-01-02', '{what}', channel, recipient, '', '', ''
    from notifier.attempt where what = 'accepted' limit 1"""
_MESSAGE = "update notifier.message set status = '{}' where reminder_id = 'r1'"
PLANTED = [
    _ATTEMPT.format(call="another", what="accepted"),
    _ATTEMPT.format(call="dead", what="claimed"),
    _MESSAGE.format("failed"),
    _MESSAGE.format("pending"),
    "insert into notifier.call (tenant_id, account_id, call_id, reminder_id) values ('acme', 'a1', 'lost', 'nobody')",
    """insert into notifier.overdue_stop (tenant_id, account_id, cause, invoice_ids, since, reason)
       values ('acme', 'a1', 'payment:p1:e1', '[]', '2013-01-02', '')""",
]


async def busy(notifier: Notifier, inbox: LocalInbox) -> None:
    for fault in (SmtpFault("rcpt", "451 4.7.1 later"), SmtpFault("accepted"), SmtpFault("rcpt", "550 5.1.1 nobody")):
        inbox.fail(fault)
    await notifier.publish(account(MAIL, PHONE), *(due(item(f"i{n}"), key=f"r{n}") for n in range(4)))
    await notifier.later(3600)
    assert inbox.count == 4


async def broken(notifier: Notifier) -> list[str]:
    """As production asks every hour, and what its gauge then says."""
    found = [violation.invariant.sentence for violation in await notifier.runtime.check_invariants()]
    said = [REGISTRY.get_sample_value("paycue_invariant_violations", {"service": "notifier", "invariant": i.sentence}) for i in INVARIANTS]
    assert [i.sentence for i, count in zip(INVARIANTS, said, strict=True) if count] == found
    return found


async def test_the_invariants_hold_after_retries_unknown_calls_and_failures(notifier: Notifier, inbox: LocalInbox) -> None:
    await busy(notifier, inbox)
    assert await broken(notifier) == []


@pytest.mark.parametrize("number", range(len(INVARIANTS)))
async def test_each_invariant_sees_what_it_is_there_to_see(notifier: Notifier, inbox: LocalInbox, number: int) -> None:
    await notifier.publish(account(MAIL), due())
    await notifier.rows(PLANTED[number])
    assert INVARIANTS[number].sentence in await broken(notifier)
