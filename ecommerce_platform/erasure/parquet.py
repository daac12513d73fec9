"""Parquet files written again with some of their rows changed, and otherwise as they were.

What belongs here: reading and writing one file, a row group at a time. What does not: which rows (landing/persons.py), and
putting the file in the place of the old one (landing_files.py, lake.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: Codecs by the names that footers have; the others are written by their own name.
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4", "UNKNOWN": "none"}


@dataclass(frozen=True)
class Change:
    """What to do with rows: `columns` are all that deciding needs (None: every column), `count` says how many of some rows are to
    be changed, `apply` changes them and leaves number and order as they are.
    """

    count: Callable[[pa.Table], int]
    apply: Callable[[pa.Table], pa.Table]
    columns: Sequence[str] | None = None


def count_rows(source: Any, change: Change) -> int:
    """How many of the file's rows the change would touch; `source` is a path or an open file."""
    file = pq.ParquetFile(source)
    names = None
    if change.columns is not None:
        lower = {name.lower() for name in change.columns}
        names = [name for name in file.schema_arrow.names if name.lower() in lower]
    return sum(change.count(file.read_row_group(group, columns=names)) for group in range(file.num_row_groups))


def rewrite(source: Any, sink: Any, change: Change) -> pq.FileMetaData:
    """Writes the changed file to `sink`; its footer. Physical types, compression, row groups and the footer's own texts stay."""
    file = pq.ParquetFile(source)
    writer: pq.ParquetWriter | None = None
    try:
        for group in range(file.num_row_groups):
            rows = change.apply(file.read_row_group(group))
            writer = writer or pq.ParquetWriter(sink, rows.schema, **_options(file.metadata))
            writer.write_table(rows.cast(writer.schema), row_group_size=max(1, rows.num_rows))
        writer = writer or pq.ParquetWriter(sink, file.schema_arrow, **_options(file.metadata))
    finally:
        if writer is not None:
            writer.close()
    return writer.writer.metadata


def _options(metadata: pq.FileMetaData) -> dict[str, Any]:
    physical = {metadata.schema.column(index).physical_type for index in range(metadata.num_columns)}
    codec = "SNAPPY"
    if metadata.num_row_groups and metadata.num_columns:
        codec = metadata.row_group(0).column(0).compression
    decimals = [
        metadata.schema.column(index).physical_type
        for index in range(metadata.num_columns)
        if "Decimal" in str(metadata.schema.column(index).logical_type)
    ]
    return {
        "compression": _CODECS.get(codec, codec.lower()),
        "use_deprecated_int96_timestamps": "INT96" in physical,
        "store_decimal_as_integer": any(kind in ("INT32", "INT64") for kind in decimals),
        "version": "2.6",
    }
