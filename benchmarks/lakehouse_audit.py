"""What the audit and the publication cost: a day written alone, and the same day written, audited and published.

What belongs here: the day's files and the two contenders. What does not: how they are measured (harness.py).

Both decode the same landing files by the contract, set unfit rows aside, drop duplicates, and write the day to Iceberg in one
commit. One of them stops there. The other is the platform's own ingestion: footers and digests of the files, a branch, the rows
for quarantine, the audit, the publication with its ledger, and the look whether a file has moved meanwhile.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.change_events import drop_day
from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, Timing, race, ratio
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, scan
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.lakehouse.ingest.write import write_events
from ecommerce_platform.settings import Settings, SparkSettings
from ecommerce_platform.spark.session import build_session

DAY = date(2026, 1, 1)
ORDERS = load_contracts()["orders"]
FILES = 4
#: Of so many rows one has no log sequence number, and of so many one is delivered twice.
UNFIT_EVERY, TWICE_EVERY = 1000, 100
_NOON = 1767268800000
_CPU = "cpu_seconds"
_ALONE, _PUBLISHED = "written alone", "written, audited, published"


def run(size: Size) -> Report:
    """Ratio of the medians, with and without rows for quarantine."""
    rows, rounds = (1_000_000, 7) if size is Size.FULL else (100_000, 3)
    cases = {"good": (rows, False), "dirty": (rows, True)}
    timings = {name: _measure(*case, rounds) for name, case in cases.items()}
    goal = Goal(1.25) if size is Size.FULL else None
    return Report(
        "lakehouse_audit",
        "A day in the lakehouse: writing alone against writing, audit and publication",
        size,
        {"rows": rows, "files": FILES, "table": "orders", "unfit_every": UNFIT_EVERY, "twice_every": TWICE_EVERY},
        (
            Row(
                "audit and publication, wall time against writing alone",
                ratio(timings["good"], _PUBLISHED, _ALONE),
                "×",
                goal,
            ),
            Row(
                "the same with one row in a thousand in quarantine",
                ratio(timings["dirty"], _PUBLISHED, _ALONE),
                "×",
                note="the rows for quarantine are written, too; writing alone only counts them",
            ),
            *(
                Row(
                    f"processor time of all processes against writing alone, {name}",
                    timing[_PUBLISHED].figures[_CPU] / timing[_ALONE].figures[_CPU],
                    "×",
                )
                for name, timing in timings.items()
            ),
        ),
        timings,
    )


def _measure(rows: int, dirty: bool, rounds: int) -> dict[str, Timing]:
    with tempfile.TemporaryDirectory(prefix="lakehouse-audit-") as folder:
        settings = Settings(data_dir=Path(folder), spark=SparkSettings(engine="process"))
        write_landing(settings, rows, dirty)
        spark = build_session(settings)
        catalog = open_catalog(Lake.of(settings))
        arrivals = list(scan(Intake.of(settings), ORDERS, [DAY]).days.values())
        runs = iter(range(1_000))

        def alone() -> int:
            write_events(spark, Lake.of(settings), ORDERS, arrivals, "alone", "benchmark")
            table = catalog.load_table(Lake.of(settings).events("orders"))
            return table.scan(snapshot_id=publishing.branch_snapshot(table, "alone")).count()

        def published() -> int:
            job = Ingest(Lake.of(settings), Intake.of(settings), lambda: spark, f"benchmark{next(runs)}")
            return ingest(job, [DAY], ["orders"])["orders"].records[DAY].published

        def new_branch() -> None:
            drop_day(settings)
            table = ensure_event_table(catalog, Lake.of(settings), ORDERS)
            publishing.start_branch(catalog, table, "alone")

        contenders = [
            Contender(_ALONE, _with_cpu(alone), new_branch),
            Contender(_PUBLISHED, _with_cpu(published), lambda: drop_day(settings)),
        ]
        return race(contenders, rounds, warm_up=1)


def _with_cpu(work: Callable[[], int]) -> Callable[[], Outcome]:
    """The work, with the processor time that it took: on a busy machine that says more than the wall time."""

    def run() -> Outcome:
        before = _cpu_seconds()
        rows = work()
        return Outcome(rows, figures={_CPU: _cpu_seconds() - before})

    return run


def _cpu_seconds() -> float:
    """Processor time of this process and of the processes that it started: Spark's is one of them."""
    parents, spent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        pid = int(stat.parent.name)
        parents[pid], spent[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    mine = {os.getpid()}
    while children := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= children
    return sum(spent.get(pid, 0) for pid in mine) / os.sysconf("SC_CLK_TCK")


def write_landing(settings: Settings, rows: int, dirty: bool) -> None:
    """The day's files, as the sample shop has them: money as text, times as numbers."""
    chance = np.random.default_rng(1)
    amounts = pa.array([str(Decimal(int(cents)) / 100) for cents in chance.integers(100, 500_000, 10_000)])
    streets = pa.array([f"{number} Elm Street, Springfield, OR {90000 + number}" for number in range(10_000)])
    folder = Path(settings.landing_uri) / "orders" / f"date={DAY}"
    folder.mkdir(parents=True)
    for file, keys in enumerate(np.array_split(np.arange(rows), FILES)):
        events = keys - (keys % TWICE_EVERY == 1) if dirty else keys
        times = pa.array(_NOON + events % 43_200_000)
        lsn = pa.array(1_000_000 + events, mask=(keys % UNFIT_EVERY == 0) if dirty else None)
        content = pa.table(
            {
                "id": pa.array(events // 2 + 1),
                "user_id": pa.array(events % 250_000 + 1),
                "status": pa.array(["pending", "shipped"]).take(pa.array(events % 2)),
                "total_amount": amounts.take(pa.array(events % 10_000)),
                "shipping_address": streets.take(pa.array(events * 7 % 10_000)),
                "created_at": pa.array((_NOON + events % 43_200_000) * 1000),
                "updated_at": pa.array((_NOON + events % 43_200_000) * 1000),
                "__op": pa.array(["c", "u"]).take(pa.array(events % 2)),
                "__ts_ms": times,
                "__source_ts_ms": times,
                "__source_lsn": lsn,
            }
        )
        pq.write_table(content, folder / f"part-{file}.parquet")
