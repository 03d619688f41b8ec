"""What must always be true of the scheduler's tables, as SQL that returns no row: asked in production and at the end of end-to-end tests.

Business time is what the log itself says, never the database's clock: a replay lives in another year.
"""

from paycue.observability.invariants import Invariant
from services.scheduler.store import SCHEMA

INVARIANTS = (
    Invariant(
        "No step of an invoice goes twice.",
        f"""select tenant_id, account_id, invoice_id, step, "on", array_agg(reminder_id order by seq) as reminder_ids
            from {SCHEMA}.decision where outcome = 'due' and step <> ''
            group by tenant_id, account_id, invoice_id, step, "on" having count(*) > 1""",
    ),
    Invariant(
        "A reminder covers an invoice once, and belongs to one account.",
        f"""select reminder_id, count(*) as rows from {SCHEMA}.decision where reminder_id <> ''
            group by reminder_id having count(*) > count(distinct invoice_id) or count(distinct (tenant_id, account_id)) > 1""",
    ),
    Invariant(
        "What goes has a reminder, and what does not has a reason.",
        f"""select tenant_id, account_id, seq, outcome, reason, reminder_id from {SCHEMA}.decision
            where case outcome when 'due' then reminder_id = '' else reason = '' or reminder_id <> '' end""",
    ),
    Invariant(
        "An account's decisions are numbered without a gap.",
        f"""select tenant_id, account_id, count(*) as decisions, max(seq) as last from {SCHEMA}.decision
            group by tenant_id, account_id having count(*) <> max(seq)""",
    ),
    Invariant(
        "Every outcome is of a reminder that was decided for that account.",
        f"""select o.tenant_id, o.account_id, o.reminder_id, o.outcome from {SCHEMA}.outcome o
            where not exists (select from {SCHEMA}.decision d
                where d.tenant_id = o.tenant_id and d.account_id = o.account_id and d.reminder_id = o.reminder_id)""",
    ),
    Invariant(
        "No account waits for its timer while others an hour later were decided on.",
        f"""select tenant_id, account_id, next_action_at from {SCHEMA}.account
            where parked_at is null and next_action_at < (select max(at) from {SCHEMA}.decision) - interval '1 hour'""",
    ),
)
