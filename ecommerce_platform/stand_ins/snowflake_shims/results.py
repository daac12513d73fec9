"""Results as Snowflake sends them: null timestamps stay null, every DuckDB integer has a type on the wire, memory is bounded.

What belongs here: values on their way out, the names of their columns, and values bound by the client on their way in. What does
not: how they are computed (numbers.py, functions.py).
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import Any

import fakesnow.arrow
import fakesnow.rowtype
import pyarrow as pa
import pyarrow.compute as pc
from fakesnow.converter import from_binding
from fakesnow.cursor import FakeSnowflakeCursor
from sqlglot import Expr, exp

from ecommerce_platform.stand_ins.snowflake_shims.pipeline import fakesnow_server, patched_cursor

_MICROS = pa.scalar(1_000_000)
#: Snowflake sends offsets as minutes from -24 h; fakesnow's sessions are in UTC.
_UTC_OFFSET = 1440
_CACHED_RESULTS = 64
_fakesnow_run = FakeSnowflakeCursor._execute


def timestamps(column: pa.Array | pa.ChunkedArray) -> pa.StructArray:
    """Snowflake's wire form of timestamps: seconds and nanoseconds; fakesnow loses the nulls (they read as 1970-01-01)."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):  # no chunk at all
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    unit = pa.timestamp("us", whole.type.tz)
    micros = whole.cast(unit).cast(pa.int64())
    epoch = pc.divide(pc.floor_temporal(whole, unit="second").cast(unit).cast(pa.int64()), _MICROS)
    fraction = pc.multiply(pc.subtract(micros, pc.multiply(epoch, _MICROS)), pa.scalar(1000))
    columns = {
        "epoch": pc.fill_null(epoch, pa.scalar(0)),
        "fraction": pc.fill_null(fraction, pa.scalar(0)).cast(pa.int32()),
    }
    if whole.type.tz:
        columns["timezone"] = pa.array([_UTC_OFFSET] * len(whole), pa.int32())
    fields = [pa.field(name, values.type, nullable=False) for name, values in columns.items()]
    return pa.StructArray.from_arrays(list(columns.values()), fields=fields, mask=pc.is_null(whole))


def headings(tree: Expr, _: FakeSnowflakeCursor) -> None:
    """Columns of a query that have no name are headed by their text in capitals, where DuckDB has names of its own
    (`count_star()`). Blanks in the text are not kept.
    """
    query = tree
    while isinstance(query, exp.SetOperation):  # the first query names the columns
        query = query.this
    if not isinstance(query, exp.Select):
        return
    for item in list(query.expressions):
        if not item.is_star and not isinstance(item, exp.Alias | exp.Aliases | exp.Column | exp.Placeholder | exp.Dot):
            name = exp.to_identifier(item.sql("snowflake").upper(), quoted=True)
            item.replace(exp.alias_(item.copy(), name, copy=False))


class RecentResults(OrderedDict[str, Any]):
    """The results that RESULT_SCAN and later fetches can ask for; fakesnow keeps each one forever."""

    def __setitem__(self, query_id: str, result: Any) -> None:
        super().__setitem__(query_id, result)
        while len(self) > _CACHED_RESULTS:
            self.popitem(last=False)


def bound_value(binding: dict[str, str]) -> Any:
    """A value that the client bound: exact decimals, real floats and nulls, where fakesnow fails or makes text."""
    kind, value = binding["type"], binding["value"]
    if value is None:
        return None
    if kind == "FIXED" and not value.lstrip("+-").isdigit():
        return Decimal(value)
    if kind == "REAL":
        return float(value)
    return from_binding(binding)


def described(cursor: FakeSnowflakeCursor) -> list[tuple[Any, ...]]:
    """The rows of DESCRIBE (name, type, four that nobody reads) for the last statement, as DuckDB described its result when
    it ran; none where the result comes from the cache.

    fakesnow parses, translates and plans each statement a second time for them: a fifth of the stand-in's time.
    """
    query_id, columns = getattr(cursor, "columns_of_result", (None, []))
    return columns if query_id == cursor._sfqid else []


def _execute_and_describe(cursor: FakeSnowflakeCursor, transformed: Expr, params: Any = None) -> None:
    _fakesnow_run(cursor, transformed, params)
    # RESULT_SCAN runs nothing; what fakesnow hands to DuckDB as it stands (EXPLAIN) has to pass its parser.
    if transformed.args.get("result_scan_sfqid") is None and not isinstance(transformed, exp.Command):
        columns = cursor._conn._duck_conn.description or []
        described_cursor: Any = cursor
        described_cursor.columns_of_result = (
            cursor._sfqid,
            [(name, str(kind), None, None, None, None) for name, kind, *_ in columns],
        )


def install() -> None:
    """Replace fakesnow's conversions and its description of results."""
    patched_cursor._execute = _execute_and_describe
    fakesnow_arrow: Any = fakesnow.arrow
    fakesnow_arrow.timestamp_to_sf_struct = timestamps
    fakesnow_server.from_binding = bound_value
    for small in ("TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "UINTEGER", "UHUGEINT"):
        fakesnow.rowtype.duckdb_to_sf_type[small] = "fixed"
    fakesnow.rowtype.duckdb_to_sf_type["FLOAT"] = "real"
