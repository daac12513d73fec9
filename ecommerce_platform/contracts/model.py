"""A source table's contract in the words that the platform uses, and its types in each engine.

What belongs here: frozen values and type names. What does not: YAML (document.py, reader.py) and whole statements.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from ecommerce_platform.contracts.names import is_identifier
from ecommerce_platform.contracts.types import (
    WHOLE_NUMBERS,
    Classification,
    EpochUnit,
    LogicalType,
)


class ContractError(ValueError):
    """A contract cannot be used as it is written; the message names the file, the column and what to change."""


@dataclass(frozen=True)
class QualityRule:
    """A business rule that flags a row and never drops it.

    `name` is unique in its table; `rule` is one of valid_email, not_negative, positive, not_blank, known_status, known_user.
    """

    name: str
    rule: str
    column: str
    description: str = ""


_SPARK = {
    LogicalType.BIGINT: "bigint",
    LogicalType.INT: "int",
    LogicalType.TEXT: "string",
    LogicalType.TIMESTAMP: "timestamp",
    LogicalType.DATE: "date",
    LogicalType.BOOLEAN: "boolean",
    LogicalType.UUID: "string",
}
_SNOWFLAKE = {
    LogicalType.BIGINT: "NUMBER",
    LogicalType.INT: "NUMBER",
    LogicalType.TEXT: "STRING",
    LogicalType.TIMESTAMP: "TIMESTAMP_NTZ",
    LogicalType.DATE: "DATE",
    LogicalType.BOOLEAN: "BOOLEAN",
    LogicalType.UUID: "STRING",
}
_CLICKHOUSE = {
    LogicalType.BIGINT: "Int64",
    LogicalType.INT: "Int32",
    LogicalType.TEXT: "String",
    LogicalType.TIMESTAMP: "DateTime64(6, 'UTC')",
    LogicalType.DATE: "Date32",
    LogicalType.BOOLEAN: "Bool",
    LogicalType.UUID: "String",
}
_DUCKDB = {
    LogicalType.BIGINT: "BIGINT",
    LogicalType.INT: "INTEGER",
    LogicalType.TEXT: "VARCHAR",
    LogicalType.TIMESTAMP: "TIMESTAMP",
    LogicalType.DATE: "DATE",
    LogicalType.BOOLEAN: "BOOLEAN",
    LogicalType.UUID: "VARCHAR",
}


@dataclass(frozen=True)
class Column:
    """One column: its name, type, and what the contract says of it.

    `required` means: not null in any event that is not a DELETE. `precision` and `scale` belong to decimals. `late` means: the
    table had rows before it had this column, so that a null says no more than its absence. `epoch_unit` is what whole numbers
    count in a timestamp or date; None: days in a date, and in a timestamp what each file's values show.
    """

    name: str
    type: LogicalType
    description: str = ""
    required: bool = False
    primary_key: bool = False
    precision: int | None = None
    scale: int | None = None
    classification: Classification | None = None
    references: str | None = None
    late: bool = False
    epoch_unit: EpochUnit | None = None

    @property
    def personal(self) -> bool:
        return self.classification is Classification.PERSONAL

    @property
    def decimal_arguments(self) -> str:
        return f"({self.precision},{self.scale})"

    @property
    def spark_type(self) -> str:
        """Type in Spark SQL and in an Iceberg table that Spark creates."""
        return f"decimal{self.decimal_arguments}" if self.type is LogicalType.DECIMAL else _SPARK[self.type]

    @property
    def snowflake_type(self) -> str:
        return f"NUMBER{self.decimal_arguments}" if self.type is LogicalType.DECIMAL else _SNOWFLAKE[self.type]

    @property
    def clickhouse_type(self) -> str:
        """Type in ClickHouse; every column but the key can be null, as in PostgreSQL."""
        inner = f"Decimal{self.decimal_arguments}" if self.type is LogicalType.DECIMAL else _CLICKHOUSE[self.type]
        return inner if self.primary_key else f"Nullable({inner})"

    @property
    def duckdb_type(self) -> str:
        return f"DECIMAL{self.decimal_arguments}" if self.type is LogicalType.DECIMAL else _DUCKDB[self.type]


#: Change-data-capture metadata that each event carries, after decoding.
CDC_COLUMNS = (
    Column("__op", LogicalType.TEXT, "INSERT, UPDATE, DELETE, or READ for a row of a snapshot.", required=True),
    Column("__ts_ms", LogicalType.TIMESTAMP, "When the connector saw the change, UTC.", required=True),
    Column("__source_ts_ms", LogicalType.TIMESTAMP, "When the change was committed in PostgreSQL, UTC.", required=True),
    Column("__source_lsn", LogicalType.BIGINT, "Log sequence number of the change; snapshot rows may lack one."),
)

#: Where an event came from: kept in Iceberg and in Snowflake raw, last in the event order and first in every explanation.
PROVENANCE_COLUMNS = (
    Column("__source_file", LogicalType.TEXT, "Landing file, relative to the table's landing folder.", required=True),
    Column("__source_row", LogicalType.BIGINT, "Position of the row in that file, from 0.", required=True),
)

DATE_COLUMN = Column("date", LogicalType.DATE, "Landing day: the partition in which the event arrived.", required=True)
LOAD_COLUMNS = (
    Column("loaded_at", LogicalType.TIMESTAMP, "When the row was loaded, UTC (an audit stamp)."),
    Column("batch_id", LogicalType.TEXT, "Load that brought the row; see RAW.LOAD_LEDGER."),
)


@dataclass(frozen=True)
class Relationship:
    """A foreign key: `columns` name a row of the table `parent` by its `parent_columns`."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """A source table: its columns in order, key, clustering and business rules.

    `first_day` is the landing day from which on the table counts, where it joined later than the others: earlier days are
    complete without it.

    `extra` are columns that landing files brought and the contract does not name; no contract file has any. `ignored` are names
    of columns that are dropped from landing files, in lower case; one that ends in `*` means all that begin so.
    """

    table: str
    description: str
    columns: tuple[Column, ...]
    cluster_by: str = DATE_COLUMN.name
    quality: tuple[QualityRule, ...] = ()
    version: str = "1.0.0"
    source: str = field(default="", compare=False)
    extra: tuple[Column, ...] = ()
    first_day: date | None = None
    ignored: tuple[str, ...] = ()
    relationships: tuple[Relationship, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.table, *(column.name for column in (*self.columns, *self.extra))):
            if not is_identifier(name):
                raise ContractError(
                    f"{self.source}: {name!r} is not a usable name; expected lower-case letters, digits, _"
                )
        if not self.key_columns:
            raise ContractError(f"{self.source}: expected a column with primaryKey: true, found 0")

    def counts_on(self, day: date) -> bool:
        """Whether a landing day lacks something without this table."""
        return self.first_day is None or day >= self.first_day

    @property
    def key_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.primary_key)

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.key_columns)

    @property
    def key(self) -> str:
        """The only column of the key, for what knows the shop's tables. Raises ContractError for a key of several columns."""
        if len(self.key_columns) != 1:
            raise ContractError(f"{self.source}: expected a key of one column, found {', '.join(self.key_names)}")
        return self.key_columns[0].name

    @property
    def personal_columns(self) -> tuple[Column, ...]:
        """The columns that the contract classifies as personal."""
        return tuple(column for column in self.columns if column.personal)

    @property
    def has_number_key(self) -> bool:
        """Whether the key is one whole number."""
        return len(self.key_columns) == 1 and self.key_columns[0].type in WHOLE_NUMBERS

    def column(self, name: str) -> Column:
        for column in self.all_event_columns:
            if column.name == name:
                return column
        raise ContractError(f"table {self.table} has no column {name!r}; it has {', '.join(self.column_names)}")

    def ignores(self, name: str) -> bool:
        """Whether a landing file's column of this name, in any case, is dropped; never one that the platform reads."""
        lower = name.lower()
        if any(column.name == lower for column in (*self.columns, *CDC_COLUMNS)):
            return False
        if any(column.name == lower for column in PROVENANCE_COLUMNS):
            return lower in self.ignored  # a beginning does not mean the platform's own names
        return any(
            lower.startswith(item.removesuffix("*")) if item.endswith("*") else lower == item for item in self.ignored
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def all_event_columns(self) -> tuple[Column, ...]:
        """Columns of the Iceberg table, in its order: business, CDC, date, provenance, extra."""
        return (*self.columns, *CDC_COLUMNS, DATE_COLUMN, *PROVENANCE_COLUMNS, *self.extra)

    @property
    def raw_columns(self) -> tuple[Column, ...]:
        """Columns of the Snowflake raw table, in its order: business, CDC, load, date, provenance, extra."""
        return (*self.columns, *CDC_COLUMNS, *LOAD_COLUMNS, DATE_COLUMN, *PROVENANCE_COLUMNS, *self.extra)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns that PostgreSQL may leave out of an update as unchanged (out-of-line stored text); never those of the key."""
        return tuple(
            column.name for column in self.columns if column.type is LogicalType.TEXT and not column.primary_key
        )


def personal_names(contracts: Iterable[Contract]) -> frozenset[str]:
    """The names of the columns that some of these contracts classify as personal."""
    return frozenset(column.name for contract in contracts for column in contract.personal_columns)
