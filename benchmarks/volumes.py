"""What a day of orders is in bytes and rows, from landing to analytics.

What belongs here: sizes, counted in the files of one day's installation. What does not: seconds (whole_day), and what follows for
larger shops (simulate.py).
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import Contender, Outcome, Report, Row, Size, race
from benchmarks.installation import FIRST_DAY, Installation, installed
from ecommerce_platform.analytics.declared import TABLES
from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.lake import Lake

ORDERS = {Size.QUICK: 10_000, Size.FULL: 200_000}
LANDING, LAKE, ANALYTICS = "landing files", "Iceberg, and staged for RAW", "analytics"


def run(size: Size) -> Report:
    """Bytes and rows of each place, for each order of the day."""
    orders = ORDERS[size]
    counted: dict[str, tuple[int, int]] = {}

    def one_day() -> Outcome:
        with installed() as installation:
            events = installation.write_days(1, orders, users=orders // 10)
            day = installation.materialize(FIRST_DAY)
            counted.update(_counted(installation, events))
        return Outcome(seconds=day.seconds)

    race([Contender("one day", one_day)], 1)
    rows = [
        Row(f"{place}: {what}", value / orders, unit)
        for place, both in counted.items()
        for what, value, unit in _named(both)
    ]
    return Report("volumes", "What an order weighs", size, {"orders": orders, "days": 1}, tuple(rows))


def _named(counted: tuple[int, int]) -> tuple[tuple[str, int, str], ...]:
    size, rows = counted
    return (("bytes an order", size, " B"), ("rows an order", rows, ""))


def _counted(installation: Installation, events: int) -> dict[str, tuple[int, int]]:
    """Bytes and rows of each place."""
    settings = installation.settings
    landing = sum(file.stat().st_size for file in Path(settings.landing_uri).rglob("*.parquet"))
    tables = [f"{settings.lakehouse.namespace}.{table}" for table in source_tables()]
    analytics = [f"{settings.lakehouse.analytics_namespace}.{table}" for table in TABLES]
    return {
        LANDING: (landing, events),
        LAKE: _data_files(installation, tables),
        ANALYTICS: _data_files(installation, analytics),
    }


def _data_files(installation: Installation, tables: list[str]) -> tuple[int, int]:
    files = [task.file for name in tables for task in Lake.of(installation.settings).load(name).scan().plan_files()]
    return sum(file.file_size_in_bytes for file in files), sum(file.record_count for file in files)
