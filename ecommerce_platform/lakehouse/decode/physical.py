"""What a Parquet file physically holds, read from its footer without Spark.

What belongs here: the physical type of each column, the row count, and the refusal of files that cannot be read. What does
not: what the values mean (values.py) and which files are there (landing).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform.contracts import EpochUnit
from ecommerce_platform.lakehouse.decode.magic import HEAD_BYTES, PARQUET, not_parquet, special_file
from ecommerce_platform.object_store import storage_is_away

_DECIMAL = re.compile(r"Decimal\(precision=(\d+), scale=(-?\d+)\)")
_INTEGER = re.compile(r"Int\(bitWidth=(\d+), isSigned=(true|false)\)")
_TEXT_ANNOTATIONS = ("String", "Enum", "JSON")
#: Where a file's footer is encrypted it ends with this instead of PAR1.
_ENCRYPTED = b"PARE"
_SPARK_MARK = b"org.apache.spark."
#: Codecs as PyArrow names them, of which Spark brings the implementation. The one without a name is LZ4 with Hadoop's frame.
_CODECS = frozenset({"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4", "LZ4_RAW", "UNKNOWN"})
READABLE_CODECS = "snappy, zstd, gzip, lz4 or none"
_ENCODINGS = frozenset(
    {
        "PLAIN",
        "PLAIN_DICTIONARY",
        "RLE_DICTIONARY",
        "RLE",
        "BIT_PACKED",
        "DELTA_BINARY_PACKED",
        "DELTA_LENGTH_BYTE_ARRAY",
        "DELTA_BYTE_ARRAY",
    }
)
#: Spark, Iceberg and Snowflake end here; Arrow goes on to 76 digits.
_WIDEST_DECIMAL = 38


class PhysicalKind(StrEnum):
    """The physical forms that the platform distinguishes."""

    INT = "int"
    BIGINT = "bigint"
    UNSIGNED_BIGINT = "unsigned bigint"
    DECIMAL = "decimal"
    TEXT = "text"
    BINARY = "binary"
    UUID = "FIXED_LEN_BYTE_ARRAY (UUID)"
    TIMESTAMP_UTC = "timestamp, adjusted to UTC"
    TIMESTAMP_NAIVE = "timestamp without zone"
    TIMESTAMP_MILLIS = "timestamp in milliseconds"
    TIMESTAMP_NANOS = "timestamp in nanoseconds"
    INT96 = "int96 timestamp"
    DATE = "date"
    BOOLEAN = "boolean"
    FLOAT = "float"
    DOUBLE = "double"
    NULL = "null"
    OTHER = "other"


#: The forms in which Parquet itself says that a number is a time.
TIMESTAMPS = (
    PhysicalKind.TIMESTAMP_UTC,
    PhysicalKind.TIMESTAMP_NAIVE,
    PhysicalKind.TIMESTAMP_MILLIS,
    PhysicalKind.TIMESTAMP_NANOS,
    PhysicalKind.INT96,
)

_SPARK = {
    PhysicalKind.INT: "int",
    PhysicalKind.BIGINT: "bigint",
    PhysicalKind.UNSIGNED_BIGINT: "decimal(20,0)",
    PhysicalKind.TEXT: "string",
    **dict.fromkeys((PhysicalKind.BINARY, PhysicalKind.UUID), "binary"),
    PhysicalKind.TIMESTAMP_UTC: "timestamp",
    PhysicalKind.TIMESTAMP_NAIVE: "timestamp_ntz",
    # Spark multiplies milliseconds by 1000 while it reads, and one value beyond its range fails the file; a number never does.
    PhysicalKind.TIMESTAMP_MILLIS: "bigint",
    # Spark has no nanoseconds; it reads the number (spark.sql.legacy.parquet.nanosAsLong).
    PhysicalKind.TIMESTAMP_NANOS: "bigint",
    PhysicalKind.INT96: "timestamp",
    PhysicalKind.DATE: "date",
    PhysicalKind.BOOLEAN: "boolean",
}


@dataclass(frozen=True)
class PhysicalColumn:
    """A column as it lies in the file. `precision` and `scale` belong to decimals; `name` is as the file spells it; `unit` is
    what whole numbers count, where the contract has a timestamp and leaves the unit to the file (epochs.py).
    """

    name: str
    kind: PhysicalKind
    precision: int = 0
    scale: int = 0
    detail: str = ""
    unit: EpochUnit | None = None

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
    """What a file's footer shows: its top-level columns, the number of rows, and by column why its values cannot be read: a
    codec or an encoding that Spark lacks. `marks` is what Spark wrote beside the columns, by its key (`org.apache.spark.…`).
    """

    columns: tuple[PhysicalColumn, ...]
    rows: int
    obstacles: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[bytes, bytes] = field(default_factory=dict)


class UnreadableFileError(ValueError):
    """The file is not a Parquet file, is cut off, or encrypted; the message says what is there, `expected` what should be."""

    def __init__(self, message: str, expected: str = "a whole Parquet file: write it again") -> None:
        super().__init__(message)
        self.expected = expected


def read_footer(file: pa.NativeFile) -> Footer:
    """The footer of an open file. Raises UnreadableFileError, and OSError when the storage is away."""
    if file.size() == 0:
        raise UnreadableFileError("it is empty (0 bytes)")
    if other := not_parquet(file.read_at(min(HEAD_BYTES, file.size()), 0)):
        raise UnreadableFileError(
            f"its footer cannot be read: the file is {other}",
            "Parquet, which begins with PAR1: write it as Parquet, take it out of the day's folder, or list its name under "
            "ECOMMERCE_LANDING__IGNORE",
        )
    if file.read_at(len(_ENCRYPTED), file.size() - len(_ENCRYPTED)) == _ENCRYPTED:
        raise UnreadableFileError("its footer is encrypted, which is not read here", "Parquet without encryption")
    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and storage_is_away(error):
            raise
        raise UnreadableFileError(f"its footer cannot be read: {str(error).splitlines()[0]}") from error
    if _holds_two_files(file, metadata):
        raise UnreadableFileError(
            "it holds more than one Parquet file, one behind the other, of which a reader sees the last footer alone",
            "one Parquet file: deliver each as a file of its own",
        )
    columns: list[PhysicalColumn] = []
    for index in range(metadata.num_columns):
        column = metadata.schema.column(index)
        # The path of a nested column is longer than its name; a dot alone may belong to the name.
        if column.name != column.path or column.max_repetition_level > 0:
            nested = PhysicalColumn(column.path.split(".")[0], PhysicalKind.OTHER, detail="nested")
            if nested not in columns:
                columns.append(nested)
        else:
            columns.append(_column(column))
    marks = {key: value for key, value in (metadata.metadata or {}).items() if key.startswith(_SPARK_MARK)}
    return Footer(tuple(columns), metadata.num_rows, _obstacles(metadata), marks)


def require_file(path: str) -> None:
    """Raises UnreadableFileError for a path on a disk that is a pipe, a socket or a device, which nobody should open."""
    if kind := special_file(path):
        raise UnreadableFileError(f"it is {kind}", "a Parquet file: take it out of the day's folder")


def _holds_two_files(file: pa.NativeFile, metadata: pq.FileMetaData) -> bool:
    """Whether the data that the footer knows ends before another file does, as `cat a.parquet b.parquet` writes them.

    The footer of the last file counts from the beginning of the first, so it would read the first one's pages as its own.
    """
    chunks = (
        group.column(index)
        for group in map(metadata.row_group, range(metadata.num_row_groups))
        for index in range(group.num_columns)
    )
    end = max((_start(chunk) + chunk.total_compressed_size for chunk in chunks), default=len(PARQUET))
    behind = file.size() - len(PARQUET) - 4 - metadata.serialized_size - end
    # The file before is at least as long as what is known of the last one; a page index or a Bloom filter seldom is.
    return behind >= end and PARQUET * 2 in file.read_at(behind, end)


def _start(chunk: pq.ColumnChunkMetaData) -> int:
    return int(min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)), default=0))


@contextmanager
def reading_data() -> Iterator[None]:
    """Around the reading of values: the file's trouble becomes UnreadableFileError, that of the storage stays an OSError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and storage_is_away(error):
            raise
        raise UnreadableFileError(
            f"its footer is whole, but its data cannot be read: {str(error).splitlines()[0]}"
        ) from error


def _obstacles(metadata: pq.FileMetaData) -> dict[str, str]:
    obstacles: dict[str, str] = {}
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for index in range(chunks.num_columns):
            chunk = chunks.column(index)
            if chunk.compression not in _CODECS:
                obstacles[chunk.path_in_schema] = (
                    f"is compressed by {chunk.compression.lower()}, which is not read here; write {READABLE_CODECS}"
                )
            elif unread := sorted(set(chunk.encodings) - _ENCODINGS):
                obstacles[chunk.path_in_schema] = (
                    f"is encoded as {', '.join(unread)}, which is not read here; write plain, dictionary or delta encoding"
                )
    return obstacles


def _column(column: pq.ColumnSchema) -> PhysicalColumn:
    name, logical, physical = column.name, str(column.logical_type), column.physical_type
    detail = f"{physical} ({logical})" if logical != "None" else physical
    decimal = _DECIMAL.match(logical)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        if 0 <= scale <= precision <= _WIDEST_DECIMAL:
            return PhysicalColumn(name, PhysicalKind.DECIMAL, precision, scale)
        return PhysicalColumn(name, PhysicalKind.OTHER, detail=f"decimal({precision},{scale})")
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
    elif logical == "UUID":
        kind = PhysicalKind.UUID
    return PhysicalColumn(name, kind, detail=detail)


def _timestamp_kind(logical: str) -> PhysicalKind:
    if "timeUnit=nanoseconds" in logical:
        return PhysicalKind.TIMESTAMP_NANOS
    if "timeUnit=milliseconds" in logical:
        return PhysicalKind.TIMESTAMP_MILLIS
    utc = "isAdjustedToUTC=true" in logical
    return PhysicalKind.TIMESTAMP_UTC if utc else PhysicalKind.TIMESTAMP_NAIVE


def _integer_kind(bits: int, *, signed: bool) -> PhysicalKind:
    if bits == 64:
        return PhysicalKind.BIGINT if signed else PhysicalKind.UNSIGNED_BIGINT
    # An unsigned 32-bit number needs 64 bits with a sign; Spark reads it as such.
    return PhysicalKind.BIGINT if bits == 32 and not signed else PhysicalKind.INT
