"""The checksum in the day ledger is that of the rows in the files, however a day was written."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.by_hand.refused import Decision, publish_refused
from ecommerce_platform.lakehouse.maintenance.work import run_maintenance
from ecommerce_platform.row_hash import MODULUS, spark_row_hash
from ecommerce_platform.warehouse.load.checksum import Content
from ecommerce_platform.warehouse.load.lake_files import FileGroup, content
from ecommerce_platform_tests.lakehouse.lake import FIRST, ORDER_SCHEMA, SECOND, THIRD, SmallLake, order
from ecommerce_platform_tests.lakehouse.test_maintenance import maintenance_of
from ecommerce_platform_tests.lakehouse.test_parts import by_parts

ORDERS = load_contracts()["orders"]
TEXTS = ("", "-", ";", "5:x", "ä😀 e\u0301", "\\ ' \" \n\t", "null", "0", "\u0001", "note=", "x" * 300)
COLUMNS = (
    Column("id", LogicalType.BIGINT, primary_key=True),
    Column("small", LogicalType.INT),
    Column("amount", LogicalType.DECIMAL, precision=10, scale=2),
    Column("wide", LogicalType.DECIMAL, precision=38, scale=18),
    Column("all_places", LogicalType.DECIMAL, precision=38, scale=38),
    Column("whole", LogicalType.DECIMAL, precision=38, scale=0),
    Column("note", LogicalType.TEXT),
    Column("at", LogicalType.TIMESTAMP),
    Column("on_day", LogicalType.DATE),
    Column("flag", LogicalType.BOOLEAN),
    Column("b_late", LogicalType.TEXT, late=True),
    Column("a_late", LogicalType.DECIMAL, precision=20, scale=10, late=True),
)


def random_row(chance: random.Random) -> dict[str, Any]:
    def units(digits: int, scale: int) -> Decimal:
        number = chance.choice((0, 1, -1, 10**digits - 1, 1 - 10**digits, chance.randrange(-(10**digits), 10**digits)))
        return Decimal((number < 0, tuple(map(int, str(abs(number)))), -scale))

    row = {
        "id": chance.choice((0, 2**63 - 1, -(2**63), chance.randrange(10**6))),
        "small": chance.choice((-(2**31), 2**31 - 1, 7)),
        "amount": units(10, 2),
        "wide": units(38, 18),
        "all_places": units(38, 38),
        "whole": units(38, 0),
        "note": chance.choice(TEXTS),
        "at": datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=chance.randrange(-(10**15), 10**17)),
        "on_day": date(1970, 1, 1) + timedelta(days=chance.randrange(-10_000, 100_000)),
        "flag": chance.choice((True, False)),
        "b_late": chance.choice(TEXTS),
        "a_late": units(20, 10),
    }
    return {name: None if name != "id" and chance.random() < 0.1 else value for name, value in row.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_spark_hashes_random_rows_as_duckdb_does(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = [random_row(chance) for _ in range(400)]
    schema = pa.schema([(column.name, arrow_type(column)) for column in COLUMNS])
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([*rows, rows[0]], schema), path)

    hashes = spark.read.parquet(str(path)).select(F.expr(spark_row_hash(COLUMNS))).collect()

    assert Content(len(hashes), str(sum(value % MODULUS for (value,) in hashes))) == content(
        [FileGroup(tuple(schema.names), (path,))], COLUMNS
    )


def arrow_type(column: Column) -> pa.DataType:
    if column.type is LogicalType.DECIMAL:
        return pa.decimal128(column.precision or 38, column.scale or 0)
    return {
        LogicalType.BIGINT: pa.int64(),
        LogicalType.INT: pa.int32(),
        LogicalType.TEXT: pa.string(),
        LogicalType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
        LogicalType.DATE: pa.date32(),
        LogicalType.BOOLEAN: pa.bool_(),
    }[column.type]


def land(lake: SmallLake, day: date, rows: Sequence[dict[str, Any]], file: str, **extra: pa.Array) -> None:
    table = pa.Table.from_pylist(list(rows), ORDER_SCHEMA)
    for name, values in extra.items():
        table = table.append_column(name, values)
    lake.land_table(day, table, file)


@pytest.mark.slow
def test_the_ledger_has_the_checksum_of_a_day_however_it_was_written(lake: SmallLake) -> None:
    rows = [
        order(key, key, status=TEXTS[key % len(TEXTS)], total_amount=f"-{key}.05", shipping_address=None)
        for key in range(1, 60)
    ]
    lake.land(FIRST, *rows, order(None, 900), order(5, 5, status=TEXTS[5], total_amount="-5.05", shipping_address=None))
    lake.land(SECOND, *rows[:3], order(1, 70, "d"), file="a.parquet")
    lake.land(SECOND, *rows[3:5], file="b.parquet")
    lake.land(THIRD)
    landing = lake.settings.landing.model_copy(update={"max_quarantined_share": 1})
    lake.settings = lake.settings.model_copy(update={"landing": landing})

    lake.ingest(FIRST, SECOND, THIRD)  # several days in one commit, one of them without rows

    together = lake.in_ledger()
    assert together == lake.in_files()
    assert (together[FIRST].rows, together[SECOND].rows, str(together[THIRD])) == (59, 6, "0 rows, checksum 0")

    lake.ingest(FIRST, force=True)  # a day by itself
    assert lake.in_ledger() == together == lake.in_files()

    whole = lake.settings
    lake.settings = by_parts(whole, 20)
    lake.ingest(FIRST, force=True)  # a day in several commits
    assert lake.in_ledger() == together == lake.in_files()
    lake.settings = whole

    run_maintenance(maintenance_of(lake), ["orders"])  # the same rows in other files
    assert lake.in_ledger() == together == lake.in_files()

    wide = pa.array([Decimal("123456.5")] * 2, pa.decimal128(38, 18))
    land(lake, THIRD, rows[:2], "late.parquet", weight=wide, note=pa.array(["x;", None], pa.string()))
    lake.ingest(THIRD)  # days before the table has two more columns, and a day with them
    assert lake.in_ledger() == lake.in_files()
    assert {day: lake.in_ledger()[day] for day in (FIRST, SECOND)} == {day: together[day] for day in (FIRST, SECOND)}


@pytest.mark.slow
def test_a_commit_of_many_days_leaves_their_checksums_to_the_load(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecommerce_platform.lakehouse.ingest.write.DAYS_WITH_CHECKSUMS", 1)
    lake.land(FIRST, order(1, 1), order(1, 1))
    lake.land(SECOND, order(2, 2))
    lake.land(THIRD)

    lake.ingest(FIRST, SECOND, THIRD)

    published = lake.ledger.published
    assert {day: (item.checksum, item.duplicates) for day, item in published.items()} == {
        FIRST: (None, 1),
        SECOND: (None, 0),
        THIRD: ("0", 0),
    }


@pytest.mark.slow
def test_a_day_published_by_hand_has_the_checksum_of_its_audit(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1), order(2, 2), order(None, 3))
    refused = lake.ingest(FIRST).refused[FIRST]
    assert refused.audited is not None

    decision = Decision("known", "ada", "2026-01-05T08:00:00+00:00", "hand")
    record = publish_refused(Lake.of(lake.settings), ORDERS, FIRST, decision)

    assert record.checksum == refused.audited.checksum == lake.in_files()[FIRST].checksum
    assert replace(record, checksum=None).published == 2
