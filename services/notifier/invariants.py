"""What must always be true of messages and consent, as SQL that returns no row. It only reads, and shows no address."""

from paycue.observability.invariants import Invariant

_LEFT = "('accepted', 'found_accepted', 'reported')"
"""What tells that a provider has a message."""

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "Of a reminder at most one message left to a recipient by a channel, unless a person had it sent again.",
        f"""select tenant_id, account_id, reminder_id, channel, count(distinct call_id) as calls
            from notifier.message a where what in {_LEFT}
            and not exists (select from notifier.message r where r.tenant_id = a.tenant_id and r.account_id = a.account_id
                and r.reminder_id = a.reminder_id and r.what = 'resend')
            group by tenant_id, account_id, reminder_id, channel, recipient having count(distinct call_id) > 1""",
    ),
    Invariant(
        "No claim is older than the longest lease, 70 minutes, without a word on what became of its call.",
        """select c.tenant_id, c.account_id, c.reminder_id, c.call_id, c.at from notifier.message c
            where c.what = 'claimed' and c.at < now() - interval '70 minutes'
            and not exists (select from notifier.message o where o.tenant_id = c.tenant_id and o.account_id = c.account_id
                and o.reminder_id = c.reminder_id and o.call_id = c.call_id and o.what <> 'claimed')""",
    ),
    Invariant(
        "A message stands as sent exactly if a provider was heard to have it.",
        f"""select tenant_id, account_id, reminder_id from notifier.message group by tenant_id, account_id, reminder_id
            having bool_or(what in {_LEFT})
                is distinct from ((array_agg(status order by id desc) filter (where status <> ''))[1] = 'sent')""",
    ),
    Invariant(
        "No message waits for its claim two hours after its reminder has expired.",
        """select * from (select distinct on (tenant_id, account_id, reminder_id) tenant_id, account_id, reminder_id, status, valid_until
                from notifier.message where status <> '' order by tenant_id, account_id, reminder_id, id desc) m
            where status = 'pending' and valid_until < now() - interval '2 hours'""",
    ),
    Invariant(
        "Whatever happened to a message happened to one that was taken in, once.",
        """select tenant_id, account_id, reminder_id, count(*) filter (where opens) as opened from notifier.message
            group by tenant_id, account_id, reminder_id having count(*) filter (where opens) <> 1""",
    ),
    Invariant(
        "No raw payment or dispute waits longer than an hour for the answer of the service that resolves it.",
        "select tenant_id, account_id, cause, since from notifier.overdue_stop where resolved_at is null",
    ),
)
