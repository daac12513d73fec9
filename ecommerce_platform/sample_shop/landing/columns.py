"""Events as Arrow tables, in the physical forms in which they land and in the clean form of the speed layer.

What belongs here: numbers to Arrow columns by contract. What does not: files.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecommerce_platform.contracts import Column, Contract, LogicalType
from ecommerce_platform.metrics import UNCHANGED_PLACEHOLDER
from ecommerce_platform.sample_shop.clock import Ints, Mask
from ecommerce_platform.sample_shop.events import NULL, OP_LETTERS, OP_WORDS, Events
from ecommerce_platform.sample_shop.landing import damage


class FileForm(Enum):
    """How a landing file writes its values.

    PLAIN: as Debezium does, flattened: letters, epoch numbers, decimals as text. REORDERED: the same, columns reversed.
    TYPED: as a connector with other converters does: words, Parquet timestamps and decimals.
    """

    PLAIN = "plain"
    REORDERED = "reordered"
    TYPED = "typed"


def landing_table(contract: Contract, events: Events, form: FileForm) -> pa.Table:
    """Rows of one landing file: the contract's columns that the shop knows, then the change-data-capture metadata."""
    typed = form is FileForm.TYPED
    columns = {}
    for column in contract.columns:
        if column.name == contract.key:
            columns[column.name] = _integers(events.key, events.damage == damage.NULL_KEY)
        elif column.name in events.columns:
            columns[column.name] = _value(contract.table, column, events, typed)
    columns |= _metadata(events, typed)
    table = pa.table(columns)
    return table.select(table.column_names[::-1]) if form is FileForm.REORDERED else table


def speed_table(contract: Contract, events: Events) -> pa.Table:
    """Order versions as the speed layer has them: typed, with words for the operation, placeholders resolved."""
    columns = {contract.key: _integers(events.key)}
    for column in contract.columns:
        if column.name in events.columns:
            columns[column.name] = _clean(column, events)
    return pa.table(columns | _metadata(events, typed=True))


def _value(table: str, column: Column, events: Events, typed: bool) -> pa.Array:
    values = events.columns[column.name]
    if column.type is LogicalType.TEXT:
        texts = _clean(column, events)
        unchanged = events.unchanged.get(column.name)
        if unchanged is None or not unchanged.any():
            return texts
        return pc.replace_with_mask(texts, pa.array(unchanged), pa.scalar(UNCHANGED_PLACEHOLDER, pa.string()))
    if typed or column.type is LogicalType.INT:
        return _clean(column, events)
    if column.type is LogicalType.DECIMAL:
        texts = pc.cast(_clean(column, events), pa.string())
        return _damaged(texts, events) if damage.DAMAGED_DECIMAL.get(table) == column.name else texts
    return _integers(values)


def _damaged(texts: pa.Array, events: Events) -> pa.Array:
    for kind, text in damage.DAMAGED_TEXT.items():
        broken = events.damage == kind
        if broken.any():
            texts = pc.replace_with_mask(texts, pa.array(broken), pa.scalar(text, pa.string()))
    return texts


def _clean(column: Column, events: Events) -> pa.Array:
    """A column in the type of its contract."""
    values = events.columns[column.name]
    if column.type is LogicalType.TEXT:
        return events.pools[column.name].take(_integers(values))
    if column.type is LogicalType.DECIMAL:
        return _decimals(values, column)
    if column.type is LogicalType.TIMESTAMP:
        return _integers(values).cast(pa.timestamp("us", tz="UTC"))
    return _integers(values).cast(pa.int32()) if column.type is LogicalType.INT else _integers(values)


def _metadata(events: Events, typed: bool) -> dict[str, pa.Array]:
    kinds = events.damage
    words = pa.array([*(OP_WORDS if typed else OP_LETTERS), "x"], pa.string())
    op = np.where(kinds == damage.UNKNOWN_OP, len(OP_WORDS), events.op)
    milliseconds = pa.timestamp("ms", tz="UTC") if typed else pa.int64()
    return {
        "__op": words.take(pa.array(op)),
        "__ts_ms": _integers(events.ts_ms, kinds == damage.NULL_TS_MS).cast(milliseconds),
        "__source_ts_ms": _integers(events.source_ts_ms, kinds == damage.NULL_SOURCE_TS_MS).cast(milliseconds),
        "__source_lsn": _integers(events.lsn, kinds == damage.NULL_LSN),
    }


def _integers(values: Ints, missing: Mask | None = None) -> pa.Array:
    absent = values == NULL
    if missing is not None:
        absent |= missing
    return pa.array(values, pa.int64(), mask=absent)


def _decimals(cents: Ints, column: Column) -> pa.Array:
    """Cents as decimals: the 128-bit numbers are laid out by hand, so that no value goes through text or a float."""
    scale = 10 ** ((column.scale or 0) - 2)
    absent = cents == NULL
    low = np.where(absent, 0, cents) * scale
    halves = np.ascontiguousarray(np.column_stack([low, low >> 63]))
    validity = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    kind = pa.decimal128(column.precision or 38, column.scale or 0)
    return pa.Array.from_buffers(kind, len(cents), [validity, pa.py_buffer(halves)])
