"""What must always be true of messages and consent, as SQL that returns no row. It only reads, and shows no address."""

from paycue.observability.invariants import Invariant

_LEFT = "('accepted', 'found_accepted', 'reported')"
"""What tells that a provider has a message."""

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "Of a reminder at most one message left to a recipient by a channel, unless a person had it sent again.",
        f"""select tenant_id, account_id, reminder_id, channel, count(distinct call_id) as calls
            from notifier.attempt a where what in {_LEFT}
            and not exists (select from notifier.attempt r where r.tenant_id = a.tenant_id and r.account_id = a.account_id
                and r.reminder_id = a.reminder_id and r.what = 'resend')
            group by tenant_id, account_id, reminder_id, channel, recipient having count(distinct call_id) > 1""",
    ),
    Invariant(
        "No claim is older than the longest lease, 70 minutes, without a word on what became of its call.",
        """select c.tenant_id, c.account_id, c.reminder_id, c.call_id, c.at from notifier.attempt c
            where c.what = 'claimed' and c.at < now() - interval '70 minutes'
            and not exists (select from notifier.attempt o where o.tenant_id = c.tenant_id and o.account_id = c.account_id
                and o.reminder_id = c.reminder_id and o.call_id = c.call_id and o.what <> 'claimed')""",
    ),
    Invariant(
        "A message stands as sent exactly if a provider was heard to have it.",
        f"""select m.tenant_id, m.account_id, m.reminder_id, m.status from notifier.message m
            where (m.status = 'sent') <> exists (select from notifier.attempt a where a.tenant_id = m.tenant_id
                and a.account_id = m.account_id and a.reminder_id = m.reminder_id and a.what in {_LEFT})""",
    ),
    Invariant(
        "No message waits for its claim two hours after its reminder has expired.",
        """select tenant_id, account_id, reminder_id, valid_until from notifier.message
            where status = 'pending' and valid_until < now() - interval '2 hours'""",
    ),
    Invariant(
        "Every call belongs to a message of its own account.",
        """select c.tenant_id, c.account_id, c.call_id from notifier.call c
            where not exists (select from notifier.message m where m.tenant_id = c.tenant_id
                and m.account_id = c.account_id and m.reminder_id = c.reminder_id)""",
    ),
    Invariant(
        "No raw payment or dispute waits longer than an hour for the answer of the service that resolves it.",
        "select tenant_id, account_id, cause, since from notifier.overdue_stop where resolved_at is null",
    ),
)
