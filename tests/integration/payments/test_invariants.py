"""The invariants of the money see what they are for: each kind of damage to lists or books is found, and named."""

import asyncio

import asyncpg
import pytest

from paycue.observability.invariants import violated
from services.payments.invariants import INVARIANTS
from services.payments.main import SERVICE
from tests.integration.conftest import Start
from tests.integration.payments.conftest import invoice, payment

CHECKS = """select conrelid::regclass::text, quote_ident(conname) from pg_constraint
    where contype = 'c' and connamespace = 'payments'::regnamespace"""
# What a bug, or a hand in the database, could do; and a word of each sentence that must speak up.
DAMAGE = {
    "update payments.payment set unallocated_minor = unallocated_minor + 1": {"Of every payment", "The books say of every payment"},
    "update payments.payment set allocated_minor = 1, unallocated_minor = 699 where payment_id = 'p1'": {
        "The parts of every",
        "The books say of every payment",
    },
    "update payments.allocation set amount_minor = amount_minor + 1 where amount_minor > 0": {"The parts of every", "Open on"},
    "update payments.invoice set open_minor = open_minor + 1": {"Open on", "The books say of every invoice"},
    "update payments.invoice set credited_minor = 1, open_minor = open_minor - 1": {"The books say of every invoice"},
    "update payments.invoice set state = 'settled'": {"Open on"},
    "update payments.invoice set currency = 'USD'": {"Money is spent", "The books say of every invoice"},
    "update payments.ledger_entry set debit = 'pocket' where debit = 'cash'": {
        "The entries of every cause",
        "The books say of every payment",
    },
    "delete from payments.ledger_entry where credit = 'reserved'": {"The books say of every payment"},
    "delete from payments.invoice": {"Money is spent", "The books say of every invoice"},
    "delete from payments.payment": {"Money is spent", "The books say of every payment"},
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_damage_is_found(running_service: Start, damage: str) -> None:
    payments = await running_service(SERVICE)
    await payments.publish(invoice("i1", 1000), payment("p1", 700, "i1"), payment("p2", 700, "later"))
    owner = await asyncpg.connect(payments.runtime.settings.database_url)
    try:
        # Row-level security is forced: without this the owner would see no row, and find nothing.
        for (table,) in await owner.fetch("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'payments'"):
            await owner.execute(f"alter table {table} no force row level security")
        for table, name in await owner.fetch(CHECKS):
            await owner.execute(f"alter table {table} drop constraint {name}")
        assert await violated(owner, INVARIANTS) == []
        assert not (await owner.execute(damage)).endswith(" 0")
        found = {violation.invariant.sentence for violation in await violated(owner, INVARIANTS)}
    finally:
        await owner.close()
    assert found == {i.sentence for i in INVARIANTS if any(i.sentence.startswith(words) for words in DAMAGE[damage])}


async def test_the_service_itself_cannot_change_what_was_entered(running_service: Start) -> None:
    payments = await running_service(SERVICE)
    await payments.publish(invoice("i1", 1000))
    for damage in ("update payments.ledger_entry set amount_minor = 1", "delete from payments.ledger_entry"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await payments.rows(damage)


async def test_the_tables_refuse_money_that_does_not_add_up(running_service: Start) -> None:
    payments = await running_service(SERVICE)
    await payments.publish(invoice("i1", 1000), payment("p1", 700))
    for damage in ("update payments.payment set returned_minor = 1", "update payments.invoice set open_minor = -1"):
        with pytest.raises(asyncpg.CheckViolationError):
            await payments.rows(damage)


async def test_a_large_ledger_is_asked_in_seconds(running_service: Start) -> None:
    payments = await running_service(SERVICE)
    await payments.publish(invoice("i1", 1000), payment("p1", 700, "i1"))
    owner = await asyncpg.connect(payments.runtime.settings.database_url)
    try:
        for table in ("payment", "allocation"):
            await owner.execute(f"alter table payments.{table} no force row level security")
            await owner.execute(
                f"""insert into payments.{table} select (jsonb_populate_record(t, jsonb_build_object('payment_id', 'copy-' || n))).*
                    from payments.{table} t, generate_series(1, 40000) n"""
            )
    finally:
        await owner.close()
    async with asyncio.timeout(20):
        found = await payments.runtime.check_invariants()
    assert {violation.count for violation in found} == {1, 40_000}
