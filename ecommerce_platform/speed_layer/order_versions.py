"""Order versions as a speed layer keeps them, read from Parquet of any of the landing zone's physical forms.

What belongs here: which rows are versions, ties, and values that PostgreSQL left out as unchanged. Values are decoded by the
lakehouse's rules, in DuckDB's dialect. What does not: ClickHouse (realtime.py), reading Parquet (landed.py), and the lakehouse's
quarantine: a row that cannot be read is an error, or is left out and counted when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from ecommerce_platform.contracts import CDC_COLUMNS, Column, Contract, LogicalType
from ecommerce_platform.lakehouse.decode.calendars import require_plain_times
from ecommerce_platform.lakehouse.decode.dialects import DUCKDB, literal
from ecommerce_platform.lakehouse.decode.epochs import with_epoch_units
from ecommerce_platform.lakehouse.decode.physical import (
    Footer,
    PhysicalColumn,
    PhysicalKind,
    UnreadableFileError,
    read_footer,
    require_file,
)
from ecommerce_platform.lakehouse.decode.schemas import schema_problem, storage_problem
from ecommerce_platform.lakehouse.decode.values import decoded
from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER
from ecommerce_platform.speed_layer.landed import landed_rows

_OP, _LSN, _TS, _SOURCE_TS = (
    column.name for column in (CDC_COLUMNS[0], CDC_COLUMNS[3], CDC_COLUMNS[1], CDC_COLUMNS[2])
)
_MEMORY_LIMIT = "1GB"
_BATCH_ROWS = 100_000


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
        unchanged = " OR ".join(f"{_quoted(name)} = '{UNCHANGED_PLACEHOLDER}'" for name in self._contract.text_columns)
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
        known = f"{column} <> '{UNCHANGED_PLACEHOLDER}' OR ({column} IS NULL AND __op IS DISTINCT FROM 'DELETE')"
        last = f"last_value(CASE WHEN {known} THEN {{'value': {column}}} END IGNORE NULLS) OVER earlier"
        return f"CASE WHEN {column} = '{UNCHANGED_PLACEHOLDER}' THEN ({last})['value'] ELSE {column} END AS {column}"

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
        try:
            require_file(str(file))
            with pa.memory_map(str(file)) as stream:
                footer = read_footer(stream)
                if not footer.rows:
                    return
                physical = self._physical(file, with_epoch_units(self._contract, footer, stream))
                require_plain_times(self._contract, footer, stream)
                self._duck.register("landed", landed_rows(stream, list(physical.values())))
                self._decode(physical)
        except RealtimeLoadError:
            raise
        except UnreadableFileError as error:
            raise RealtimeLoadError(f"{file} cannot be read as Parquet: {error}; expected {error.expected}") from error
        except Exception as error:  # a file of an unforeseen form is named like any other that cannot be read
            lines = str(error).splitlines() or ["no message"]
            raise RealtimeLoadError(f"{file} cannot be read as Parquet: {type(error).__name__}: {lines[0]}") from error
        if self._skip_unreadable:
            self.skipped += self._scalar("SELECT count(*) FROM arrived WHERE problem IS NOT NULL")
        else:
            self._refuse_unreadable(file)
        names = ", ".join(_quoted(column.name) for column in self._columns)
        self._duck.execute(
            f"INSERT INTO versions ({names}, file, row) SELECT {names}, ?, row FROM arrived WHERE problem IS NULL",
            [position],
        )

    @property
    def _columns(self) -> tuple[Column, ...]:
        return (*self._contract.columns, *CDC_COLUMNS)

    def _physical(self, file: Path, footer: Footer) -> dict[str, PhysicalColumn]:
        """The file's columns to read, by name. Raises RealtimeLoadError for what the lakehouse refuses, too."""
        # A speed layer can do without the connector's time.
        problem = schema_problem(self._contract, footer, optional={_TS}) or storage_problem(
            self._contract, footer, "ignore"
        )
        if problem:
            raise RealtimeLoadError(f"{file}: {problem}")
        by_name = {column.name: column for column in footer.columns}
        names = {column.name for column in self._columns}
        return {
            name: column for name, column in by_name.items() if name in names and column.kind is not PhysicalKind.NULL
        }

    def _decode(self, physical: Mapping[str, PhysicalColumn]) -> None:
        """`arrived`: the decoded columns, `row`, and of rows that cannot be versions `problem` (the column) and `found`."""
        raw = {column.name: _quoted(f"raw {column.name}") for column in self._columns}
        values = {}
        for column in self._columns:
            form = physical.get(column.name)
            value = decoded(column, form, raw[column.name], DUCKDB) if form else DUCKDB.null(column)
            values[column.name] = f"{value} AS {_quoted(column.name)}"
        landed = ", ".join(
            f"{_quoted(name) if name in physical else 'NULL::VARCHAR'} AS {alias}" for name, alias in raw.items()
        )
        problems = " ".join(
            f"WHEN {condition} THEN {literal(name)}" for condition, name in self._problems(raw, physical)
        )
        cases = " ".join(f"WHEN {literal(name)} THEN {_shown(raw[name], physical.get(name))}" for name in raw)
        self._duck.execute(
            f"CREATE OR REPLACE TEMP TABLE arrived AS "
            f"WITH landed_rows AS (SELECT {landed}, row FROM landed), "
            f"decoded AS (SELECT *, {', '.join(values.values())} FROM landed_rows), "
            f"changes AS (SELECT * REPLACE ({_change_times(raw)}) FROM decoded), "
            f"judged AS (SELECT *, CASE {problems} END AS problem FROM changes) "
            f"SELECT * EXCLUDE ({', '.join(raw.values())}) REPLACE (coalesce({_LSN}, 0) AS {_LSN}), "
            f"CASE problem {cases} END AS found FROM judged"
        )

    def _problems(self, raw: Mapping[str, str], physical: Mapping[str, PhysicalColumn]) -> Iterator[tuple[str, str]]:
        """Conditions under which a row cannot be a version, each with its column; those of the lakehouse's quarantine when rows
        are to be left out, else what a speed layer cannot do without.
        """
        yield f"{raw[self._contract.key]} IS NULL", self._contract.key
        for column in self._columns:
            name, value = raw[column.name], _quoted(column.name)
            yield f"({name} IS NOT NULL AND {value} IS NULL)", column.name
            if column.name == _OP:
                yield f"{value} IS NULL", column.name
            elif column.name == _LSN:
                yield f"{value} < 0", column.name
                if self._skip_unreadable and _LSN in physical:
                    yield f"{value} IS NULL AND {_OP} <> 'READ'", column.name
            elif column.name == _SOURCE_TS or (self._skip_unreadable and column.name == _TS and _TS in physical):
                yield f"{value} IS NULL", column.name
            elif self._skip_unreadable and column.required and column not in CDC_COLUMNS:
                yield f"{value} IS NULL AND {_OP} <> 'DELETE'", column.name

    def _refuse_unreadable(self, file: Path) -> None:
        """Raises RealtimeLoadError naming the first row whose value cannot be what the contract says, and its column."""
        unreadable = self._duck.execute(
            "SELECT row, problem, found FROM arrived WHERE problem IS NOT NULL ORDER BY row LIMIT 1"
        ).fetchall()
        for row, name, value in unreadable:
            column = next(column for column in self._columns if column.name == name)
            raise RealtimeLoadError(f"{file}: row {row} has {name} = {value!r}; expected {_expected(column)}")

    def _scalar(self, sql: str) -> int:
        # Fetched to the end: an unfinished result keeps the connection from its next statement.
        (row,) = self._duck.execute(sql).fetchall()
        return int(row[0])


def _change_times(raw: Mapping[str, str]) -> str:
    """The two times of a change, as the lakehouse has them: nothing was captured in 1970, and a snapshot row has no commit."""
    epoch = "TIMESTAMP '1970-01-01'"
    seen = f"CASE WHEN {_TS} > {epoch} THEN {_TS} END"
    unknown = f"({raw[_SOURCE_TS]} IS NULL OR {_SOURCE_TS} = {epoch})"
    return (
        f"{seen} AS {_TS}, CASE WHEN {_SOURCE_TS} > {epoch} THEN {_SOURCE_TS} "
        f"WHEN {_OP} = 'READ' AND {unknown} THEN {seen} END AS {_SOURCE_TS}"
    )


def _shown(raw: str, physical: PhysicalColumn | None) -> str:
    """A value as it lies in the file, as text for messages."""
    if physical and physical.kind in (PhysicalKind.TEXT, PhysicalKind.BINARY, PhysicalKind.UUID):
        return f"coalesce({DUCKDB.text(raw, physical.kind)}, CAST({raw} AS VARCHAR))"
    return f"CAST({raw} AS VARCHAR)"


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
        LogicalType.UUID: "a UUID as text of 8-4-4-4-12 digits, or its 16 bytes",
    }
    return forms[column.type]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
