"""Kinds of files that differ in how Parquet stores rows: codecs, encodings, pages, annotations, calendars, row groups."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ecommerce_platform_tests.lakehouse.corpus.files import GOOD, FileKind, column, good_bytes, raw
from ecommerce_platform_tests.lakehouse.lake import NOON, ORDER_SCHEMA, order

NOON_UTC = datetime(2026, 1, 1, 12, tzinfo=UTC)
#: What the good file's row is, whatever it is stored as.
ROW = {
    "id": 1,
    "user_id": 1,
    "status": "pending",
    "total_amount": Decimal("10.00"),
    "shipping_address": "1 Main St",
    "created_at": NOON_UTC,
    "__ts_ms": NOON_UTC,
}
NARROW = pa.decimal128(10, 2)


def stored(content: pa.Table, **options: Any) -> Callable[[Path], object]:
    return lambda folder: pq.write_table(content, folder / "part-0.parquet", **options)


def by_codec(codec: str) -> FileKind:
    return FileKind(f"a file compressed by {codec}", stored(GOOD, compression=codec), values=ROW)


def by_spark(codec: str) -> FileKind:
    """A file of Spark's own writer, whose lz4 has the frame of Hadoop."""

    def write(folder: Path) -> None:
        spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
        pq.write_table(GOOD, folder / "good.parquet")
        frame = spark.read.parquet(str(folder / "good.parquet")).coalesce(1)
        frame.write.option("compression", codec).parquet(str(folder / "hour=05"))
        (folder / "good.parquet").unlink()

    return FileKind(f"a file of Spark's, compressed by {codec}", write, values=ROW)


#: A table in which every encoding can occur.
TYPED = column("total_amount", pa.array([Decimal("10.00")], NARROW))


def encoded(encoding: str, *columns: str, refused: str | None = None, version: str = "1.0") -> FileKind:
    options = {"use_dictionary": False, "column_encoding": dict.fromkeys(columns, encoding)}
    return FileKind(
        f"{columns[0]} encoded as {encoding}, pages of version {version}",
        stored(TYPED, data_page_version=version, **options),
        refused,
        values={} if refused else ROW,
    )


def annotated(name: str, annotation: bytes, refused: str | None = None) -> FileKind:
    """The status with another annotation than UTF-8 text, which PyArrow cannot write: two bytes of the footer are changed."""
    text = b"\x18\x06status\x25\x00\x4c\x1c\x00\x00\x00"
    content = good_without_schema()
    assert content.count(text) == 1
    return FileKind(
        f"a text annotated as {name}",
        raw(content.replace(text, b"\x18\x06status" + annotation)),
        refused,
        values={} if refused else ROW,
    )


def good_without_schema(content: pa.Table = GOOD, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(content, sink, store_schema=False, **options)
    return sink.getvalue().to_pybytes()


def with_groups(*sizes: int) -> Callable[[Path], object]:
    """Row groups of these sizes; each row is another order."""

    def write(folder: Path) -> None:
        with pq.ParquetWriter(folder / "part-0.parquet", ORDER_SCHEMA) as writer:
            first = 0
            for size in sizes:
                rows = [order(key, key) for key in range(first, first + size)]
                writer.write_table(pa.Table.from_pylist(rows, ORDER_SCHEMA))
                first += size

    return write


def of_spark(version: str, **properties: str) -> dict[str, str]:
    return {"org.apache.spark.version": version} | {
        f"org.apache.spark.{name}": value for name, value in properties.items()
    }


def calendar(
    name: str, created: datetime, metadata: Mapping[str, str], refused: str | None = None, **options: Any
) -> FileKind:
    content = column("created_at", pa.array([created], pa.timestamp("us", "UTC")))
    return FileKind(
        name,
        stored(content.replace_schema_metadata(dict(metadata)), **options),
        refused,
        values={} if refused else {"created_at": created},
    )


INT96 = {"use_deprecated_int96_timestamps": True, "compression": "none", "use_dictionary": False}


def int96(days: int) -> Callable[[Path], object]:
    """An INT96 timestamp of this Julian day at noon."""
    content = column("created_at", pa.array([datetime(2026, 1, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC")))
    noon, julian = struct.pack("<q", 12 * 3600 * 10**9), struct.pack("<i", 2_440_588 + 20_454)
    data = good_without_schema(content, **INT96, write_statistics=False)
    assert data.count(noon + julian) == 1
    return raw(data.replace(noon + julian, noon + struct.pack("<i", days)))


def bad_text(values: bytes) -> pa.Array:
    return pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("<ii", 0, len(values))), pa.py_buffer(values))


def doubled(name: str) -> pa.Table:
    return pa.Table.from_arrays([*GOOD.columns, GOOD.column(0)], names=[*GOOD.column_names, name])


LONG = "ä\n" * 5_000_000
_BEYOND = "beyond all calendars"
_OLD = "times before 1900 in the old calendar of Spark"
_YEAR_1500, _YEAR_1800 = datetime(1500, 1, 1, tzinfo=UTC), datetime(1800, 1, 1, tzinfo=UTC)

STORED: tuple[FileKind, ...] = (
    *(by_codec(codec) for codec in ("none", "snappy", "gzip", "zstd", "lz4")),
    *(by_spark(codec) for codec in ("lz4", "lz4_raw")),
    FileKind(
        "a file compressed by brotli",
        stored(GOOD, compression="brotli"),
        "is compressed by brotli, which is not read here; write snappy, zstd, gzip, lz4 or none",
    ),
    FileKind(
        "a file compressed by brotli in one column",
        stored(GOOD, compression={name: "brotli" if name == "status" else "zstd" for name in GOOD.column_names}),
        "column status is compressed by brotli",
    ),
    *(
        kind
        for version in ("1.0", "2.0")
        for kind in (
            encoded("PLAIN", *TYPED.column_names, version=version),
            encoded("DELTA_BINARY_PACKED", "id", "user_id", "created_at", "__ts_ms", "__source_lsn", version=version),
            encoded("DELTA_LENGTH_BYTE_ARRAY", "status", "shipping_address", "__op", version=version),
            encoded("DELTA_BYTE_ARRAY", "status", "shipping_address", "__op", version=version),
            encoded("BYTE_STREAM_SPLIT", "id", refused="column id is encoded as BYTE_STREAM_SPLIT", version=version),
        )
    ),
    FileKind("a file with dictionaries, pages of version 2.0", stored(TYPED, data_page_version="2.0"), values=ROW),
    FileKind("a decimal stored as integer", stored(TYPED, store_decimal_as_integer=True), values=ROW),
    annotated("ENUM", b"\x25\x08\x4c\x4c\x00\x00\x00"),
    annotated("JSON", b"\x25\x26\x4c\xcc\x00\x00\x00"),
    annotated("BSON", b"\x25\x28\x4c\xdc\x00\x00\x00", "column status is BYTE_ARRAY (BSON)"),
    FileKind(
        "a text as UUID",
        stored(column("status", pa.array([b"0" * 16], pa.uuid()))),
        "column status is FIXED_LEN_BYTE_ARRAY (UUID)",
    ),
    FileKind(
        "an amount as FLOAT16",
        stored(column("total_amount", pa.array([10.0], pa.float16()))),
        "column total_amount is FIXED_LEN_BYTE_ARRAY (Float16)",
    ),
    FileKind(
        "an INT96 timestamp of the first year",
        int96(1_721_426),
        values={"created_at": datetime(1, 1, 1, 12, tzinfo=UTC)},
    ),
    FileKind("an INT96 timestamp whose day overflows readers", int96(2**31 - 1), _BEYOND),
    FileKind("an INT96 timestamp whose day is negative", int96(-(2**31)), _BEYOND),
    calendar("a new time of Spark in its old calendar", NOON_UTC, of_spark("3.5.1", legacyDateTime="")),
    calendar("an old time of Spark in its old calendar", _YEAR_1500, of_spark("3.5.1", legacyDateTime=""), _OLD),
    calendar("an old time of Spark 2", _YEAR_1800, of_spark("2.4.8"), _OLD, write_statistics=False),
    calendar("an old INT96 timestamp of Spark 3.0", _YEAR_1800, of_spark("3.0.3"), _OLD, **INT96),
    calendar("an old INT96 timestamp of nobody", _YEAR_1800, {}, **INT96),
    calendar("an old time of Spark 4", _YEAR_1500, of_spark("4.1.0")),
    FileKind("a file with an encrypted footer", raw(b"PARE" + good_bytes()[4:-4] + b"PARE"), "encrypted footer"),
    FileKind(
        "a file with an encrypted footer and a plain beginning",
        raw(good_bytes()[:-4] + b"PARE"),
        "its footer is encrypted",
    ),
    FileKind("a file without row groups", with_groups(), rows=0),
    FileKind("a file of row groups without rows", with_groups(0, 0), rows=0),
    FileKind("a file with row groups without rows between others", with_groups(0, 2, 0, 1, 0), rows=3),
    FileKind("a contract's column twice, in one case", stored(doubled("id")), "column id is present more than once"),
    FileKind(
        "an unknown column twice, in one case",
        stored(pa.Table.from_arrays([*GOOD.columns] + [GOOD.column(0)] * 2, names=[*GOOD.column_names, "c", "c"])),
        "column 'c' is present more than once",
        beyond_contract=True,
    ),
    FileKind(
        "an ignored column twice, in one case",
        stored(pa.Table.from_arrays([*GOOD.columns] + [GOOD.column(0)] * 2, names=[*GOOD.column_names, "__x", "__x"])),
        values=ROW,
    ),
    FileKind(
        "a nested column with the names of the contract",
        stored(GOOD.append_column("after", pa.array([{"id": 9, "status": "lost"}]))),
        "column 'after' is nested",
        beyond_contract=True,
    ),
    FileKind(
        "an ignored nested column with the names of the contract",
        stored(GOOD.append_column("__after", pa.array([{"id": 9, "status": "lost"}]))),
        values=ROW,
    ),
    FileKind(
        "a column without a name",
        stored(GOOD.append_column("", pa.array(["x"]))),
        "column '' is not in the contract",
        beyond_contract=True,
    ),
    FileKind("columns in another order", stored(GOOD.select(GOOD.column_names[::-1])), values=ROW),
    FileKind(
        "a text of ten million characters",
        stored(column("status", pa.array([LONG]))),
        values={"status": LONG},
    ),
    FileKind(
        "a text with NUL characters",
        stored(column("status", pa.array(["a\x00b\x00"]))),
        values={"status": "a\x00b\x00"},
    ),
    FileKind(
        "a column of text that is not UTF-8",
        stored(column("status", bad_text(b"\xff\xfe"))),
        "1 of 1 rows (100.00%)",
        after_writing=True,
    ),
    FileKind(
        "a timestamp in milliseconds, adjusted to UTC",
        stored(column("created_at", pa.array([NOON], pa.timestamp("ms", "UTC")))),
        values=ROW,
    ),
    FileKind(
        "dates before 1582 of nobody",
        stored(GOOD.append_column("due_on", pa.array([date(1500, 1, 1)]))),
        values={"due_on": date(1500, 1, 1)},
    ),
)
