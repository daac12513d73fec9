"""Which rows are about a person, and those rows without what the contracts classify as personal. Pure.

What belongs here: the way from a person's key to rows of any table by the contracts' relationships, in Arrow tables. What does
not: who is forgotten (forgotten.py), and the same conditions in Spark (lakehouse/decode/change_events.py) and SQL
(erasure/warehouse.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ecommerce_platform.contracts import Column, Contract, LogicalType

_WHOLE = re.compile(r"\s*([+-]?\d+)(?:\.0*)?\s*")


@dataclass(frozen=True)
class Rows:
    """The rows of one table that are about a person.

    `keys` are the person's own keys. `references` map columns that lead to the person to the keys they lead to; a row in which
    none of these columns can be read is about the person when its own key is among `orphans`: other events of that key are.
    """

    key: str
    keys: frozenset[int] = frozenset()
    references: Mapping[str, frozenset[int]] | None = None
    orphans: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.keys or self.orphans or any((self.references or {}).values()))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by which rows are known."""
        return (self.key, *(self.references or {}))

    def mask(self, rows: pa.Table) -> pa.ChunkedArray:
        """Of each row, whether it is about the person. Columns may be of any type that landing files have; missing ones count
        as unreadable."""
        named = {name.lower(): name for name in rows.column_names}
        none = pa.chunked_array([pa.repeat(False, rows.num_rows)])

        def among(column: str, keys: frozenset[int]) -> pa.ChunkedArray:
            return _among(rows.column(named[column]), keys) if column in named and keys else none

        about_person = among(self.key, self.keys)
        if self.references:
            unreadable = pa.chunked_array([pa.repeat(True, rows.num_rows)])
            for column, keys in self.references.items():
                about_person = pc.or_(about_person, among(column, keys))
                if column in named:
                    unreadable = pc.and_(unreadable, pc.invert(_readable(rows.column(named[column]))))
            about_person = pc.or_(about_person, pc.and_(unreadable, among(self.key, self.orphans)))
        return about_person


def merged(some: Sequence[Rows]) -> Rows | None:
    """The rows of any of these, all of one table; None for none."""
    if not some:
        return None
    references: dict[str, frozenset[int]] = {}
    for rows in some:
        for column, keys in (rows.references or {}).items():
            references[column] = references.get(column, frozenset()) | keys
    own: frozenset[int] = frozenset()
    orphans: frozenset[int] = frozenset()
    for rows in some:
        own, orphans = own | rows.keys, orphans | rows.orphans
    return Rows(some[0].key, own, references, orphans)


def as_key(value: Any) -> int | None:
    """A key as the decoder reads it: whole numbers, in whatever type a file has them; None for what is not a key."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, (Decimal, float)):
        return int(value) if value == value and value % 1 == 0 else None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    whole = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    return int(whole[1]) if whole else None


def _among(column: pa.ChunkedArray, keys: frozenset[int]) -> pa.ChunkedArray:
    matching = [value for value in column.unique().to_pylist() if as_key(value) in keys]
    matching = [value for value in matching if value is not None]
    if not matching:
        return pa.chunked_array([pa.repeat(False, len(column))])
    return pc.is_in(_plain(column), value_set=pa.array(matching, _plain(column).type))


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_integer(column.type):
        return column.is_valid()
    readable = [value for value in column.unique().to_pylist() if as_key(value) is not None]
    return pc.is_in(_plain(column), value_set=pa.array(readable, _plain(column).type))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def distinct_keys(column: pa.ChunkedArray) -> set[int]:
    """The keys that a column holds, as the decoder reads them."""
    return {key for key in map(as_key, column.unique().to_pylist()) if key is not None}


def erased_value(column: Column) -> str | None:
    """What stands in a personal column once its person is forgotten: null, or an empty text where the contract requires one."""
    return "" if column.required and column.type is LogicalType.TEXT else None


def erased(rows: pa.Table, chosen: pa.ChunkedArray, columns: Iterable[Column]) -> pa.Table:
    """The rows, those that are chosen without the values of these columns; columns are known by name in any case of letters.

    Types stay; a column that no file may leave null becomes one that may be.
    """
    by_name = {column.name: column for column in columns}
    for number, field in enumerate(rows.schema):
        column = by_name.get(field.name.lower())
        if column is None:
            continue
        value = pa.scalar(erased_value(column), pa.string())
        values = rows.column(number)
        replacement = value.cast(_plain(values).type) if _holds_text(_plain(values).type) else None
        new = pc.if_else(
            chosen, pa.scalar(None, _plain(values).type) if replacement is None else replacement, _plain(values)
        )
        rows = rows.set_column(number, field.with_type(new.type).with_nullable(True), new)
    return rows


def _holds_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)


def still_personal(rows: pa.Table, chosen: pa.ChunkedArray, columns: Iterable[Column]) -> pa.ChunkedArray:
    """Of each chosen row, whether one of these columns still has a value."""
    by_name = {column.name: column for column in columns}
    left = pa.chunked_array([pa.repeat(False, rows.num_rows)])
    for number, field in enumerate(rows.schema):
        column = by_name.get(field.name.lower())
        if column is None or pa.types.is_null(field.type):
            continue
        values = _plain(rows.column(number))
        present = values.is_valid()
        if erased_value(column) is not None and _holds_text(values.type):
            present = pc.and_(present, pc.fill_null(pc.greater(pc.binary_length(values), 0), False))
        left = pc.or_(left, present)
    return pc.and_(left, chosen)


def tables_of(contracts: Mapping[str, Contract], root: str) -> dict[str, dict[str, str]]:
    """The tables with rows about somebody whose key is one of `root`: each with the columns that lead there and the tables that
    they lead to. Only tables that hold personal columns, or on the way to one that does; in the order of the way.
    """
    reached: dict[str, dict[str, str]] = {root: {}}
    grown = True
    while grown:
        grown = False
        for table, contract in contracts.items():
            leading = {
                column.name: target
                for column in contract.columns
                if column.references and (target := column.references.partition(".")[0]) in reached and target != table
            }
            if table not in reached and leading:
                reached[table], grown = leading, True
    needed: set[str] = {root}
    for table in reversed(list(reached)):
        if contracts[table].personal_columns or table in needed:
            needed |= {table, *reached[table].values()}
    return {table: leading for table, leading in reached.items() if table in needed}


def rows_of(
    contracts: Mapping[str, Contract], root: str, keys: Mapping[str, Sequence[int] | frozenset[int]]
) -> dict[str, Rows]:
    """The person's rows in each table, from the keys in the table of the person and in those on the way."""
    rows = {}
    for table, leading in tables_of(contracts, root).items():
        own = frozenset(keys.get(table, ()))
        # Of a key that is not one whole number only the references count; `forget` refuses such a table with personal columns.
        key = contracts[table].key_names[0]
        if table == root:
            rows[table] = Rows(key, own)
        else:
            rows[table] = Rows(
                key, references={name: frozenset(keys.get(target, ())) for name, target in leading.items()}, orphans=own
            )
    return rows
