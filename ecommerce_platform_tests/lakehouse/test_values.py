"""Every physical form of a value becomes the contract's type, or nothing: never something else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, scan
from ecommerce_platform.lakehouse.ingest.write import decode_days
from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.session import build_session

DAY = date(2026, 1, 1)
NEW_YEAR = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
MICROS = 1767268800123456
MILLIS = NEW_YEAR.replace(microsecond=123000)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
YEAR_5138 = datetime(5138, 11, 16, 9, 46, 39, 999000, tzinfo=UTC)
ONE_MS, ONE_US = timedelta(milliseconds=1), timedelta(microseconds=1)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
NAIVE = NEW_YEAR.replace(tzinfo=None)


def money(*values: str | None) -> list[Decimal | None]:
    return [None if value is None else Decimal(value) for value in values]


def unscaled(*values: int, length: int | None = None) -> list[bytes]:
    return [value.to_bytes(length or (value.bit_length() // 8 + 1), "big", signed=True) for value in values]


#: File -> column -> values as they lie in the file, and what becomes of them; None where they are nothing of that type.
FORMS: dict[str, dict[str, tuple[pa.Array, list[Any]]]] = {
    "integers-and-microseconds": {
        "id": (pa.array([1, -2, 2**63 - 1], pa.int64()), [1, -2, 2**63 - 1]),
        "user_id": (pa.array([1, 2, None], pa.int32()), [1, 2, None]),
        "total_amount": (pa.array(money("1.50", "-0.01", None), pa.decimal128(10, 2)), money("1.50", "-0.01", None)),
        "created_at": (pa.array([MICROS, 0, -62135596800000000], pa.int64()), [NEW_YEAR, EPOCH, YEAR_ONE]),
        "__op": (pa.array(["c", "U", " d "]), ["INSERT", "UPDATE", "DELETE"]),
        "__ts_ms": (pa.array([1767268800123, 0, 253402300800000], pa.int64()), [MILLIS, None, None]),
    },
    "text": {
        "id": (pa.array(["1", " +7 ", "1.5"]), [1, 7, None]),
        "user_id": (pa.array(["9223372036854775808", "abc", ""]), [None, None, None]),
        "total_amount": (pa.array(["12.300", "12.345", "1e3"]), money("12.30", None, "1000.00")),
        "created_at": (
            pa.array(["2026-01-01T12:00:00.123456Z", "2026-01-01 13:00:00.123456+01:00", "2026-01-01 12:00:00.123456"]),
            [NEW_YEAR] * 3,
        ),
        "updated_at": (pa.array(["2026-02-30T00:00:00Z", "1767268800", "soon"]), [None, None, None]),
        "__op": (pa.array(["Insert", "READ", "t"]), ["INSERT", "READ", None]),
        "__source_lsn": (pa.array(["18446744073709551616", "5", "0/16B3748"]), [None, 5, None]),
    },
    "more-text": {
        "id": (pa.array(["1", "2", "3"]), [1, 2, 3]),
        "total_amount": (pa.array([".5", "99999999.99", "100000000.00"]), money("0.50", "99999999.99", None)),
        "updated_at": (
            pa.array(["2026-01-01T12:00:00.123456789+0000", "2026-01-01", "10000-01-01T00:00:00Z"]),
            [NEW_YEAR, MIDNIGHT, None],
        ),
        "status": (pa.array(["shipped", "", "__debezium_unavailable_value"]), ["shipped", "", "__debezium_unavailable_value"]),
    },
    "decimals-at-the-edge": {
        "id": (pa.array([1, 2, 3, 4, 5, 6, 7, 8, 9], pa.int64()), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        "total_amount": (
            pa.array([".", "5.", "-.5", "+3.14", "0.0000", " 7.5 ", "1_0", "", "1.5.0"]),
            money(None, "5.00", "-0.50", "3.14", "0.00", "7.50", None, None, None),
        ),
    },
    "milliseconds-and-wide-decimals": {
        "id": (pa.array(money("1", "2", "9223372036854775808"), pa.decimal128(20, 0)), [1, 2, None]),
        "user_id": (pa.array(money("1.00", "2.50", "-3.00"), pa.decimal128(10, 2)), [1, None, -3]),
        "total_amount": (pa.array(money("1.5000", "1.5010", "123456789.0000"), pa.decimal128(18, 4)), money("1.50", None, None)),
        "created_at": (pa.array([1767268800123, -1, 99999999999999], pa.int64()), [MILLIS, EPOCH - ONE_MS, YEAR_5138]),
        "__ts_ms": (pa.array([NEW_YEAR] * 3, pa.timestamp("ms", "UTC")), [MILLIS] * 3),
        "__source_lsn": (pa.array([1, 2, 2**63], pa.uint64()), [1, 2, None]),
    },
    "bytes-and-nanoseconds": {
        "id": (pa.array([1, 2, 3], pa.int16()), [1, 2, 3]),
        "total_amount": (pa.array(unscaled(1050, -1, 9999999999), pa.binary()), money("10.50", "-0.01", "99999999.99")),
        "status": (pa.array([b"shipped", "größe".encode(), b"\xff\xfe"], pa.binary()), ["shipped", "größe", None]),
        "created_at": (pa.array([MICROS * 1000 + 789] * 3, pa.int64()), [NEW_YEAR] * 3),
        "updated_at": (pa.array([MICROS * 1000 + 789, -1, None], pa.timestamp("ns")), [NEW_YEAR, EPOCH - ONE_US, None]),
        "__ts_ms": (pa.array([NAIVE] * 3, pa.timestamp("us")), [NEW_YEAR] * 3),
    },
    "long-bytes": {
        "id": (pa.array([1, 2, 3], pa.uint32()), [1, 2, 3]),
        "total_amount": (pa.array(unscaled(1050, -1050, 2**100, length=16), pa.binary(16)), money("10.50", "-10.50", None)),
        "created_at": (pa.array([NEW_YEAR] * 3, pa.timestamp("us", "Europe/Berlin")), [NEW_YEAR] * 3),
        "shipping_address": (pa.array([None, None, None], pa.null()), [None, None, None]),
        "__op": (pa.array([b"c", b"delete", b""], pa.binary()), ["INSERT", "DELETE", None]),
    },
    "int96": {
        "id": (pa.array([1, 2, 3], pa.int64()), [1, 2, 3]),
        "created_at": (pa.array([NAIVE] * 3, pa.timestamp("us")), [NEW_YEAR] * 3),
        "__source_ts_ms": (pa.array([NEW_YEAR] * 3, pa.timestamp("us", "UTC")), [NEW_YEAR] * 3),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def decoded(spark_application: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """All rows of all files, by file, from one Spark job."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("forms"))
    contract = load_contracts()["orders"]
    folder = Path(settings.landing_uri) / "orders" / f"date={DAY.isoformat()}"
    folder.mkdir(parents=True)
    for name, columns in FORMS.items():
        table = pa.table(with_metadata({column: values for column, (values, _) in columns.items()}))
        pq.write_table(table, folder / f"{name}.parquet", use_deprecated_int96_timestamps=name == "int96")
    arrivals = scan(Intake.of(settings), contract, [DAY])
    assert arrivals.refused == {}
    spark = build_session(settings)
    rows: dict[str, list[Any]] = {}
    names = [column.name for column in contract.all_event_columns]
    frames = [frame.select(*names) for frame in decode_days(spark, contract, list(arrivals.days.values()))]
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame)
    for row in sorted(whole.toArrow().to_pylist(), key=lambda row: (row["__source_file"], row["__source_row"])):
        rows.setdefault(Path(row["__source_file"]).stem, []).append(row)
    return rows


def with_metadata(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    rows = len(columns["id"])
    filled = {
        "__op": pa.array(["c"] * rows),
        "__ts_ms": pa.array([1] * rows, pa.int64()),
        "__source_ts_ms": pa.array([1] * rows, pa.int64()),
        "created_at": pa.array([0] * rows, pa.int64()),
    }
    return filled | columns


@pytest.mark.parametrize(("file", "column"), [(file, column) for file, columns in FORMS.items() for column in columns])
def test_each_form_becomes_the_type_of_its_column_or_null(
    decoded: dict[str, list[Any]], file: str, column: str
) -> None:
    values = [row[column] for row in decoded[file]]
    expected = FORMS[file][column][1]
    assert [value if not isinstance(value, datetime) else value.astimezone(UTC) for value in values] == expected


def test_a_column_that_the_file_lacks_is_null(decoded: dict[str, list[Any]]) -> None:
    assert [row["shipping_address"] for row in decoded["text"]] == [None, None, None]


def test_each_row_knows_its_file_and_position(decoded: dict[str, list[Any]]) -> None:
    assert [(row["__source_file"], row["__source_row"], row["date"]) for row in decoded["int96"]] == [
        ("date=2026-01-01/int96.parquet", position, DAY) for position in range(3)
    ]


def test_no_form_is_forgotten(decoded: dict[str, list[Any]]) -> None:
    assert set(decoded) == set(FORMS)
