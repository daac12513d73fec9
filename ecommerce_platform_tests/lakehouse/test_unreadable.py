"""Files that a first look accepts or refuses, and what one bad file, column or value costs the others."""

from __future__ import annotations

import subprocess
import sys
import zlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from py4j.protocol import Py4JError, Py4JNetworkError

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, file_groups, scan
from ecommerce_platform.lakehouse.arrived.unreadable import is_of_the_machine
from ecommerce_platform.lakehouse.ingest import branch_writer
from ecommerce_platform_tests.lakehouse import unreadable_files
from ecommerce_platform_tests.lakehouse.lake import FIRST, NOON, ORDER_SCHEMA, SECOND, SmallLake, counts, order
from ecommerce_platform_tests.lakehouse.unreadable_files import damage

DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(12)]


def table(*rows: dict[str, Any], **columns: pa.Array) -> pa.Table:
    content = pa.Table.from_pylist(list(rows or [order(1, 1)]), ORDER_SCHEMA)
    for name, values in columns.items():
        index = content.schema.get_field_index(name)
        content = content.append_column(name, values) if index < 0 else content.set_column(index, name, values)
    return content


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many days each attempt to write had."""
    attempts: list[int] = []
    write_events = branch_writer.write_events

    def counted(*arguments: Any) -> Any:
        attempts.append(len(arguments[3]))
        return write_events(*arguments)

    monkeypatch.setattr(branch_writer, "write_events", counted)
    return attempts


@pytest.mark.slow
def test_all_unreadable_files_of_a_range_are_refused_after_one_attempt(lake: SmallLake, writes: list[int]) -> None:
    for day in DAYS:
        lake.land(day, order(1, 1))
    for day in DAYS[:5]:
        damage(lake.land(day, order(2, 2), file="part-1.parquet"))
        damage(lake.land(day, order(3, 3), file="part-2.parquet"))
    result = lake.ingest(*DAYS)
    assert sorted(result.refused) == DAYS[:5]
    assert sorted(result.published) == DAYS[5:]
    for day in DAYS[:5]:
        for file in ("part-1.parquet", "part-2.parquet"):
            assert f"orders/date={day}/{file}: its footer is whole, but its data" in result.refused[day].reason
    assert writes == [12, 7]


@pytest.mark.soak
def test_nothing_is_printed_before_the_line_that_names_unreadable_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", unreadable_files.__name__, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    (line,) = done.stdout.splitlines()
    assert line.startswith("published ['2026-01-02']; orders/date=2026-01-01/part-0.parquet: its footer is whole")
    assert "; orders/date=2026-01-01/part-1.parquet: its footer is whole" in line
    # What remains is what any start of Spark prints.
    assert [
        text for text in done.stderr.splitlines() if " ERROR " in text or "Exception" in text or "at org." in text
    ] == []
    assert len(done.stderr.splitlines()) <= 10


REFUSED = {
    "a decimal of 76 digits": (
        table(total_amount=pa.array([Decimal("1.00")], pa.decimal256(76, 38))),
        {},
        "column total_amount is decimal(76,38); expected decimal(10,2)",
    ),
    "an extra decimal of 76 digits": (
        table(weight=pa.array([Decimal("1.00")], pa.decimal256(76, 38))),
        {},
        "column 'weight' is decimal(76,38) and not in the contract",
    ),
    "an extra column Date": (table(Date=pa.array(["x"])), {}, "column 'Date' has a name that the platform uses itself"),
    "an extra column LOADED_AT": (
        table(LOADED_AT=pa.array(["x"])),
        {},
        "column 'LOADED_AT' has a name that the platform uses itself",
    ),
    "a name with a dot after a known one": (table(**{"status.old": pa.array(["x"])}), {}, "column 'status.old' is not"),
    "an empty name": (table(**{"": pa.array(["x"])}), {}, "column '' is not in the contract"),
    "brotli": (
        table(),
        {"compression": "brotli"},
        "is compressed by brotli, which is not read here; write snappy, zstd, gzip, lz4",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_later_step_cannot_take_is_refused_by_name_before_spark(lake: SmallLake, kind: str) -> None:
    content, options, message = REFUSED[kind]
    lake.land_table(FIRST, content, **options)
    lake.land(SECOND, order(1, 1))
    result = lake.ingest(FIRST, SECOND)
    assert sorted(result.published) == [SECOND]
    assert message in result.refused[FIRST].reason
    assert f"orders/date={FIRST}/part-0.parquet" in result.refused[FIRST].reason


def test_a_trouble_that_nobody_foresaw_refuses_its_day_alone(lake: SmallLake, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in DAYS[:3]:
        lake.land(day, order(1, 1))
    write_events = branch_writer.write_events

    def fails_on_the_first(*arguments: Any) -> Any:
        if any(arrival.day == FIRST for arrival in arguments[3]):
            raise ValueError("nobody foresaw this")
        return write_events(*arguments)

    monkeypatch.setattr(branch_writer, "write_events", fails_on_the_first)
    result = lake.ingest(*DAYS[:3])
    assert sorted(result.published) == DAYS[1:3]
    assert "nobody foresaw this" in result.refused[FIRST].reason
    # Where no day goes through, the days are not to blame.
    with pytest.raises(ValueError, match="nobody foresaw this"):
        lake.ingest(FIRST)


FAR = 9_223_372_036_854_775_807


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_timestamp_beyond_all_ranges_is_one_row_in_quarantine(lake: SmallLake, unit: str, zone: str | None) -> None:
    rows = [order(key, key) for key in range(1, 201)]
    at = NOON if unit == "ms" else NOON * 1000
    values = pa.array([FAR] + [at] * 199, pa.int64()).cast(pa.timestamp(unit, zone))
    lake.land_table(FIRST, table(*rows, created_at=values))
    result = lake.ingest(FIRST)
    assert result.refused == {}
    assert counts(result, FIRST) == (200, 199, 1, 0)
    assert lake.quarantined("reason", "column_name") == [("unreadable_timestamp", "created_at")]
    assert {moment.replace(tzinfo=None) for (moment,) in lake.rows("created_at")} == {datetime(2026, 1, 1, 12)}  # noqa: DTZ001


EXTRA = {
    "a date": pa.array([2**31 - 1] + [0] * 199, pa.int32()).cast(pa.date32()),
    "a timestamp in milliseconds": pa.array([FAR] + [0] * 199, pa.int64()).cast(pa.timestamp("ms")),
    "a timestamp in microseconds": pa.array([-FAR] + [0] * 199, pa.int64()).cast(pa.timestamp("us", "UTC")),
}


@pytest.mark.parametrize("kind", EXTRA)
def test_an_extra_column_is_range_checked_like_one_of_the_contract(lake: SmallLake, kind: str) -> None:
    lake.land_table(FIRST, table(*(order(key, key) for key in range(1, 201)), seen=EXTRA[kind]))
    result = lake.ingest(FIRST)
    assert counts(result, FIRST) == (200, 199, 1, 0)
    assert [column for (column,) in lake.quarantined("column_name")] == ["seen"]


def test_a_stale_checksum_beside_a_file_is_not_the_files_fault(lake: SmallLake) -> None:
    path = lake.land(FIRST, order(1, 1))
    stale = zlib.crc32(b"what lay here before").to_bytes(4, "big")
    path.with_name(f".{path.name}.crc").write_bytes(b"crc\x00" + (512).to_bytes(4, "big") + stale * 64)
    assert counts(lake.ingest(FIRST), FIRST) == (1, 1, 0, 0)


@pytest.mark.slow
def test_files_of_many_forms_need_few_plans_and_lose_nothing(lake: SmallLake) -> None:
    kinds = [(precision, scale) for precision in range(3, 39, 3) for scale in (0, 1, 2, 5)]
    kinds = [(precision, scale) for precision, scale in kinds if precision - scale >= 2][:48]
    amounts = []
    for number, (precision, scale) in enumerate(kinds):
        amount = Decimal(number).scaleb(-min(scale, 2))
        content = table(order(number, number + 1), total_amount=pa.array([amount], pa.decimal128(precision, scale)))
        if number % 3 == 0:
            content = content.set_column(4, "shipping_address", pa.nulls(1))
        if number % 2:
            content = content.set_column(1, "user_id", pa.array([1], pa.int32()))
        lake.land_table(FIRST, content, file=f"part-{number:02}.parquet")
        amounts.append(amount)
    arrivals = scan(Intake.of(lake.settings), load_contracts()["orders"], [FIRST])
    (group,) = file_groups(load_contracts()["orders"], list(arrivals.days.values()))
    assert len(group.scans) <= 14
    result = lake.ingest(FIRST)
    assert counts(result, FIRST) == (len(kinds), len(kinds), 0, 0)
    assert [amount for (amount,) in lake.rows("total_amount")] == amounts


@pytest.mark.parametrize(
    "error",
    [
        Py4JError("[SPARK_JOB_CANCELLED] Job 3 cancelled as part of cancellation of all jobs SQLSTATE: XXKDA"),
        Py4JNetworkError("Answer from Java side is empty"),
    ],
)
def test_a_cancelled_job_and_a_jvm_that_is_gone_say_nothing_of_a_file(error: Exception) -> None:
    assert is_of_the_machine(error)
