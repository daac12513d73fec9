"""Rows of a landing file as DuckDB's dialect of the decoding rules takes them.

What belongs here: Parquet to Arrow. What does not: what a value means (lakehouse/decode/values.py).

Texts and bytes arrive as bytes, so that one row's bad UTF-8 is that row's; timestamps as microseconds, or in the unit of the
file where it is another, dates as days, so that no value is beyond the engine's own bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecommerce_platform.lakehouse.decode.physical import TIMESTAMPS, PhysicalColumn, PhysicalKind

_BATCH_ROWS = 65_536
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_TYPES = {
    PhysicalKind.INT: pa.int32(),
    PhysicalKind.BIGINT: pa.int64(),
    PhysicalKind.UNSIGNED_BIGINT: pa.uint64(),
    PhysicalKind.DATE: pa.int32(),
    PhysicalKind.BOOLEAN: pa.bool_(),
    PhysicalKind.TEXT: pa.large_binary(),
    **dict.fromkeys((PhysicalKind.BINARY, PhysicalKind.UUID), pa.large_binary()),
}


def landed_rows(file: pa.NativeFile, columns: Sequence[PhysicalColumn]) -> pa.RecordBatchReader:
    """These columns of an open Parquet file, and `row`, the position of each row from 0."""
    schema = pa.schema([*((column.name, _type(column)) for column in columns), ("row", pa.int64())])
    parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
    return pa.RecordBatchReader.from_batches(schema, _batches(parquet, columns, schema))


def _batches(parquet: pq.ParquetFile, columns: Sequence[PhysicalColumn], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in parquet.iter_batches(_BATCH_ROWS, columns=[column.name for column in columns]):
        arrays = [_as_taken(batch.column(column.name), column) for column in columns]
        rows = pa.array(range(first, first + batch.num_rows), pa.int64())
        first += batch.num_rows
        yield pa.RecordBatch.from_arrays([*arrays, rows], schema=schema)


def _type(column: PhysicalColumn) -> pa.DataType:
    if column.kind is PhysicalKind.DECIMAL:
        return pa.decimal128(column.precision, column.scale)
    return pa.int64() if column.kind in TIMESTAMPS else _TYPES[column.kind]


def _as_taken(values: pa.Array, column: PhysicalColumn) -> pa.Array:
    # The writer's own schema may bring back types that the file does not have: dictionaries, extensions, dates in milliseconds.
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if column.kind in TIMESTAMPS:
        return _microseconds(values, column)
    if pa.types.is_date64(values.type):
        values = values.cast(pa.date32())
    if pa.types.is_string(values.type) or pa.types.is_fixed_size_binary(values.type):
        values = values.cast(pa.binary())
    return values.cast(_type(column))


def _microseconds(values: pa.Array, column: PhysicalColumn) -> pa.Array:
    numbers = values.cast(pa.int64())
    if column.kind is PhysicalKind.TIMESTAMP_NANOS:
        return numbers
    if column.kind is PhysicalKind.TIMESTAMP_MILLIS:
        return pc.multiply(numbers, 1000) if values.type.unit == "s" else numbers
    factor = _MICROSECONDS[values.type.unit]
    limit = (2**63 - 1) // factor
    fits = pc.and_(pc.greater_equal(numbers, -limit), pc.less_equal(numbers, limit))
    # What overflows becomes a number that is not a valid time either.
    return pc.if_else(fits, pc.multiply(pc.if_else(fits, numbers, 0), factor), 2**63 - 1)
