"""Dates and times that two readers would take for different ones: Spark's old calendar, and INT96 beyond its days.

What belongs here: refusing such a file before any row is read. What does not: values outside the platform's range, which are
quarantined row by row (values.py).

- Spark before 3.0, and later versions in legacy mode, wrote old dates in a calendar that was Julian before 1582, and times before
  1900 in local mean time; the file's metadata says so. Values from 1900 on are the same in both calendars.
- An INT96 timestamp has 32 bits for the day. Beyond 292,000 years readers overflow, each to a time of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.decode.physical import (
    TIMESTAMPS,
    Footer,
    PhysicalKind,
    UnreadableFileError,
    reading_data,
)

#: 1900-01-01 in seconds: from here on both calendars agree.
_SAME_SINCE = -2_208_988_800
_FARTHEST = (2**63 - 1) // 10**6
_SPARK_VERSION = b"org.apache.spark.version"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def require_plain_times(contract: Contract, footer: Footer, file: pa.NativeFile) -> None:
    """Raises UnreadableFileError naming column, found and expected; OSError when the storage is away. `file` is open.

    Reads statistics, and columns that have none: those of INT96 always, others only in files of the old calendar.
    """
    kinds = {
        column.name: column.kind
        for column in footer.columns
        if column.kind in (*TIMESTAMPS, PhysicalKind.DATE) and not contract.ignores(column.name)
    }
    if not kinds or not footer.rows:
        return
    with reading_data():
        for name, kind in kinds.items():
            legacy = _legacy(footer.marks, kind)
            if not legacy and kind is not PhysicalKind.INT96:
                continue
            for least, greatest in _seconds(file, name):
                if kind is PhysicalKind.INT96 and max(-least, greatest) > _FARTHEST:
                    raise UnreadableFileError(
                        f"column {name} has an INT96 timestamp whose day is beyond all calendars",
                        "times of the years 1 to 9999: write the column as a timestamp in microseconds",
                    )
                if legacy and least < _SAME_SINCE:
                    raise UnreadableFileError(
                        f"column {name} has times before 1900 in the old calendar of Spark ({legacy})",
                        "the calendar of today: write the file with spark.sql.parquet.datetimeRebaseModeInWrite and "
                        "int96RebaseModeInWrite set to CORRECTED",
                    )


def _legacy(marks: Mapping[bytes, bytes], kind: PhysicalKind) -> str:
    """What of Spark's marks says that values of this kind are in the old calendar; empty when nothing does."""
    key = b"org.apache.spark.legacyINT96" if kind is PhysicalKind.INT96 else b"org.apache.spark.legacyDateTime"
    if key in marks:
        return key.decode()
    version = re.match(rb"(\d+)[.](\d+)", marks.get(_SPARK_VERSION, b""))
    since = (3, 1) if kind is PhysicalKind.INT96 else (3, 0)
    if version and (int(version[1]), int(version[2])) < since:
        return f"version {marks[_SPARK_VERSION].decode()}"
    return ""


def _seconds(file: pa.NativeFile, name: str) -> Iterator[tuple[int, int]]:
    """Least and greatest value in seconds since 1970, of parts of the column."""
    parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="s")
    for number in range(parquet.metadata.num_row_groups):
        group = parquet.metadata.row_group(number)
        chunk = next(
            chunk for index in range(group.num_columns) if (chunk := group.column(index)).path_in_schema == name
        )
        statistics = chunk.statistics
        if statistics is not None and statistics.has_min_max and isinstance(statistics.min, date):
            yield _of_date(statistics.min), _of_date(statistics.max)
            continue
        for batch in parquet.iter_batches(row_groups=[number], columns=[name]):
            values = batch.column(0).drop_null()
            if len(values):
                bounds = pc.min_max(_numbers(values))
                yield bounds["min"].as_py(), bounds["max"].as_py()


def _of_date(value: date) -> int:
    """Seconds since 1970 of a date, or of a timestamp, of which only the year matters here."""
    day = value.date() if isinstance(value, datetime) else value
    return (day - date(1970, 1, 1)).days * 86_400


def _numbers(values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type):
        return pc.divide(values.cast(pa.int64()), _PER_SECOND[values.type.unit])
    return pc.multiply(values.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), 86_400)
