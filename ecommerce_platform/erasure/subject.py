"""The person who is to be forgotten: the keys in every table on the way, and the changes to rows. Pure, but for reading the lake.

What belongs here: from a name and a number on the command line to rows. What does not: places (landing_files.py, lake.py,
warehouse.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ecommerce_platform.contracts import HIDDEN, Contract
from ecommerce_platform.erasure.errors import ErasureError
from ecommerce_platform.erasure.parquet import Change
from ecommerce_platform.landing.persons import (
    Rows,
    as_key,
    erased,
    erased_value,
    rows_of,
    still_personal,
    tables_of,
)


@dataclass(frozen=True)
class Subject:
    """A person: the table and key, the keys of the person's rows in other tables, and, while they are known, the values of
    personal columns by table, which identify rows whose keys cannot be read.
    """

    contracts: Mapping[str, Contract]
    table: str
    key: int
    keys: Mapping[str, frozenset[int]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict, repr=False)

    @property
    def rows(self) -> dict[str, Rows]:
        """The person's rows, by table; only tables with personal columns."""
        rows_to_change = rows_of(self.contracts, self.table, {**self.keys, self.table: frozenset({self.key})})
        return {table: rows for table, rows in rows_to_change.items() if self.contracts[table].personal_columns}

    def change(self, table: str, *, strays: bool) -> Change:
        """Takes the person's values out of rows of a table; with `strays` also out of rows that only their values identify."""
        rows, columns = self.rows[table], self.contracts[table].personal_columns
        values = self.values.get(table, {}) if strays else {}

        def chosen(some: pa.Table) -> pa.ChunkedArray:
            mask = rows.mask(some)
            return pc.or_(mask, _strays(some, rows, values)) if values else mask

        return Change(
            count=lambda some: pc.sum(still_personal(some, chosen(some), columns)).as_py() or 0,
            apply=lambda some: erased(some, chosen(some), columns),
            columns=(*rows.columns, *(column.name for column in columns)),
        )

    def quarantine_change(self, table: str, contents: Mapping[str, str] | None = None) -> Change:
        """The same of the quarantine's rows, whose original values are JSON; `contents` renames content ids."""
        contract, inner = self.contracts[table], self.change(table, strays=True)
        personal = {column.name: column for column in contract.personal_columns}
        renamed = contents or {}

        def originals(some: pa.Table) -> tuple[list[dict[str, Any]], pa.Table]:
            parsed = [_parsed(text) for text in some.column("original_values").to_pylist()]
            names = {column.name for column in contract.columns}
            texts = {name: [_text(row.get(name)) for row in parsed] for name in sorted(names)}
            return parsed, pa.table({name: pa.array(items, pa.string()) for name, items in texts.items()})

        def count(some: pa.Table) -> int:
            return inner.count(originals(some)[1])

        def apply(some: pa.Table) -> pa.Table:
            parsed, values = originals(some)
            after = inner.apply(values)
            touched = [before != now for before, now in zip(values.to_pylist(), after.to_pylist(), strict=True)]
            texts, details = some.column("original_values").to_pylist(), some.column("detail").to_pylist()
            reasons = some.column("column_name").to_pylist()
            for number in (number for number, is_touched in enumerate(touched) if is_touched):
                row = parsed[number]
                row.update({name: erased_value(column) for name, column in personal.items() if name in row})
                texts[number] = _as_json(row)
                if reasons[number] in personal:
                    details[number] = f"found {HIDDEN}, expected {personal[reasons[number]].spark_type}"
            some = _with(_with(some, "original_values", texts), "detail", details)
            ids = [renamed.get(item, item) for item in some.column("content_id").to_pylist()]
            return _with(some, "content_id", ids)

        return Change(count, apply, ("original_values", "content_id"))


def resolve(contracts: Mapping[str, Contract], word: str, number: str) -> tuple[str, int]:
    """Table and key of `forget WORD NUMBER`. A table may be named in the singular.

    Raises ErasureError for a table that holds nobody, and for a number that is not a key.
    """
    lower = word.lower()
    table = next((name for name in contracts if lower in (name, name.removesuffix("s"))), None)
    people = [
        name for name in contracts if any(contracts[item].personal_columns for item in tables_of(contracts, name))
    ]
    if table is None or table not in people:
        raise ErasureError(f"{word!r} is not a table with people in it; expected one of {', '.join(people)}")
    _require_number_keys(contracts, table)
    key = as_key(number)
    if key is None:
        raise ErasureError(
            f"{number!r} is not a key of {table}; expected a whole number, as column {contracts[table].key} has"
        )
    return table, key


def _require_number_keys(contracts: Mapping[str, Contract], root: str) -> None:
    """Rows about a person are recognized by a key of one whole number; a table with people that no key reaches is refused."""
    reached: set[str] = set()
    more = {root}
    while more:
        reached |= more
        more = {
            table
            for table in contracts.keys() - reached
            if not reached.isdisjoint(item.parent for item in contracts[table].relationships)
        }
    followed = tables_of(contracts, root)
    about = {table for table in reached if contracts[table].personal_columns}
    for table in sorted({*followed, *about}):
        if table not in followed or not contracts[table].has_number_key:
            key = ", ".join(contracts[table].key_names)
            raise ErasureError(
                f"{table} holds rows about people of {root}, with the key {key}; expected keys of one whole number on the whole "
                "way, by which a person's rows are found: nothing was erased. Erase those rows by hand and classify none of its "
                "columns as personal, or give the table such a key"
            )


def _strays(some: pa.Table, rows: Rows, values: Mapping[str, frozenset[str]]) -> pa.ChunkedArray:
    """Rows whose keys nobody can read, and all of whose personal values are the person's."""
    named = {name.lower(): name for name in some.column_names}
    keys = [some.column(named[name]).to_pylist() if name in named else [None] * some.num_rows for name in rows.columns]
    texts = {name: [_text(item) for item in some.column(named[name]).to_pylist()] for name in values if name in named}
    mask = []
    for number in range(some.num_rows):
        held = {name: text for name, column in texts.items() if (text := column[number]) and text.strip()}
        unreadable = all(as_key(column[number]) is None for column in keys)
        mask.append(unreadable and bool(held) and all(text in values[name] for name, text in held.items()))
    return pa.chunked_array([pa.array(mask, pa.bool_())])


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def _parsed(text: str | None) -> dict[str, Any]:
    # A number keeps its spelling: it goes back as it came.
    return dict(json.loads(text, parse_float=_Spelled)) if text else {}


class _Spelled(str):
    """A number as it is spelled in JSON."""


def _as_json(row: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return str(value) if isinstance(value, _Spelled) else json.dumps(value, ensure_ascii=False)

    return "{" + ",".join(f"{text(name)}:{text(value)}" for name, value in row.items()) + "}"


def _with(some: pa.Table, name: str, values: list[Any]) -> pa.Table:
    number = some.schema.get_field_index(name)
    return some.set_column(number, some.schema.field(number), pa.array(values, some.schema.field(number).type))
