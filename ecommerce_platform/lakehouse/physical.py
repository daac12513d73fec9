"""What a Parquet file physically holds, read from its footer without Spark.

What belongs here: the physical type of each column, the row count, and the refusal of files that cannot be read. What does
not: what the values mean (values.py) and which files are there (landing).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform.object_store import storage_is_away

_DECIMAL = re.compile(r"Decimal\(precision=(\d+), scale=(-?\d+)\)")
_INTEGER = re.compile(r"Int\(bitWidth=(\d+), isSigned=(true|false)\)")
_TEXT_ANNOTATIONS = ("String", "Enum", "JSON")


class PhysicalKind(StrEnum):
    """The physical forms that are told apart."""

    INT = "int"
    BIGINT = "bigint"
    UNSIGNED_BIGINT = "unsigned bigint"
    DECIMAL = "decimal"
    TEXT = "text"
    BINARY = "binary"
    TIMESTAMP_UTC = "timestamp, adjusted to UTC"
    TIMESTAMP_NAIVE = "timestamp without zone"
    TIMESTAMP_NANOS = "timestamp in nanoseconds"
    INT96 = "int96 timestamp"
    DATE = "date"
    BOOLEAN = "boolean"
    FLOAT = "float"
    DOUBLE = "double"
    NULL = "null"
    OTHER = "other"


_SPARK = {
    PhysicalKind.INT: "int",
    PhysicalKind.BIGINT: "bigint",
    PhysicalKind.UNSIGNED_BIGINT: "decimal(20,0)",
    PhysicalKind.TEXT: "string",
    PhysicalKind.BINARY: "binary",
    PhysicalKind.TIMESTAMP_UTC: "timestamp",
    PhysicalKind.TIMESTAMP_NAIVE: "timestamp_ntz",
    # Spark has no nanoseconds; it reads the number (spark.sql.legacy.parquet.nanosAsLong).
    PhysicalKind.TIMESTAMP_NANOS: "bigint",
    PhysicalKind.INT96: "timestamp",
    PhysicalKind.DATE: "date",
    PhysicalKind.BOOLEAN: "boolean",
}


@dataclass(frozen=True)
class PhysicalColumn:
    """A column as it lies in the file. `precision` and `scale` belong to decimals; `name` is as the file spells it."""

    name: str
    kind: PhysicalKind
    precision: int = 0
    scale: int = 0
    detail: str = ""

    @property
    def spark_type(self) -> str:
        """The type under which Spark reads it; only for kinds that a contract column can be decoded from."""
        return f"decimal({self.precision},{self.scale})" if self.kind is PhysicalKind.DECIMAL else _SPARK[self.kind]

    def __str__(self) -> str:
        if self.kind is PhysicalKind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        return self.detail if self.kind is PhysicalKind.OTHER else self.kind.value


@dataclass(frozen=True)
class Footer:
    """What a file's footer tells: its top-level columns and the number of rows."""

    columns: tuple[PhysicalColumn, ...]
    rows: int


class UnreadableFileError(ValueError):
    """The file is no Parquet file, or is cut off; the message says what was found."""


def read_footer(file: pa.NativeFile) -> Footer:
    """The footer of an open file. Raises UnreadableFileError, and OSError when the storage is away."""
    if file.size() == 0:
        raise UnreadableFileError("it is empty (0 bytes)")
    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and storage_is_away(error):
            raise
        raise UnreadableFileError(f"its footer cannot be read: {str(error).splitlines()[0]}") from error
    columns: dict[str, PhysicalColumn] = {}
    for index in range(metadata.num_columns):
        column = metadata.schema.column(index)
        top_level = column.path.split(".")[0]
        if top_level != column.path or column.max_repetition_level > 0:
            columns[top_level] = PhysicalColumn(top_level, PhysicalKind.OTHER, detail="nested")
        else:
            columns[top_level] = _column(column)
    return Footer(tuple(columns.values()), metadata.num_rows)


def _column(column: pq.ColumnSchema) -> PhysicalColumn:
    name, logical, physical = column.name, str(column.logical_type), column.physical_type
    detail = f"{physical} ({logical})" if logical != "None" else physical
    decimal = _DECIMAL.match(logical)
    if decimal:
        return PhysicalColumn(name, PhysicalKind.DECIMAL, int(decimal[1]), int(decimal[2]))
    kind = PhysicalKind.OTHER
    if logical == "Null":
        kind = PhysicalKind.NULL
    elif physical == "INT96":
        kind = PhysicalKind.INT96
    elif logical.startswith("Timestamp"):
        kind = _timestamp_kind(logical)
    elif logical == "Date":
        kind = PhysicalKind.DATE
    elif integer := _INTEGER.match(logical):
        kind = _integer_kind(int(integer[1]), signed=integer[2] == "true")
    elif logical == "None":
        kind = {
            "INT32": PhysicalKind.INT,
            "INT64": PhysicalKind.BIGINT,
            "BOOLEAN": PhysicalKind.BOOLEAN,
            "FLOAT": PhysicalKind.FLOAT,
            "DOUBLE": PhysicalKind.DOUBLE,
            "BYTE_ARRAY": PhysicalKind.BINARY,
            "FIXED_LEN_BYTE_ARRAY": PhysicalKind.BINARY,
        }.get(physical, PhysicalKind.OTHER)
    elif logical in _TEXT_ANNOTATIONS:
        kind = PhysicalKind.TEXT
    return PhysicalColumn(name, kind, detail=detail)


def _timestamp_kind(logical: str) -> PhysicalKind:
    if "timeUnit=nanoseconds" in logical:
        return PhysicalKind.TIMESTAMP_NANOS
    utc = "isAdjustedToUTC=true" in logical
    return PhysicalKind.TIMESTAMP_UTC if utc else PhysicalKind.TIMESTAMP_NAIVE


def _integer_kind(bits: int, *, signed: bool) -> PhysicalKind:
    if bits == 64:
        return PhysicalKind.BIGINT if signed else PhysicalKind.UNSIGNED_BIGINT
    # An unsigned 32-bit number needs 64 bits with a sign; Spark reads it as such.
    return PhysicalKind.BIGINT if bits == 32 and not signed else PhysicalKind.INT
