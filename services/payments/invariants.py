"""I5, the money, as SQL that returns no row: nothing is lost, made, counted twice or owed below zero, in the lists and in the books.

The lists are what the API shows, the books are the double entries; each must add up by itself and to the other.
"""

from paycue.observability.invariants import Invariant
from services.payments.store import SCHEMA

_LEGS = f"""select tenant_id, account_id, cause, invoice_id, payment_id, currency, debit as book, amount_minor as minor
    from {SCHEMA}.ledger_entry union all
    select tenant_id, account_id, cause, invoice_id, payment_id, currency, credit, -amount_minor from {SCHEMA}.ledger_entry"""

_WHOLE_PAYMENT = f"""select p.* from {SCHEMA}.payment p
    where p.amount_minor <> p.allocated_minor + p.reserved_minor + p.unallocated_minor + p.returned_minor
       or least(p.allocated_minor, p.reserved_minor, p.unallocated_minor, p.returned_minor) < 0"""

_PARTS_OF_A_PAYMENT = f"""select p.tenant_id, p.account_id, p.payment_id, p.allocated_minor, p.reserved_minor, a.allocated, a.reserved
    from {SCHEMA}.payment p left join (
        select tenant_id, account_id, payment_id, sum(amount_minor) as allocated, sum(reserved_minor) as reserved
        from {SCHEMA}.allocation group by tenant_id, account_id, payment_id
    ) a using (tenant_id, account_id, payment_id)
    where p.allocated_minor <> coalesce(a.allocated, 0) or p.reserved_minor <> coalesce(a.reserved, 0)"""

_OPEN_INVOICE = f"""select i.tenant_id, i.account_id, i.invoice_id, i.amount_minor, i.credited_minor, i.open_minor, i.state, a.paid
    from {SCHEMA}.invoice i left join (
        select tenant_id, account_id, invoice_id, sum(amount_minor) as paid
        from {SCHEMA}.allocation group by tenant_id, account_id, invoice_id
    ) a using (tenant_id, account_id, invoice_id)
    where i.open_minor <> i.amount_minor - i.credited_minor - coalesce(a.paid, 0) or i.open_minor < 0
       or i.state <> case i.open_minor when 0 then 'settled' else 'open' end"""

_ONE_CURRENCY = f"""select a.* from {SCHEMA}.allocation a
    left join {SCHEMA}.payment p using (tenant_id, account_id, payment_id)
    left join {SCHEMA}.invoice i using (tenant_id, account_id, invoice_id)
    where p.payment_id is null or p.currency <> a.currency
       or (a.amount_minor > 0 and (i.invoice_id is null or i.currency <> a.currency))
       or (a.reserved_minor > 0 and i.invoice_id is not null)"""

_BALANCED = f"""select tenant_id, account_id, cause, currency, sum(minor) as difference from ({_LEGS}) legs
    where book in ('receivable', 'cash', 'unallocated', 'reserved', 'credit_given', 'revenue')
    group by tenant_id, account_id, cause, currency having sum(minor) <> 0"""

_BOOKS_OF_AN_INVOICE = f"""select * from (
        select tenant_id, account_id, invoice_id, currency, sum(minor) filter (where book = 'receivable') as receivable,
            sum(minor) filter (where book = 'credit_given') as credited
        from ({_LEGS}) legs where book in ('receivable', 'credit_given') group by tenant_id, account_id, invoice_id, currency
    ) b full join {SCHEMA}.invoice i using (tenant_id, account_id, invoice_id, currency)
    where coalesce(b.receivable, 0) is distinct from i.open_minor or coalesce(b.credited, 0) is distinct from i.credited_minor"""

_BOOKS_OF_A_PAYMENT = f"""select * from (
        select tenant_id, account_id, payment_id, currency, -sum(minor) filter (where book = 'unallocated') as unallocated,
            -sum(minor) filter (where book = 'reserved') as reserved, sum(minor) filter (where book = 'cash') as cash
        from ({_LEGS}) legs where book in ('unallocated', 'reserved', 'cash') group by tenant_id, account_id, payment_id, currency
    ) b full join {SCHEMA}.payment p using (tenant_id, account_id, payment_id, currency)
    where coalesce(b.unallocated, 0) is distinct from p.unallocated_minor or coalesce(b.reserved, 0) is distinct from p.reserved_minor
       or coalesce(b.cash, 0) is distinct from p.amount_minor - p.returned_minor"""

INVARIANTS = (
    Invariant("Of every payment, allocated + reserved + unallocated + returned is its amount, and none is below zero.", _WHOLE_PAYMENT),
    Invariant("The parts of every payment add up to what its own row says is allocated and reserved.", _PARTS_OF_A_PAYMENT),
    Invariant("Open on an invoice is its amount - credited - allocated, and never below zero.", _OPEN_INVOICE),
    Invariant("Money is spent in its own currency on invoices that are known, and reserved only for those that are not.", _ONE_CURRENCY),
    Invariant("The entries of every cause lie between our books and add up to zero per currency.", _BALANCED),
    Invariant("The books say of every invoice what its row says: what is open and what was credited.", _BOOKS_OF_AN_INVOICE),
    Invariant("The books say of every payment what its row says: unallocated, reserved, and kept.", _BOOKS_OF_A_PAYMENT),
)
