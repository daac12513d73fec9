"""A full download with a join, in a process of its own: python -m benchmarks.reconciliation.download FOLDER

What belongs here: what someone without any tool would write: both tables as Arrow, joined on the key in DuckDB.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import bytes_moved
from benchmarks.reconciliation.data import connect_both, settings_of

_COLUMNS = ("id", "user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at")


def main(folder: Path) -> None:
    """All orders of both sides into memory; ids that differ in any column, or that one side lacks."""
    client, connection = connect_both(settings_of(folder))
    bytes_moved.install()
    started, cpu = time.perf_counter(), time.process_time()
    names = ", ".join(_COLUMNS)
    speed = client.query_arrow(f"select {names} from orders_now", use_strings=True)
    cursor = connection.cursor()
    cursor.execute(f"select {names} from staging.orders_enhanced")
    batch: Any = cursor.fetch_arrow_all()
    batch = batch.rename_columns([name.lower() for name in batch.column_names])
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        engine.register("speed", speed)
        engine.register("batch", batch)
        values = [
            f"speed.{name}::timestamp is distinct from batch.{name}::timestamp"
            if name.endswith("_at")
            else f"speed.{name} is distinct from batch.{name}"
            for name in _COLUMNS
        ]
        rows = engine.execute(
            "select coalesce(speed.id, batch.id)::bigint from speed full join batch on speed.id = batch.id "
            f"where {' or '.join(values)} order by 1"
        ).fetchall()
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu
    keys = [key for (key,) in rows]
    print(json.dumps({"keys": keys, "seconds": seconds, "cpu_seconds": cpu_seconds, "bytes": bytes_moved.received()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
