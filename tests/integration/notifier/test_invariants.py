"""The invariants hold after a busy history, and each of them sees what it is there to see."""

import pytest

from paycue.local.inbox import LocalInbox, SmtpFault
from paycue.observability.metrics import REGISTRY
from services.notifier.invariants import INVARIANTS
from tests.integration.notifier.conftest import Notifier
from tests.unit.notifier.story import MAIL, PHONE, account, due, item

_COLUMNS = """tenant_id, account_id, reminder_id, at, status, reason, stage, channel, recipient, invoice_ids, planned_on, valid_until,
    opens, what, call_id, note, reference, content_digest"""
_ROW = f"""insert into notifier.message ({_COLUMNS})
    select tenant_id, account_id, {{reminder}}, '2013-01-02', '{{status}}', '', stage, channel, recipient, invoice_ids, planned_on,
        '2013-01-03', false, '{{what}}', '{{call}}', '', '', '' from notifier.message where what = 'accepted' limit 1"""


def _planted(status: str = "", what: str = "", call: str = "", reminder: str = "reminder_id") -> str:
    return _ROW.format(status=status, what=what, call=call, reminder=reminder)


PLANTED = [
    _planted(what="accepted", call="another"),
    _planted(what="claimed", call="dead"),
    _planted(status="failed"),
    _planted(status="pending"),
    _planted(what="late_accepted", call="lost", reminder="'nobody'"),
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
