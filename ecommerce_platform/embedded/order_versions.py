"""Order versions as a speed layer keeps them, read from Parquet of any of the landing zone's physical forms.

What belongs here: decoding by the contract, ties, and values that PostgreSQL left out as unchanged. What does not: ClickHouse
(realtime.py), and the lakehouse's quarantine: a row that cannot be read is an error, or is left out and counted when asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from ecommerce_platform.contracts import Column, Contract, LogicalType

UNCHANGED = "__debezium_unavailable_value"
OPERATIONS = {
    "c": "INSERT",
    "u": "UPDATE",
    "d": "DELETE",
    "r": "READ",
    **{name.lower(): name for name in ("INSERT", "UPDATE", "DELETE", "READ")},
}
_OP, _LSN, _TS, _SOURCE_TS = "__op", "__source_lsn", "__ts_ms", "__source_ts_ms"
_MEMORY_LIMIT = "1GB"
_BATCH_ROWS = 100_000
_PARQUET_ROWS = "read_parquet(?, file_row_number = true, hive_partitioning = false)"
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")


class RealtimeLoadError(ValueError):
    """A file cannot be loaded into the speed layer's table; the message names the file, the column and what was expected."""


@dataclass(frozen=True)
class KnownTexts:
    """Versions that the table already holds, of the keys that were asked for: key, log sequence number and text columns."""

    rows: pa.Table


class OrderVersions:
    """The versions of one load.

    Columns out (`batches`): those of the contract, `__op` (INSERT, UPDATE, DELETE, READ), `__source_lsn` (unsigned, 0 when
    missing), `__source_ts_ms` (UTC), `is_deleted` (0 or 1). One row for a key and log sequence number: of a tied pair the
    snapshot row that has none of its own, then the one with the later `__ts_ms`, then the later file name and row.

    A snapshot row without a number gets the highest of its key whose `__ts_ms` is not after its own, of what this load brings
    (docs/definitions.md, "effective LSN"): the table keeps no `__ts_ms`, so its place after events of earlier loads is unknown.
    """

    def __init__(self, contract: Contract, files: Sequence[Path], skip_unreadable: bool = False) -> None:
        self._contract = contract
        self._skip_unreadable = skip_unreadable
        self.skipped = 0
        self._duck = duckdb.connect(config={"memory_limit": _MEMORY_LIMIT})
        self._duck.execute("SET TimeZone = 'UTC'")
        self._names = [column.name for column in contract.columns]
        self._create()
        for position, file in enumerate(files):
            self._read(position, file)
        self._place_snapshot_rows()

    def close(self) -> None:
        self._duck.close()

    @property
    def row_count(self) -> int:
        """Rows read, before ties are resolved."""
        return int(self._scalar("SELECT count(*) FROM versions WHERE file >= 0"))

    def keys_with_unchanged_text(self) -> list[int]:
        """Keys of which some row leaves a text column as unchanged."""
        unchanged = " OR ".join(f"{_quoted(name)} = '{UNCHANGED}'" for name in self._contract.text_columns)
        key = _quoted(self._contract.key)
        rows = self._duck.execute(f"SELECT DISTINCT {key} FROM versions WHERE {unchanged} ORDER BY 1").fetchall()
        return [row[0] for row in rows]

    def fill_unchanged(self, known: KnownTexts) -> None:
        """Replace unchanged texts by the key's previous value in the load or in `known`, else by null."""
        names = [_quoted(name) for name in (self._contract.key, _LSN, *self._contract.text_columns)]
        self._duck.register("known", known.rows)
        self._duck.execute(
            f"INSERT INTO versions ({', '.join(names)}, file, row, placed) SELECT {', '.join(names)}, -1, 0, false FROM known"
        )
        filled = ", ".join(self._filled(name) for name in self._contract.text_columns)
        self._duck.execute(
            f"CREATE OR REPLACE TABLE versions AS SELECT * REPLACE ({filled}) FROM versions "
            f"WINDOW earlier AS (PARTITION BY {_quoted(self._contract.key)} ORDER BY {_LSN}, placed, "
            f"{_TS} NULLS FIRST, file, row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        )
        self._duck.execute("DELETE FROM versions WHERE file < 0")

    def batches(self) -> Iterator[pa.Table]:
        """The rows to insert, in pieces of bounded size."""
        names = ", ".join(_quoted(name) for name in self._names)
        key = _quoted(self._contract.key)
        result = self._duck.sql(
            f"SELECT {names}, {_OP}, {_LSN}, {_SOURCE_TS}, (__op = 'DELETE')::UTINYINT AS is_deleted FROM versions "
            f"QUALIFY row_number() OVER (PARTITION BY {key}, {_LSN} "
            f"ORDER BY placed DESC, {_TS} DESC NULLS LAST, file DESC, row DESC) = 1"
        )
        for batch in result.to_arrow_reader(_BATCH_ROWS):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])

    def _filled(self, name: str) -> str:
        column = _quoted(name)
        # A deletion carries the key only: its null says nothing of the value before.
        known = f"{column} <> '{UNCHANGED}' OR ({column} IS NULL AND __op IS DISTINCT FROM 'DELETE')"
        last = f"last_value(CASE WHEN {known} THEN {{'value': {column}}} END IGNORE NULLS) OVER earlier"
        return f"CASE WHEN {column} = '{UNCHANGED}' THEN ({last})['value'] ELSE {column} END AS {column}"

    def _create(self) -> None:
        columns = [f"{_quoted(column.name)} {column.duckdb_type}" for column in self._contract.columns]
        self._duck.execute(
            f"CREATE TABLE versions ({', '.join(columns)}, {_OP} VARCHAR, {_LSN} UBIGINT, {_TS} TIMESTAMP, "
            f"{_SOURCE_TS} TIMESTAMP_MS, file INTEGER, row BIGINT, placed BOOLEAN DEFAULT false)"
        )

    def _place_snapshot_rows(self) -> None:
        """Give snapshot rows without a number the one that they stand right after; `placed` marks them."""
        without = f"__op = 'READ' AND {_LSN} = 0 AND {_TS} IS NOT NULL"
        if not self._scalar(f"SELECT count(*) FROM versions WHERE {without}"):
            return
        self._duck.execute(
            f"CREATE OR REPLACE TABLE versions AS SELECT * REPLACE ({without} AS placed, "
            f"CASE WHEN {without} THEN max({_LSN}) OVER seen_by_then ELSE {_LSN} END AS {_LSN}) FROM versions "
            f"WINDOW seen_by_then AS (PARTITION BY {_quoted(self._contract.key)} ORDER BY {_TS} NULLS LAST "
            "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        )

    def _read(self, position: int, file: Path) -> None:
        columns = self._wanted()
        types = self._physical_types(file)
        decoded = []
        for column in columns:
            if column.name not in types:
                if column.required or column.primary_key:
                    raise RealtimeLoadError(
                        f"{file}: column {column.name} is missing; found {', '.join(types) or 'none'}"
                    )
                decoded.append("NULL")
                continue
            expression = _decoded(column, types[column.name])
            if expression is None:
                raise RealtimeLoadError(
                    f"{file}: column {column.name} is {types[column.name]}; expected {_expected(column)}"
                )
            decoded.append(expression)
        unreadable = self._unreadable(columns, types, decoded)
        if not self._skip_unreadable:
            self._refuse_unreadable(file, columns, unreadable)
        bad = " OR ".join(f"({condition})" for condition in (*unreadable.values(), *self._not_an_event(types)))
        names = ", ".join(_quoted(column.name) for column in columns)
        self._duck.execute(
            f"INSERT INTO versions ({names}, file, row) SELECT {', '.join(decoded)}, ?, file_row_number "
            f"FROM {_PARQUET_ROWS} WHERE NOT ({bad})",
            [position, str(file)],
        )
        if self._skip_unreadable:
            self.skipped += self._scalar(f"SELECT count(*) FROM {_PARQUET_ROWS} WHERE {bad}", [str(file)])

    def _wanted(self) -> list[Column]:
        cdc = (
            Column(_OP, LogicalType.TEXT, required=True),
            Column(_LSN, LogicalType.BIGINT),
            Column(_TS, LogicalType.TIMESTAMP),
            Column(_SOURCE_TS, LogicalType.TIMESTAMP, required=True),
        )
        return [*self._contract.columns, *cdc]

    def _physical_types(self, file: Path) -> dict[str, str]:
        try:
            rows = self._duck.execute(
                "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(file)]
            ).fetchall()
        except duckdb.Error as error:
            raise RealtimeLoadError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
        return {row[0]: row[1] for row in rows}

    def _unreadable(self, columns: Sequence[Column], types: dict[str, str], decoded: Sequence[str]) -> dict[str, str]:
        """For each column of the file, the condition that a row's value cannot be what the contract says."""
        always = (self._contract.key, _OP, _SOURCE_TS)
        conditions = {}
        for column, expression in zip(columns, decoded, strict=True):
            if column.name in types:
                there = "" if column.name in always else f" AND {_quoted(column.name)} IS NOT NULL"
                conditions[column.name] = f"({expression}) IS NULL{there}"
        return conditions

    def _not_an_event(self, types: dict[str, str]) -> Iterator[str]:
        """What the lakehouse quarantines and a speed layer could read: a change without its number or its time."""
        if self._skip_unreadable and _LSN in types:
            yield f"{_quoted(_LSN)} IS NULL AND lower(trim({_quoted(_OP)})) NOT IN ('r', 'read')"
        if self._skip_unreadable and _TS in types:
            yield f"{_quoted(_TS)} IS NULL"

    def _refuse_unreadable(self, file: Path, columns: Sequence[Column], unreadable: dict[str, str]) -> None:
        """Raise RealtimeLoadError naming the first row and column whose value cannot be what the contract says."""
        for column in columns:
            if column.name not in unreadable:
                continue
            found = self._duck.execute(
                f"SELECT file_row_number, {_quoted(column.name)}::VARCHAR FROM {_PARQUET_ROWS} "
                f"WHERE {unreadable[column.name]} ORDER BY 1 LIMIT 1",
                [str(file)],
            ).fetchone()
            if found:
                raise RealtimeLoadError(
                    f"{file}: row {found[0]} has {column.name} = {found[1]!r}; expected {_expected(column)}"
                )

    def _scalar(self, sql: str, parameters: Sequence[str] = ()) -> int:
        row = self._duck.execute(sql, list(parameters)).fetchone()
        return int(row[0]) if row else 0


def _decoded(column: Column, found: str) -> str | None:
    """DuckDB expression for the column's value, null where it cannot be read; None when the form is no form of the type."""
    raw = _quoted(column.name)
    if found == '"NULL"':
        return "NULL"
    if column.name == _OP:
        cases = " ".join(f"WHEN '{word}' THEN '{stored}'" for word, stored in OPERATIONS.items())
        return f"CASE lower(trim({raw})) {cases} END" if found == "VARCHAR" else None
    if column.name == _LSN:
        return f"TRY_CAST(coalesce({raw}, 0) AS UBIGINT)" if _WHOLE.fullmatch(found) or _is_decimal(found) else None
    match column.type:
        case LogicalType.BIGINT | LogicalType.INT:
            return f"TRY_CAST({raw} AS {column.duckdb_type})" if _WHOLE.fullmatch(found) or found == "VARCHAR" else None
        case LogicalType.DECIMAL:
            return _exact_decimal(column, raw) if _is_decimal(found) or found == "VARCHAR" else None
        case LogicalType.TEXT:
            return raw if found == "VARCHAR" else None
        case LogicalType.TIMESTAMP:
            return _timestamp(column, raw, found)
        case LogicalType.DATE:
            return f"TRY_CAST({raw} AS DATE)" if found in ("DATE", "VARCHAR") else None
        case LogicalType.BOOLEAN:
            return f"TRY_CAST({raw} AS BOOLEAN)" if found in ("BOOLEAN", "VARCHAR") else None


def _exact_decimal(column: Column, raw: str) -> str:
    """Never through a float, and nothing is rounded away: money that does not fit is no money of this column."""
    narrow = f"TRY_CAST({raw} AS {column.duckdb_type})"
    return f"CASE WHEN TRY_CAST({raw} AS DECIMAL(38, 18)) = {narrow} THEN {narrow} END"


def _timestamp(column: Column, raw: str, found: str) -> str | None:
    """Whole numbers are epochs: milliseconds in Debezium's own columns, else by size, as the lakehouse reads them."""
    if found.startswith("TIMESTAMP") or found == "VARCHAR":
        return f"TRY_CAST(TRY_CAST({raw} AS TIMESTAMPTZ) AS TIMESTAMP)" if found == "VARCHAR" else f"{raw}::TIMESTAMP"
    if not _WHOLE.fullmatch(found):
        return None
    if column.name in (_TS, _SOURCE_TS):
        return f"make_timestamp({raw} * 1000)"
    return (
        f"CASE WHEN abs({raw}) < 100000000000000 THEN make_timestamp({raw} * 1000) "
        f"WHEN abs({raw}) < 100000000000000000 THEN make_timestamp({raw}) ELSE make_timestamp({raw} // 1000) END"
    )


def _expected(column: Column) -> str:
    if column.name == _OP:
        return "c, u, d, r or INSERT, UPDATE, DELETE, READ"
    if column.name == _LSN:
        return "a whole number of 0 or more, or null"
    forms = {
        LogicalType.BIGINT: "whole numbers",
        LogicalType.INT: "whole numbers",
        LogicalType.DECIMAL: f"{column.duckdb_type} as decimal or text, not float",
        LogicalType.TEXT: "text",
        LogicalType.TIMESTAMP: "a timestamp or an epoch",
        LogicalType.DATE: "a date",
        LogicalType.BOOLEAN: "a boolean",
    }
    return forms[column.type]


def _is_decimal(found: str) -> bool:
    return found.startswith("DECIMAL")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
