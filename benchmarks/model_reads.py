"""How many rows each dbt model reads of each table for one new day after a long history, and for the first build.

What belongs here: the shop, the two builds, their figures. What does not: the server that counts (profiled_snowflake.py).

    python -m benchmarks.model_reads [--days 400] [--orders 200]     writes docs/model-reads.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.long_shop import FIRST_DAY, Shop
from benchmarks.profiled_snowflake import ROW_GROUP_SIZE
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.stand_ins.servers import down, ensure_snowflake
from ecommerce_platform.transformation.builds.applied import mark_applied, read_build_state
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest, prepare_manifest
from ecommerce_platform.warehouse.schema.upgrade import ensure_current, initialise_account
from ecommerce_platform.warehouse.sql.connection import connect, fetch_all

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "model-reads.md"
_START_SECONDS = 60.0

#: Rows of a build by model and table.
Reads = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Warehouse:
    """A stand-in that counts, with a parsed project."""

    settings: Settings
    profile: Path

    def build(self, connection: SnowflakeConnection, full_refresh: bool = False) -> Reads:
        """Builds and marks what is loaded; rows read by model and table."""
        definition = definition_digest(DbtProject.of(self.settings))
        opener = partial(connect, self.settings)
        with exclusive_build(
            self.settings.dbt, self.settings.snowflake, connection, opener, "reads", lambda line: None
        ) as lease:
            read_build_state(connection)
            self.profile.write_text("", encoding="utf-8")
            run_dbt(self.settings, DbtRequest(command="run", full_refresh=full_refresh), "reads", lease)
            mark_applied(connection, definition, lease)
        return self._reads()

    def _reads(self) -> Reads:
        reads: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in self.profile.read_text(encoding="utf-8").splitlines():
            read = json.loads(line)
            reads[read["model"]][read["table"]] += read["rows"]
        return reads


@contextmanager
def counting_warehouse(folder: Path) -> Iterator[Warehouse]:
    """An empty warehouse below the folder, ended afterwards."""
    profile = folder / "profile.jsonl"
    settings = load_settings(
        data_dir=folder / "data", dbt={"target_path": str(folder / "target")}, start_date=FIRST_DAY
    )
    settings.data_dir.mkdir(parents=True)
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.profiled_snowflake", "--data-dir", str(settings.data_dir), str(profile)],
            cwd=PROJECT,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        state = settings.data_dir / "run" / "snowflake.json"
        while not state.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the stand-in did not start:\n{(folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.05)
        ensure_snowflake(settings.data_dir)
        initialise_account(settings)
        prepare_manifest(DbtProject.of(settings))
        yield Warehouse(settings, profile)
    finally:
        down(settings.data_dir)
        server.wait()


def rows_of(connection: SnowflakeConnection, tables: Iterable[str]) -> dict[str, int]:
    """How many rows each of the tables has."""
    return {table: int(fetch_all(connection, f"select count(*) from {table}")[0][0]) for table in tables}


def measured(shop: Shop, days: int) -> tuple[Reads, Mapping[str, int]]:
    """Reads of the day after `days` days, and the rows of the tables then. The day before it is built alone, too."""
    with (
        tempfile.TemporaryDirectory() as folder,
        counting_warehouse(Path(folder)) as warehouse,
        connect(warehouse.settings) as connection,
    ):
        ensure_current(connection)
        shop.load(connection, 0, days - 2)
        warehouse.build(connection, full_refresh=True)
        for day in (days - 1, days):
            shop.load(connection, day, day)
            reads = warehouse.build(connection)
        return reads, rows_of(connection, sorted({table for read in reads.values() for table in read}))


_PAGE = """# What each model reads on a day

This page is written by `python -m benchmarks.model_reads`; do not edit it.

One new day of {orders} orders after {days} days, built by dbt on the Snowflake stand-in with row groups of {group:,} rows.
Counted are the rows of the row groups that DuckDB did not leave out, as often as a statement reads them: 200 % of a table is
two readings of all of it. Snowflake leaves out micro-partitions by the same means, by the least and the greatest value of a
column; its figures for a real account are [below](#in-an-account-of-your-own).
[Decision 0029](decisions/0029-rows-that-a-change-concerns.md) says how models find what to read, and which of them read whole
tables, and why.

| table | rows read | of the table's rows |
|---|---|---|
{tables}

By model, the tables of more than {large:,} rows:

| model | rows read | of which |
|---|---|---|
{models}

## In an account of your own

dbt names the model in a comment of each statement, and Snowflake keeps what each statement scanned for a year (it shows up to
45 minutes late; the role needs `IMPORTED PRIVILEGES` on the database `SNOWFLAKE`):

```sql
select
    regexp_substr(query_text, '"node_id": "([^"]+)"', 1, 1, 'e') as model,
    query_type,
    sum(bytes_scanned) as bytes_scanned,
    sum(partitions_scanned) as partitions_scanned,
    sum(partitions_total) as partitions_total,
    sum(total_elapsed_time) / 1000 as seconds
from snowflake.account_usage.query_history
where
    start_time > dateadd('day', -1, current_timestamp())
    and database_name = 'ECOMMERCE_DW'
    and query_text like '%"app": "dbt"%'
group by 1, 2
order by bytes_scanned desc;
```
"""
_LARGE = 10_000


def page(shop: Shop, days: int, reads: Reads, rows: Mapping[str, int]) -> str:
    """The page's text."""
    by_table = {table: sum(read.get(table, 0) for read in reads.values()) for table in rows}
    tables = [
        f"| `{table}` | {by_table[table]:,} | {by_table[table] / rows[table]:.0%} of {rows[table]:,} |"
        for table in sorted(by_table, key=lambda name: -by_table[name])
        if rows[table] > _LARGE
    ]
    models = []
    for model, read in sorted(reads.items(), key=lambda entry: -sum(entry[1].values())):
        large = sorted((table for table in read if rows[table] > _LARGE), key=lambda name: -read[name])
        shares = ", ".join(f"`{table}` {read[table] / rows[table]:.0%}" for table in large)
        models.append(f"| `{model}` | {sum(read.values()):,} | {shares} |")
    return _PAGE.format(
        orders=shop.orders,
        days=days,
        group=ROW_GROUP_SIZE,
        large=_LARGE,
        tables="\n".join(tables),
        models="\n".join(models),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    shop = Shop(options.orders)
    reads, rows = measured(shop, options.days)
    options.page.write_text(page(shop, options.days, reads, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
