"""What must always be true of disputes, as SQL that returns no row. It only reads."""

from paycue.observability.invariants import Invariant
from services.disputes.store import SCHEMA

_KEY = "tenant_id, account_id, dispute_id"
_FROM = f"from {SCHEMA}.dispute where"

INVARIANTS = (
    Invariant(
        "A dispute has an outcome and the instant of its decision exactly when it is resolved.",
        f"""select {_KEY}, status, outcome {_FROM} (status = 'resolved') <> (outcome <> '')
            or (status = 'resolved') <> (decided_at is not null)""",
    ),
    Invariant(
        "Only a dispute found valid or partly valid credits anything.",
        f"select {_KEY}, outcome, credit_minor {_FROM} (credit_minor > 0 or credit_whole) and outcome not in ('valid', 'partly_valid')",
    ),
    Invariant(
        "A dispute found valid or partly valid credits an amount or the whole invoice, not both and not nothing.",
        f"select {_KEY}, outcome, credit_minor {_FROM} outcome in ('valid', 'partly_valid') and (credit_minor > 0) = credit_whole",
    ),
    Invariant(
        "No dispute credits more than what is disputed.",
        f"select {_KEY}, disputed_minor, credit_minor {_FROM} disputed_minor > 0 and (credit_minor > disputed_minor or credit_whole)",
    ),
    Invariant(
        "A dispute says why it is refused exactly when it is.",
        f"select {_KEY}, status, refusal {_FROM} (status = 'refused') <> (refusal <> '')",
    ),
    Invariant(
        "A dispute that holds its invoice, or did, was registered under a version.",
        f"select {_KEY}, status, version {_FROM} version < 0 or (version = 0 and status <> 'refused')",
    ),
    Invariant(
        "A reopened dispute was registered, resolved and registered anew.",
        f"select {_KEY}, version {_FROM} reopened and version < 3",
    ),
    Invariant(
        "Every dispute and every note belongs to an account on file.",
        f"""select tenant_id, account_id, dispute_id from {SCHEMA}.dispute d
            where not exists (select from {SCHEMA}.account a where a.tenant_id = d.tenant_id and a.account_id = d.account_id)
            union all
            select tenant_id, account_id, note_id from {SCHEMA}.note n
            where not exists (select from {SCHEMA}.account a where a.tenant_id = n.tenant_id and a.account_id = n.account_id)""",
    ),
)
