"""Change events to the latest state of each key: beside DuckDB without a table format, and beside PyIceberg with Polars.

What belongs here: the landing files and the contenders. What does not: how they are measured (harness.py).

All begin with the same Parquet files of change events (five for each order, one in a hundred delivered twice, one order in fifty
deleted in the end) and leave a table with the latest state of each order. The platform keeps the events, too: decoded by the
contract, without duplicates, in an Iceberg table, committed to a branch, audited and published with a ledger; then the state is
computed from what was published and committed to Iceberg. DuckDB reads Parquet and writes Parquet, once. PyIceberg with Polars
(with_polars.py) commits events and state to Iceberg, without branch, audit and ledger.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlparse
from uuid import uuid4

import duckdb
from pyspark.sql import SparkSession

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, race, ratio, run_child
from ecommerce_platform.analytics.state import latest_state
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest
from ecommerce_platform.lakehouse.ingest.tables import open_catalog
from ecommerce_platform.settings import Settings, SparkSettings
from ecommerce_platform.spark.session import build_session, stop_session

PROJECT = Path(__file__).resolve().parent.parent
OTHER_PYTHON = PROJECT / ".venv-benchmarks" / "bin" / "python"
DAY = date(2026, 1, 1)
ORDERS = load_contracts()["orders"]
KEYS = {Size.QUICK: 40_000, Size.FULL: 1_000_000}
EVENTS_A_KEY = 5
ROUNDS = {Size.QUICK: 3, Size.FULL: 5}
FILES = 4
OURS, DUCKDB, POLARS = "ecommerce-platform", "DuckDB, Parquet to Parquet", "PyIceberg + Polars"
COLD = "ecommerce-platform, a new process"
STATE = "benchmark.orders_now"
_EVENTS = """
    with events as (
        select number as position, number % {keys} as key, number // {keys} as version
        from range({keys} * {versions}) as numbers(number)
    )
    select key + 1 as id, key % 250000 + 1 as user_id,
           ['pending', 'processing', 'shipped', 'delivered', 'delivered'][version + 1] as status,
           ((key * 7919 + version * 104729) % 5000000 / 100)::decimal(10, 2)::varchar as total_amount,
           (key % 977) || ' Elm Street, Springfield, OR ' || (90000 + key % 9973) as shipping_address,
           1767225600000000 + key * 80000 as created_at, 1767225600000000 + key * 80000 + version * 3600000000 as updated_at,
           case when version = 0 then 'c' when version = {versions} - 1 and key % 50 = 7 then 'd' else 'u' end as __op,
           1767225600000 + position * 15 as __ts_ms, 1767225600000 + position * 15 as __source_ts_ms,
           1000 + position as __source_lsn
    from events
"""
_LATEST = """
    with latest as (
        select arg_max(event, event.__source_lsn * 4096 + event.__ts_ms % 4096) as event
        from (select id, struct_pack(id, user_id, status, total_amount := total_amount::decimal(10, 2), shipping_address,
                     created_at := make_timestamp(created_at), updated_at := make_timestamp(updated_at), __op,
                     __source_lsn, __ts_ms) as event
              from (select distinct * from read_parquet('{files}')))
        group by id
    )
    select event.id, event.user_id, event.status, event.total_amount, event.shipping_address, event.created_at, event.updated_at
    from latest where event.__op <> 'd'
"""
_SUMMARY = (
    "count(*), sum(id), sum(user_id), sum(total_amount)::varchar, count(distinct status), max(updated_at::timestamp)"
)


def run(size: Size) -> Report:
    """Events a second, as a ratio of medians; each round is a day that is new.
    Spark's session is there already, as within a run; beside it a new process."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-events-"))
    try:
        settings = Settings(data_dir=folder / "data", spark=SparkSettings(engine="process"))
        events = write_landing(settings, KEYS[size])
        contenders = [_ours(settings), _duckdb(settings, folder), _polars(settings, folder), _cold(settings)]
        timings = race(contenders, ROUNDS[size], warm_up=1)
    finally:
        stop_session()
        shutil.rmtree(folder, ignore_errors=True)
    ours, duck = (f"{events / timings[name].median:,.0f}" for name in (OURS, DUCKDB))
    note = f"The platform took {ours} events a second, DuckDB {duck}."
    rows = (
        Row("events a second, of DuckDB's", ratio(timings, DUCKDB, OURS), "×", Goal(0.35, at_least=True), note),
        Row(
            "events a second, of DuckDB's, with the start of Python and Spark",
            ratio(timings, DUCKDB, COLD),
            "×",
            Goal(0.25, at_least=True),
        ),
        Row("events a second, of PyIceberg's and Polars'", ratio(timings, POLARS, OURS), "×"),
    )
    data = {"events": events, "keys": KEYS[size], "files": FILES}
    title = "Change events to latest state, committed, audited and published"
    return Report("change_events", title, size, data, rows, {"one day": timings}, dependencies=("polars",))


def write_landing(settings: Settings, keys: int) -> int:
    """The day's files as the sample shop has them; returns the number of rows."""
    folder = Path(settings.landing_uri) / "orders" / f"date={DAY}"
    folder.mkdir(parents=True)
    sql = _EVENTS.format(keys=keys, versions=EVENTS_A_KEY)
    with duckdb.connect() as engine:
        engine.execute(f"create table events as {sql}")
        engine.execute("insert into events select * from events where __source_lsn % 100 = 3")
        (rows,) = engine.execute("select count(*) from events").fetchone() or (0,)
        for number in range(FILES):
            part = f"select * from events where hash(id) % {FILES} = {number} order by __source_lsn"
            engine.execute(f"copy ({part}) to '{folder}/part-{number}.parquet' (format parquet)")
    return int(rows)


def summary(files: str) -> object:
    """What a state's Parquet files hold, in a few figures."""
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        return engine.execute(f"select {_SUMMARY} from read_parquet('{files}')").fetchone()


def _ours(settings: Settings) -> Contender:
    spark = build_session(settings)
    return _platform(OURS, settings, lambda: one_day(settings, spark))


def _cold(settings: Settings) -> Contender:
    command = [sys.executable, "-m", "benchmarks.change_events", str(settings.data_dir)]
    return _platform(COLD, settings, lambda: run_child(command, PROJECT).answer)


def _platform(name: str, settings: Settings, day: Callable[[], Mapping[str, float]]) -> Contender:
    def work() -> Outcome:
        started = time.perf_counter()
        figures = day()
        seconds = time.perf_counter() - started
        return Outcome(_state(settings), seconds, figures)

    return Contender(name, work, lambda: drop_day(settings))


def drop_day(settings: Settings) -> None:
    """Drops what was published, so that the next round publishes a new day: one that is there already is compared event for
    event with what replaces it, which takes a quarter of the time.
    """
    lake = Lake.of(settings)
    catalog = open_catalog(lake)
    for table in (lake.events("orders"), lake.quarantine("orders"), STATE):
        if catalog.table_exists(table):
            catalog.purge_table(table)


def one_day(settings: Settings, spark: SparkSession) -> dict[str, float]:
    """The day's events into Iceberg, published, and their latest state; seconds of both."""
    names = [column.name for column in ORDERS.columns]
    catalog = settings.lakehouse.catalog_name
    started = time.perf_counter()
    job = Ingest(Lake.of(settings), Intake.of(settings), lambda: spark, uuid4().hex)
    result = ingest(job, [DAY], ["orders"])["orders"]
    ingested = time.perf_counter()
    if result.refused:
        raise RuntimeError(f"the day was refused: {result.refused[DAY].reason}")
    spark.sql(f"create namespace if not exists {catalog}.benchmark")
    state = latest_state(spark.table(f"{catalog}.{settings.lakehouse.namespace}.orders"), ORDERS, names)
    state.writeTo(f"{catalog}.{STATE}").createOrReplace()
    ended = time.perf_counter()
    return {"ingest_seconds": round(ingested - started, 2), "state_seconds": round(ended - ingested, 2)}


def _state(settings: Settings) -> object:
    tasks = open_catalog(Lake.of(settings)).load_table(STATE).scan().plan_files()
    return _summary_of([unquote(urlparse(task.file.file_path).path) for task in tasks])


def _summary_of(files: list[str]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            (Path(folder) / f"{number}.parquet").symlink_to(file)
        return summary(f"{folder}/*.parquet")


def _duckdb(settings: Settings, folder: Path) -> Contender:
    target = folder / "duckdb.parquet"
    sql = _LATEST.format(files=f"{settings.landing_uri}/orders/date={DAY}/*.parquet")

    def work() -> Outcome:
        started = time.perf_counter()
        with duckdb.connect() as engine:
            engine.execute(f"copy ({sql}) to '{target}' (format parquet)")
        seconds = time.perf_counter() - started
        return Outcome(summary(str(target)), seconds)

    return Contender(DUCKDB, work, lambda: target.unlink(missing_ok=True))


def _polars(settings: Settings, folder: Path) -> Contender:
    lake = folder / "polars"
    program = str(Path(__file__).with_name("with_polars.py"))
    command = [str(OTHER_PYTHON), program, f"{settings.landing_uri}/orders/date={DAY}", str(lake)]

    def work() -> Outcome:
        child = run_child(command, PROJECT)
        return Outcome(_summary_of(child.answer["files"]), child.answer["seconds"])

    return Contender(POLARS, work, lambda: shutil.rmtree(lake, ignore_errors=True))


def main(data_dir: str) -> None:
    """The day in this process, with a Spark of its own; prints its seconds as JSON."""
    settings = Settings(data_dir=Path(data_dir), spark=SparkSettings(engine="process"))
    figures = one_day(settings, build_session(settings))
    stop_session()
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
