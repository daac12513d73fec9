"""The physical forms of the landing files."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform_tests.sample_shop.reading import TABLES
from ecommerce_platform_tests.sample_shop.written import Sample

PLAIN_DAY, REORDERED_DAY, TYPED_DAY, ABSENT_DAY = (date(2026, 1, day) for day in (3, 4, 6, 9))
METADATA = ["__op", "__ts_ms", "__source_ts_ms", "__source_lsn"]


def schema(sample: Sample, table: str, day: date, part: int) -> pa.Schema:
    return pq.read_schema(sample.landing / table / f"date={day}" / f"part-{part:05d}.parquet")


def test_a_plain_file_has_the_contracts_columns_as_debezium_writes_them(sample: Sample) -> None:
    orders = schema(sample, "orders", PLAIN_DAY, 0)
    assert orders.names == [*load_contracts()["orders"].column_names, *METADATA]
    assert orders.field("total_amount").type == pa.string()
    assert {orders.field(name).type for name in ("id", "created_at", "updated_at", *METADATA[1:])} == {pa.int64()}
    assert orders.field("__op").type == pa.string()


def test_every_table_and_day_comes_in_several_part_files_as_the_report_counts_them(sample: Sample) -> None:
    rows: dict[tuple[str, date], int] = defaultdict(int)
    parts: dict[tuple[str, date], set[str]] = defaultdict(set)
    for row in sample.rows:
        rows[row.table, row.day] += 1
        parts[row.table, row.day].add(row.file)
    for table in TABLES:
        for day, reported in sample.report.rows[table].items():
            assert rows[table, day] == reported
            assert {"part-00000.parquet", "part-00001.parquet"} <= parts[table, day] or reported == 0
    assert sample.report.total_rows == len(sample.rows)
    assert sample.report.files == len(list(sample.landing.rglob("*.parquet")))


def test_one_file_a_table_has_its_columns_in_another_order(sample: Sample) -> None:
    for table in TABLES:
        plain, reordered = (schema(sample, table, REORDERED_DAY, part) for part in (0, 1))
        assert reordered.names != plain.names
        assert sorted(reordered.names) == sorted(plain.names)


def test_one_file_a_table_has_parquet_timestamps_and_decimals_and_words(sample: Sample) -> None:
    orders = schema(sample, "orders", TYPED_DAY, 0)
    assert orders.field("total_amount").type == pa.decimal128(10, 2)
    assert orders.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert orders.field("__ts_ms").type == pa.timestamp("ms", tz="UTC")
    file = sample.landing / "orders" / f"date={TYPED_DAY}" / "part-00000.parquet"
    assert set(pq.ParquetFile(file).read()["__op"].to_pylist()) <= {"INSERT", "UPDATE", "DELETE"}


def test_one_day_has_no_folder_of_users_and_its_events_come_late(sample: Sample) -> None:
    assert sample.report.rows["users"][ABSENT_DAY] == 0
    assert not (sample.landing / "users" / f"date={ABSENT_DAY}").exists()
    assert (sample.landing / "users" / "date=2026-01-10" / f"late-{ABSENT_DAY}.parquet").exists()
    assert all((sample.landing / table / f"date={ABSENT_DAY}").exists() for table in TABLES if table != "users")
