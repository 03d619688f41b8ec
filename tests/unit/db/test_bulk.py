"""Set-based SQL is made from structs: columns are fields, array types are annotations."""

from datetime import date, datetime
from typing import Any

import msgspec
import pytest

from paycue.db.bulk import Owned, RowTable, _columns, _last_of_each_key, _statement


class Posting(msgspec.Struct, frozen=True):
    id: str
    minor: int
    on: date
    at: datetime | None = None
    done: bool = False
    raw: bytes = b""


def test_rows_without_a_key_are_appended() -> None:
    assert _statement("s", RowTable("posting"), Posting) == (
        'insert into s.posting (tenant_id, account_id, "id", "minor", "on", "at", "done", "raw") '
        "select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::date[], $6::timestamptz[], $7::boolean[], $8::bytea[])"
    )


def test_rows_with_a_key_replace_what_stands_there() -> None:
    sql = _statement("s", RowTable("posting", ("id",)), Posting)
    assert sql.endswith(
        ' on conflict (tenant_id, account_id, "id") do update set "minor" = excluded."minor", "on" = excluded."on", '
        '"at" = excluded."at", "done" = excluded."done", "raw" = excluded."raw"'
    )


@pytest.mark.parametrize(
    "table", [RowTable("posting", ("id",), "nothing"), RowTable("posting", ("id", "minor", "on", "at", "done", "raw"))]
)
def test_rows_that_keep_the_first_or_are_all_key_do_nothing_on_conflict(table: RowTable) -> None:
    assert _statement("s", table, Posting).endswith("do nothing")


def test_a_field_without_a_column_type_is_refused() -> None:
    class Odd(msgspec.Struct, frozen=True):
        amount: float

    with pytest.raises(TypeError, match="has no column type"):
        _statement("s", RowTable("odd"), Odd)


def rows(*named: tuple[str, str, int]) -> list[Owned]:
    return [Owned("acme", account, Posting(number, minor, date(2013, 1, 2))) for account, number, minor in named]


def test_of_one_key_the_last_row_of_a_batch_stays() -> None:
    kept = _last_of_each_key(rows(("a", "1", 1), ("a", "2", 2), ("a", "1", 3), ("b", "1", 4)), ("id",))
    assert [(o.account, _minor(o.row)) for o in kept] == [("a", 3), ("a", 2), ("b", 4)]


def _minor(row: Any) -> int:
    return int(row.minor)


def test_columns_begin_with_the_owner() -> None:
    assert [*map(list, _columns(rows(("a", "1", 1), ("b", "2", 2))))][:4] == [["acme", "acme"], ["a", "b"], ["1", "2"], [1, 2]]
