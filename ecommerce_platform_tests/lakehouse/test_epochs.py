"""The unit of an epoch column is that of the whole column in its file, never that of a value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.contracts import EpochUnit, load_contracts
from ecommerce_platform.lakehouse.decode.epochs import ambiguous_columns, with_epoch_units
from ecommerce_platform.lakehouse.decode.physical import UnreadableFileError, read_footer

ORDERS = load_contracts()["orders"]
SECOND = 1767268800
MILLI, MICRO, NANO = SECOND * 10**3, SECOND * 10**6, SECOND * 10**9
END_OF_9999 = 253402300799
INFINITY, MINUS_INFINITY = 9223372036825200000, -9223372036832400000
S, MS, US, NS = EpochUnit.SECONDS, EpochUnit.MILLISECONDS, EpochUnit.MICROSECONDS, EpochUnit.NANOSECONDS


def unit_of(
    created: list[Any], updated: list[Any] | None = None, source: Any = MILLI, **options: Any
) -> EpochUnit | None:
    """The unit of `created_at` in a file with these values."""
    columns = {
        "id": pa.array(range(len(created))),
        "created_at": created if isinstance(created, pa.Array) else pa.array(created, pa.int64()),
        "updated_at": pa.array(updated or [None] * len(created), pa.int64()),
        "__source_ts_ms": source if isinstance(source, pa.Array) else pa.array([source] * len(created), pa.int64()),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    file = pa.BufferReader(sink.getvalue())
    footer = with_epoch_units(ORDERS, read_footer(file), file)
    return next(column.unit for column in footer.columns if column.name == "created_at")


@pytest.mark.parametrize(("number", "unit"), [(SECOND, S), (MILLI, MS), (MICRO, US), (NANO, NS)])
@pytest.mark.parametrize("options", [{}, {"write_statistics": False}, {"row_group_size": 1}], ids=str)
def test_ordinary_times_show_their_unit(number: int, unit: EpochUnit, options: dict[str, Any]) -> None:
    assert unit_of([number, number + 1, number - 1], **options) is unit


@pytest.mark.parametrize(
    ("created", "unit"),
    [
        ([MICRO, MICRO, 0], US),
        ([MICRO, MICRO, -1], US),
        ([MICRO, INFINITY, MINUS_INFINITY], US),
        ([MILLI, INFINITY // 1000, MINUS_INFINITY // 1000], MS),
        ([MILLI, END_OF_9999 * 1000 + 999], MS),
        ([MICRO, END_OF_9999 * 10**6 + 999_999], US),
        ([SECOND, END_OF_9999], S),
        ([MICRO, MICRO, 20_000 * 31_556_952 * 10**6], US),
        ([MICRO, 10**14 - 1, 10**13], US),
        ([NANO, 2**63 - 1, -(2**63)], NS),
        ([MICRO, 185543533774800000], US),
        ([None, MICRO, None], US),
    ],
    ids=[
        "zeros",
        "just before 1970",
        "infinities",
        "infinities in milliseconds",
        "9999 in milliseconds",
        "9999 in microseconds",
        "9999 in seconds",
        "a year that PostgreSQL has and no engine",
        "the early seventies in microseconds",
        "the ends of 64 bits",
        "the older infinity of JDBC",
        "nulls",
    ],
)
@pytest.mark.parametrize("statistics", [True, False])
def test_unusual_values_do_not_move_the_unit_of_their_column(
    created: list[int | None], unit: EpochUnit, statistics: bool
) -> None:
    assert unit_of(created, write_statistics=statistics) is unit


@pytest.mark.parametrize("unit", [S, MS, US])
@pytest.mark.parametrize("seconds", [END_OF_9999, 253402214400, -62135596800])
@pytest.mark.parametrize("updated", [None, NANO], ids=["alone", "beside nanoseconds"])
def test_a_date_that_stands_for_never_shows_its_unit_by_itself(
    unit: EpochUnit, seconds: int, updated: int | None
) -> None:
    assert unit_of([seconds * 10**9 // unit.in_nanoseconds], [updated]) is unit


@pytest.mark.parametrize(
    ("created", "updated", "unit"),
    [
        ([10**14], [MICRO], US),
        ([10**14], [MILLI], MS),
        ([MICRO, MILLI], [MILLI, MILLI], MS),
        ([0], [SECOND], S),
        ([INFINITY], [MILLI], MS),
        ([None], [NANO], NS),
    ],
    ids=["1973 or 5138", "the same beside milliseconds", "a tie", "zero alone", "infinity alone", "null alone"],
)
def test_the_other_columns_decide_where_the_values_do_not(
    created: list[Any], updated: list[Any], unit: EpochUnit
) -> None:
    assert unit_of(created, updated) is unit


def test_the_unit_nearest_to_the_files_source_time_is_the_last_resort() -> None:
    assert unit_of([10**14]) is US
    assert unit_of([10**14], source=pa.array([MICRO], pa.timestamp("us", "UTC"))) is US
    assert unit_of([10**14], source=pa.array([None], pa.int64())) is MS


@pytest.mark.parametrize("kind", [pa.int32(), pa.uint32(), pa.uint64()])
def test_integers_of_any_size_have_a_unit(kind: pa.DataType) -> None:
    assert unit_of(pa.array([SECOND], kind)) is S


def test_a_column_that_cannot_be_read_is_the_files_fault() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"created_at": [0, MICRO]}), sink, compression="none")
    content = bytearray(sink.getvalue().to_pybytes())
    content[4:40] = b"\xff" * 36
    file = pa.BufferReader(bytes(content))
    with pytest.raises(UnreadableFileError, match="its footer is whole, but its data cannot be read"):
        with_epoch_units(ORDERS, read_footer(file), file)


def test_a_stated_unit_is_not_looked_for() -> None:
    stated = replace(
        ORDERS,
        columns=tuple(
            replace(column, epoch_unit=S) if column.name == "created_at" else column for column in ORDERS.columns
        ),
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"created_at": [MICRO], "updated_at": [MICRO]}), sink)
    assert ambiguous_columns(stated, read_footer(pa.BufferReader(sink.getvalue()))) == ("updated_at",)
