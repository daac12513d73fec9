"""Loading a published day into RAW with ledger and checksum, beside a bare PUT and COPY of the same files.

What belongs here: the published day and the two contenders. What does not: how they are measured (harness.py).

Both begin with the day's Parquet files in the lakehouse and an empty RAW.ORDERS. One puts them on the stage and copies them into
the table: nothing shows whether all of them arrived, or which day's content is there. The other is the platform's load.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
from snowflake.connector import SnowflakeConnection

from benchmarks.bare_load import put_and_copy
from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, race, ratio
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import DayRecord, published_properties, read_table_ledger
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table
from ecommerce_platform.settings import Settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.days import load_table
from ecommerce_platform.warehouse.load.lake_files import LoadSource, collect, contents_by_day, files_of_days, open_table
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all

DAY = date(2026, 1, 1)
ORDERS = load_contracts()["orders"]
ROWS = {Size.QUICK: 200_000, Size.FULL: 1_000_000}
ROUNDS = {Size.QUICK: 5, Size.FULL: 7}
OURS, BARE = "load with ledger and checksum", "bare PUT and COPY"
_EVENTS = """
    select number + 1 as id, number % 250000 + 1 as user_id, ['pending', 'shipped', 'delivered'][number % 3 + 1] as status,
           (number * 7919 % 5000000)::decimal(18, 0) / 100 as total_amount,
           (number % 977) || ' Elm Street, Springfield, OR ' || (90000 + number % 9973) as shipping_address,
           timestamptz '2026-01-01 00:00:00+00' + to_microseconds(number * 84000) as created_at, created_at as updated_at,
           'INSERT' as __op, created_at as __ts_ms, created_at as __source_ts_ms, 1000 + number as __source_lsn,
           date '2026-01-01' as date, 'date=2026-01-01/part-0.parquet' as __source_file, number as __source_row
    from range({rows}) as numbers(number)
"""


def run(size: Size) -> Report:
    """The ratio of both, on one stand-in."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-load-"))
    settings = Settings(data_dir=folder)
    try:
        publish(settings, ROWS[size])
        with connect(settings) as connection:
            ensure_current(connection, load_contracts())
            timings = race(_contenders(settings, connection), ROUNDS[size], warm_up=1)
    finally:
        down(folder)
        shutil.rmtree(folder, ignore_errors=True)
    row = Row("load with ledger and checksum, beside bare PUT and COPY", ratio(timings, OURS, BARE), "×", Goal(1.5))
    return Report(
        "warehouse_load",
        "Loading Snowflake RAW: with ledger and checksum, and bare",
        size,
        {"rows": ROWS[size], "table": "orders"},
        (row,),
        {"one day": timings},
        dependencies=("snowflake-connector-python",),
    )


def publish(settings: Settings, rows: int) -> None:
    """One published day with so many orders, as the lakehouse leaves it."""
    iceberg = ensure_event_table(Lake.of(settings).catalog, Lake.of(settings), ORDERS)
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        events = engine.sql(_EVENTS.format(rows=rows)).to_arrow_table()
    schema: pa.Schema = iceberg.schema().as_arrow()
    iceberg.append(pa.table({field.name: events[field.name].cast(field.type) for field in schema}))
    snapshot = iceberg.current_snapshot()
    assert snapshot is not None
    record = DayRecord("orders", DAY, snapshot.snapshot_id, "benchmark", rows, rows, 0, 0, 1, 100, "benchmark")
    with tempfile.TemporaryDirectory() as scratch:  # Spark adds the hashes up while it writes the day
        groups = collect(iceberg, files_of_days(iceberg, [record])[DAY], Path(scratch))
        record = replace(record, checksum=contents_by_day(groups, ORDERS, [DAY])[DAY].checksum)
    with iceberg.transaction() as change:
        change.set_properties(published_properties(read_table_ledger("orders", iceberg), [record]))


def _contenders(settings: Settings, connection: SnowflakeConnection) -> list[Contender]:
    @contextmanager
    def opened() -> Iterator[SnowflakeConnection]:
        with connect(settings) as own:
            yield own

    def empty() -> None:
        for table in (ddl.raw_table("orders"), ddl.superseded_table("orders"), ddl.LOAD_LEDGER):
            execute(connection, f"delete from {table}")

    def ours() -> Outcome:
        return _timed(connection, lambda: load_table(LoadSource.of(settings), opened, ORDERS, [DAY], "benchmark"))

    def bare() -> Outcome:
        return _timed(connection, lambda: plain_load(settings))

    return [Contender(OURS, ours, empty), Contender(BARE, bare, empty)]


def plain_load(settings: Settings) -> None:
    """What a plain script would do with the day's files, over a connection of its own like the platform's load."""
    opened = open_table(Lake.of(settings), "orders")
    assert opened is not None
    stamps = {"LOADED_AT": f"'{datetime.now(UTC).replace(tzinfo=None)}'::timestamp_ntz", "BATCH_ID": "'bare'"}
    files = files_of_days(opened[0], [opened[1].published[DAY]])[DAY]
    with connect(settings) as connection:
        put_and_copy(connection, opened[0], files, ddl.raw_table("orders"), ORDERS.all_event_columns, stamps)


def _timed(connection: SnowflakeConnection, load: Callable[[], object]) -> Outcome:
    started = time.perf_counter()
    load()
    seconds = time.perf_counter() - started
    content = fetch_all(connection, load_sql.content_of_days("orders", ORDERS.all_event_columns, [DAY]))
    return Outcome(content, seconds)
