"""Change events to the latest state with Polars, committed by PyIceberg; run by .venv-benchmarks: with_polars.py LANDING LAKE

What belongs here: the work as a good engineer would write it without the platform. Runs without the platform's packages.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import polars as pl
from pyiceberg.catalog.sql import SqlCatalog

STATE = ("id", "user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at")


def main(landing: str, lake: Path) -> None:
    """Events and state as Iceberg tables of a new catalog."""
    lake.mkdir(parents=True)
    catalog = SqlCatalog("iceberg", uri=f"sqlite:///{lake}/catalog.db", warehouse=f"file://{lake}/warehouse")
    catalog.create_namespace("shop")
    started = time.perf_counter()
    events = (
        pl.scan_parquet(f"{landing}/*.parquet")
        .with_columns(
            pl.col("total_amount").cast(pl.Decimal(10, 2)),
            *(pl.from_epoch(name, "us") for name in ("created_at", "updated_at")),
            *(pl.from_epoch(name, "ms") for name in ("__ts_ms", "__source_ts_ms")),
        )
        .unique()
        .collect()
    )
    state = events.sort("__source_lsn", "__ts_ms").unique("id", keep="last").filter(pl.col("__op") != "d").select(STATE)
    for name, frame in (("orders", events), ("orders_now", state)):
        arrow = frame.to_arrow()
        table = catalog.create_table(f"shop.{name}", arrow.schema)
        table.append(arrow)
    seconds = time.perf_counter() - started
    files = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    print(json.dumps({"seconds": seconds, "files": files}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
