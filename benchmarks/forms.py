"""A day of many small files: equal ones, and ones of which each has its own physical form.

What belongs here: the landing files and the two days. What does not: how they are measured (harness.py).

Both days have the same number of files and rows and the same values. On the second, each file has another decimal type, another
set of columns that are absent or of null type, and one of several forms of times and whole numbers. Its cost must follow rows and
files: at most one and a half times that of equal files.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.change_events import drop_day
from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, race, ratio
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, file_groups, scan
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest
from ecommerce_platform.settings import Settings, SparkSettings
from ecommerce_platform.spark.session import build_session, stop_session

EQUAL, MANY = "equal files", "a form for each file"
DAYS = {EQUAL: date(2026, 1, 1), MANY: date(2026, 1, 2)}
FILES = 48
ROWS = {Size.QUICK: 1, Size.FULL: 20_000}
ROUNDS = {Size.QUICK: 3, Size.FULL: 5}
NOON = 1_767_268_800
NULLABLE = ("user_id", "status", "shipping_address", "updated_at", "__source_lsn")
#: All different, with at least eight digits before the point and two behind it.
DECIMALS = [(precision, scale) for precision in range(10, 39) for scale in (2, 3, 5, 8) if precision - scale >= 8]


def run(size: Size) -> Report:
    """Seconds of one day, as a ratio of medians; Spark's session is there already, as within a run."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-forms-"))
    try:
        settings = Settings(data_dir=folder / "data", spark=SparkSettings(engine="process"))
        for name in DAYS:
            write_landing(settings, name, ROWS[size])
        plans = {name: plans_of(settings, name) for name in DAYS}
        timings = race([_ingestion(settings, name) for name in DAYS], ROUNDS[size], warm_up=1)
    finally:
        stop_session()
        shutil.rmtree(folder, ignore_errors=True)
    note = "; ".join(f"{name}: plans {plans[name][0]}, scans {plans[name][1]}" for name in DAYS) + "."
    row = Row("time of a form for each file, of that of equal files", ratio(timings, MANY, EQUAL), "×", Goal(1.5), note)
    data = {"files": FILES, "rows a file": ROWS[size]}
    title = "Many small files of many physical forms, decoded, committed, audited and published"
    return Report("forms", title, size, data, (row,), {"one day": timings})


def write_landing(settings: Settings, name: str, rows: int) -> None:
    """The files of one of the two days; both have the same values."""
    folder = Path(settings.landing_uri) / "orders" / f"date={DAYS[name]}"
    folder.mkdir(parents=True)
    for number in range(FILES):
        pq.write_table(content(number, rows, varied=name == MANY), folder / f"part-{number:02}.parquet")


def content(number: int, rows: int, *, varied: bool) -> pa.Table:
    """A file's rows: snapshot rows, whose nullable columns may be null."""
    keys = range(number * rows, (number + 1) * rows)
    precision, scale = DECIMALS[number] if varied else (10, 2)
    amounts = [Decimal(key % 1_000_000).scaleb(-2) for key in keys]
    absent = {name for bit, name in enumerate(NULLABLE) if number >> bit & 1}
    columns = {
        "id": pa.array(keys, pa.int64()),
        "user_id": pa.array([7] * rows, pa.int32() if varied and number % 2 else pa.int64()),
        "status": pa.array(["pending"] * rows),
        "total_amount": pa.array(amounts, pa.decimal128(precision, scale)),
        "shipping_address": pa.array(["1 Main St"] * rows),
        "created_at": pa.array([NOON] * rows) if varied and number % 3 == 1 else pa.array([NOON * 10**6] * rows),
        "updated_at": pa.array([NOON * 10**6] * rows),
        "__op": pa.array(["r"] * rows),
        "__ts_ms": pa.array([NOON * 1000] * rows),
        "__source_ts_ms": pa.array([NOON * 1000] * rows),
        "__source_lsn": pa.array(keys, pa.int64()),
    }
    for position, name in enumerate(NULLABLE):
        if name in absent and varied and (number + position) % 2:
            del columns[name]
        elif name in absent:
            columns[name] = pa.nulls(rows, pa.null() if varied else columns[name].type)
    return pa.table(columns)


def plans_of(settings: Settings, name: str) -> tuple[int, int]:
    """How many plans and how many scans read the day."""
    orders = load_contracts()["orders"]
    groups = file_groups(orders, list(scan(Intake.of(settings), orders, [DAYS[name]]).days.values()))
    return len(groups), sum(len(group.scans) for group in groups)


def _ingestion(settings: Settings, name: str) -> Contender:
    spark = build_session(settings)
    turns = iter(range(1000))

    def work() -> Outcome:
        job = Ingest(Lake.of(settings), Intake.of(settings), lambda: spark, f"benchmark{next(turns)}")
        result = ingest(job, [DAYS[name]], ["orders"])["orders"]
        if result.refused:
            raise RuntimeError(f"the day was refused: {result.refused[DAYS[name]].reason}")
        columns = tuple(column.name for column in load_contracts()["orders"].columns)
        rows = Lake.of(settings).load("ecommerce.orders").scan(selected_fields=(*columns, "date")).to_arrow()
        of_day = rows.filter(pa.compute.equal(rows["date"], DAYS[name])).drop_columns(["date"]).sort_by("id")
        return Outcome(of_day.to_pylist())

    return Contender(name, work, lambda: drop_day(settings))


if __name__ == "__main__":
    print(run(Size(sys.argv[1])))
