"""The marts of an installation on the cluster beside those of a run on this machine. What does not belong here: tests."""

from __future__ import annotations

import csv
import io
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ecommerce_platform_tests.kubernetes.cluster import PROJECT, Platform

#: Stamps of when a row was written, and by what: they differ between any two runs.
AUDIT = frozenset({"CREATED_AT", "LAST_UPDATED", "PROCESSED_AT", "LOADED_AT", "UPDATED_AT", "RUN_ID", "BATCH_ID"})
MARTS = ("daily_business_metrics", "customer_analytics", "customer_tier_analytics", "product_performance")

Rows = list[tuple[tuple[str, str], ...]]


def sorted_rows(rows: list[dict[str, str]]) -> Rows:
    """All columns of the rows but stamps, in an order of their own."""
    kept = [{name.upper(): value for name, value in row.items() if name.upper() not in AUDIT} for row in rows]
    return sorted(tuple(sorted(row.items())) for row in kept)


def _rows_here(data: Path, statement: str) -> list[dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ECOMMERCE_")}
    answer = subprocess.run(
        [PROJECT / ".venv/bin/ecommerce-platform", "sql", statement, "--format", "csv"],
        env=environment | {"ECOMMERCE_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return list(csv.DictReader(io.StringIO(answer)))


def both(platform: Platform, data: Path, mart: str) -> tuple[Rows, Rows]:
    """The rows of a mart: the cluster's, and those of the data directory."""
    statement = f"select * from marts.{mart}"
    with ThreadPoolExecutor(2) as pool:
        on_cluster, here = pool.submit(platform.rows, statement), pool.submit(_rows_here, data, statement)
        return sorted_rows(on_cluster.result()), sorted_rows(here.result())
