"""The tables of disputes and all of their SQL: where rows go, and the queries behind lists and one dispute's page.

Lists are keyset-paged; a note once written is never changed. Nothing here decides.
"""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from paycue.db.accounts import AccountStore
from paycue.db.bulk import RowTable
from paycue.db.engine import Connection
from services.disputes.domain.account import DisputeAccount
from services.disputes.domain.rows import CaseRow, NoteRow

SCHEMA = "disputes"

STORE = AccountStore(
    SCHEMA,
    DisputeAccount,
    {
        CaseRow: RowTable("dispute", key=("dispute_id",)),
        # The same event told again after the inbox forgot it notes the same: its note is there already.
        NoteRow: RowTable("note", key=("note_id",), on_conflict="nothing"),
    },
)

Place = tuple[datetime, str, str]
"""Of a dispute in its list: opened_at, account_id, dispute_id."""
R = TypeVar("R", bound=msgspec.Struct)


class Listed(msgspec.Struct, frozen=True):
    """A dispute and its account."""

    account_id: str
    row: CaseRow

    @property
    def place(self) -> Place:
        return self.row.opened_at, self.account_id, self.row.dispute_id


class Noted(msgspec.Struct, frozen=True):
    """A note and its place in the order of writing, which has gaps."""

    id: int
    row: NoteRow


class Wanted(msgspec.Struct, frozen=True):
    """Which disputes a list shows; what is None does not matter."""

    status: str | None = None
    account_id: str | None = None
    invoice_id: str | None = None


async def disputes(tx: Connection, tenant: str, wanted: Wanted, after: Place | None, limit: int) -> list[Listed]:
    """Disputes of a creditor, the newest first."""
    rows = await tx.fetch(
        f"""select * from {SCHEMA}.dispute
            where tenant_id = $1 and ($2::text is null or status = $2) and ($3::text is null or account_id = $3)
              and ($4::text is null or invoice_id = $4)
              and ($5::timestamptz is null or (opened_at, account_id, dispute_id) < ($5, $6, $7))
            order by opened_at desc, account_id desc, dispute_id desc limit $8""",
        *(tenant, wanted.status, wanted.account_id, wanted.invoice_id, *(after or (None, None, None)), limit),
    )
    return [Listed(row["account_id"], _read(CaseRow, row)) for row in rows]


async def account(tx: Connection, tenant: str, account_id: str) -> DisputeAccount | None:
    """What is contested on an account; None when no fact of it has come."""
    found: DisputeAccount | None = await STORE.read(tx, tenant, account_id)
    return found


async def notes(tx: Connection, tenant: str, account_id: str, dispute_id: str, after: int, limit: int) -> list[Noted]:
    """The notes on a dispute that come after a place (0: all), in the order they were written."""
    rows = await tx.fetch(
        f"""select * from {SCHEMA}.note where tenant_id = $1 and account_id = $2 and dispute_id = $3 and id > $4
            order by id limit $5""",
        *(tenant, account_id, dispute_id, after, limit),
    )
    return [Noted(row["id"], _read(NoteRow, row)) for row in rows]


def _read(kind: type[R], row: Any) -> R:
    """A row back as the struct that wrote it."""
    return kind(**{name: row[name] for name in kind.__struct_fields__})
