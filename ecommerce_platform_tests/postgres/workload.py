"""Random histories of a shop's database, for Hypothesis: seeded, shrinkable, run against a real PostgreSQL.

A history owns a range of keys, so that many histories share one database, one stream and one run of the platform
without touching each other. Keys in a history are small on purpose: collisions, re-inserts and key changes are the point.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

KEYS_PER_HISTORY = 1000
LARGE_TEXT = 3000
EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001 - PostgreSQL keeps timestamps without a zone

COLUMNS = {
    "users": ("id", "email", "first_name", "last_name", "created_at", "updated_at"),
    "products": ("id", "name", "description", "price", "stock_quantity", "category", "created_at", "updated_at"),
    "orders": ("id", "user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at"),
    "order_items": ("id", "order_id", "product_id", "quantity", "unit_price", "created_at"),
}
REFERENCES = {"user_id", "order_id", "product_id"}


@dataclass(frozen=True)
class Insert:
    table: str
    row: tuple[object, ...]


@dataclass(frozen=True)
class Update:
    """One row, or every row of the history when `key` is None."""

    table: str
    key: int | None
    column: str
    value: object


@dataclass(frozen=True)
class ChangeKey:
    table: str
    key: int
    new_key: int


@dataclass(frozen=True)
class Delete:
    table: str
    key: int


Statement = Insert | Update | ChangeKey | Delete


@dataclass(frozen=True)
class Transaction:
    """Statements that commit together, or are rolled back together. `snapshot` is a table that an incremental snapshot reads
    afterwards, while the stream goes on.
    """

    statements: tuple[Statement, ...]
    aborted: bool
    days_later: int
    snapshot: str | None = None


History = tuple[Transaction, ...]


@dataclass(frozen=True)
class SnapshotRow:
    """A row as it was after a transaction (`after`, PostgreSQL's id), read by an incremental snapshot."""

    table: str
    after: int
    values: dict[str, object]


keys = st.integers(0, 3)
money = st.integers(-500, 300_000).map(lambda cents: Decimal(cents).scaleb(-2))
moments = st.integers(0, 6 * 86_400).map(
    lambda seconds: EPOCH + timedelta(seconds=seconds, microseconds=seconds * 7 % 1_000_000)
)
short_text = st.sampled_from(["", "a@b.example", "Ünïcödé", "plain", "with 'quotes'", "back\\slash", "N", "emoji 🛒"])
large_text = st.sampled_from(["x", "y", "z"]).map(lambda letter: letter * LARGE_TEXT)
texts = st.one_of(st.none(), short_text)
texts_or_large = st.one_of(texts, large_text)
statuses = st.sampled_from(["pending", "processing", "shipped", "delivered", "cancelled", "lost"])

VALUES: dict[str, st.SearchStrategy[object]] = {
    "email": texts, "first_name": texts, "last_name": texts, "name": texts, "category": st.sampled_from(["books", "toys", None]),
    "description": texts_or_large, "shipping_address": texts_or_large, "price": st.one_of(st.none(), money),
    "unit_price": money, "total_amount": st.one_of(st.none(), money), "stock_quantity": st.one_of(st.none(), st.integers(-1, 50)),
    "quantity": st.integers(-1, 5), "status": statuses, "user_id": keys, "order_id": keys, "product_id": keys,
    "created_at": moments, "updated_at": st.one_of(st.none(), moments),
}  # fmt: skip


@st.composite
def inserts(draw: st.DrawFn, table: str | None = None, key: int | None = None) -> Insert:
    name = table or draw(st.sampled_from(list(COLUMNS)))
    values = [draw(keys) if key is None else key, *(draw(VALUES[column]) for column in COLUMNS[name][1:])]
    return Insert(name, tuple(values))


@st.composite
def updates(draw: st.DrawFn) -> Update:
    table = draw(st.sampled_from(list(COLUMNS)))
    column = draw(st.sampled_from(COLUMNS[table][1:]))
    return Update(table, draw(st.one_of(keys, keys, st.none())), column, draw(VALUES[column]))


tables = st.sampled_from(list(COLUMNS))
deletes = st.builds(Delete, tables, keys)
key_changes = st.builds(ChangeKey, tables, keys, keys)
statements = st.one_of(inserts(), inserts(), inserts(), updates(), updates(), deletes, key_changes)


@st.composite
def reinserts(draw: st.DrawFn) -> tuple[Statement, ...]:
    """Delete and insert of one key in one transaction: the order of two events is all that tells them apart."""
    table, key = draw(tables), draw(keys)
    return (Delete(table, key), draw(inserts(table, key)))


transactions = st.builds(
    Transaction,
    st.one_of(st.lists(statements, min_size=1, max_size=4).map(tuple), reinserts()),
    st.sampled_from([False, False, False, False, True]),
    st.sampled_from([0, 0, 1]),
    st.one_of(st.none(), st.none(), st.none(), st.sampled_from(list(COLUMNS))),
)
histories: st.SearchStrategy[History] = st.lists(transactions, min_size=2, max_size=10).map(tuple)


def play(connection: Connection, history: History, number: int) -> tuple[dict[int, int], list[SnapshotRow]]:
    """Runs a history under its own range of keys; returns the day of each committed transaction that wrote, by its id, and the
    rows that snapshots read in between.
    """
    days: dict[int, int] = {}
    read: list[SnapshotRow] = []
    day = 0
    with connection.cursor() as cursor:
        for transaction in history:
            day += transaction.days_later
            cursor.execute("begin")
            for statement in transaction.statements:
                _execute(cursor, statement, number * KEYS_PER_HISTORY)
            cursor.execute("select pg_current_xact_id_if_assigned()::text")
            assigned = cursor.fetchone()[0]
            cursor.execute("rollback" if transaction.aborted else "commit")
            if assigned is not None and not transaction.aborted:
                days[int(assigned)] = day
            if transaction.snapshot and days:
                read += _snapshot(cursor, transaction.snapshot, number * KEYS_PER_HISTORY, max(days))
    return days, read


def _snapshot(cursor: object, table: str, offset: int, after: int) -> list[SnapshotRow]:
    names = COLUMNS[table]
    cursor.execute(  # type: ignore[attr-defined]
        sql.SQL("select {} from {} where id between %s and %s order by id").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table)
        ),
        [offset, offset + KEYS_PER_HISTORY - 1],
    )
    rows = cursor.fetchall()  # type: ignore[attr-defined]
    return [SnapshotRow(table, after, dict(zip(names, row, strict=True))) for row in rows]


def _shift(column: str, value: object, offset: int) -> object:
    return value + offset if column in REFERENCES and isinstance(value, int) else value


def _execute(cursor: object, statement: Statement, offset: int) -> None:
    table = sql.Identifier(statement.table)
    run = cursor.execute  # type: ignore[attr-defined]
    if isinstance(statement, Insert):
        columns = COLUMNS[statement.table]
        values = [statement.row[0] + offset]  # type: ignore[operator]
        values += [_shift(column, value, offset) for column, value in zip(columns[1:], statement.row[1:], strict=True)]
        run(
            sql.SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
                table,
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(sql.Placeholder() * len(columns)),
            ),
            values,
        )
    elif isinstance(statement, Update):
        low, high = (offset, offset + KEYS_PER_HISTORY - 1) if statement.key is None else (offset + statement.key,) * 2
        run(
            sql.SQL("update {} set {} = %s where id between %s and %s").format(table, sql.Identifier(statement.column)),
            [_shift(statement.column, statement.value, offset), low, high],
        )
    elif isinstance(statement, Delete):
        run(sql.SQL("delete from {} where id = %s").format(table), [offset + statement.key])
    else:
        run(
            sql.SQL("update {0} set id = %s where id = %s and not exists (select 1 from {0} where id = %s)").format(
                table
            ),
            [offset + statement.new_key, offset + statement.key, offset + statement.new_key],
        )
