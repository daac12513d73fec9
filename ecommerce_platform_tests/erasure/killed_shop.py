"""The small shop of the trials that kill `forget`: a marked person in every place, kept as a folder, and what must be true after.

What belongs here: making it, putting it back, and looking. What does not: killing (kills.py).
"""

from __future__ import annotations

import json
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform.demo.steps import load_speed_layer, write_sample
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.reconciliation.layers.clickhouse import connect as clickhouse
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all
from ecommerce_platform_tests.end_to_end.oracle import Thresholds, truth
from ecommerce_platform_tests.end_to_end.platform import Platform, assert_spark_agrees, disagreements
from ecommerce_platform_tests.erasure.marked import MARKER, busiest, mark
from ecommerce_platform_tests.erasure.search import files_with, tables_with

DAYS = tuple(date(2026, 1, number) for number in range(1, 4))
#: One row of few is in quarantine: the days are published all the same.
QUARANTINED = "0.5"
#: What all processes of the trials have in their environment.
ENVIRONMENT = {"ECOMMERCE_LANDING__MAX_QUARANTINED_SHARE": QUARANTINED, "ECOMMERCE_SPARK__DRIVER_MEMORY": "768m"}
#: When a row came, by which load, content or build, and who held a lock: other in each installation.
_STAMPS = {
    *("loaded_at", "batch_id", "processed_at", "created_at_audit", "last_updated", "applied_at", "restated_at"),
    *("content_id", "checksum", "iceberg_snapshot_id", "run_id", "cause", "invocation_id", "frozen_by"),
    *("taken_at", "acquired_at", "expires_at", "generation", "owner", "token", "process"),
}
_MARK_OF_A_BUILD = "frozen by "


class KilledShop:
    """Two days in the platform and a third to come; a late file of day 1 is loaded and not yet built, so that rows are
    superseded; a staged file and a copy in scratch lie as killed loads leave them.
    """

    def __init__(self, work: Path) -> None:
        self.data, self.kept, self.to_come = work / "data", work / "kept", work / "to_come"
        self.reference, self.person = work / "reference.json", work / "person.json"

    @property
    def key(self) -> int:
        return int(json.loads(self.person.read_text()))

    @property
    def settings(self) -> Settings:
        return load_settings(data_dir=self.data)

    def make(self) -> None:
        settings = self.settings
        write_sample(settings, days=3, orders_per_day=5, seed=4, faults=False, overwrite=True, say=lambda line: None)
        landing = self.data / "landing"
        key = busiest(landing)
        self.person.write_text(json.dumps(key))
        _put_in_quarantine(next(landing.glob("users/date=2026-01-01/*.parquet")), key)
        patterns = ("landing/users/*/*.parquet", "landing/orders/*/*.parquet", "realtime/*.parquet")
        assert sum(mark(path, key) for pattern in patterns for path in self.data.glob(pattern)) > 3
        for path in landing.glob("*/date=2026-01-03"):
            target = self.to_come / path.parent.name
            target.mkdir(parents=True)
            shutil.move(path, target / path.name)
        load_speed_layer(settings, settings.realtime_dir)
        platform = Platform(settings)
        first = platform.run(DAYS[0], DAYS[1], with_checks=False)
        assert first.success, first
        self._late_file()
        scratch = self.data / "scratch" / "warehouse" / "load-killed"
        scratch.mkdir(parents=True)
        (scratch / "fetched-0.parquet").write_bytes(MARKER.encode())
        places = tables_with(settings, MARKER)
        assert {"RAW.SUPERSEDED_ORDERS", "RAW.ORDERS", "MARTS.CUSTOMER_ANALYTICS"} <= set(places), places
        held = Lake.of(settings).load("quarantine.users").scan().to_arrow().column("original_values").to_pylist()
        assert any(MARKER in row for row in held)

    def _late_file(self) -> None:
        """The person's orders of day 1 once more, in a late file: the day is loaded again, with what it replaces."""
        from ecommerce_platform.lakehouse.ingest.ingestion import ingest
        from ecommerce_platform.lakehouse.ingest.job import Ingest
        from ecommerce_platform.spark.session import build_session
        from ecommerce_platform.warehouse.load.days import load_tables

        source = next((self.data / "landing/orders/date=2026-01-01").glob("*.parquet"))
        rows = pq.read_table(source)
        hers = rows.filter(pa.array([str(value) == str(self.key) for value in rows.column("user_id").to_pylist()]))
        assert hers.num_rows
        pq.write_table(_bumped(hers), source.with_name("late.parquet"))
        settings = self.settings
        ingest(Ingest(Lake.of(settings), Intake.of(settings), lambda: build_session(settings), "late"), DAYS[:1])
        load_tables(LoadSource.of(settings), lambda: connect(settings, "late"), ["orders"], DAYS[:1], "late")

    def stage(self) -> None:
        """A file as a load that is killed leaves it on the stage, which ends with the stand-in."""
        with connect(self.settings) as connection:
            execute(connection, load_sql.put(self.data / "scratch" / "warehouse" / "load-killed", "killed/0"))

    def down(self) -> None:
        down(self.data)

    def keep(self) -> None:
        self.down()
        shutil.copytree(self.data, self.kept, symlinks=True)  # ClickHouse keeps its databases by links

    def put_back(self) -> None:
        self.down()
        shutil.rmtree(self.data)
        shutil.copytree(self.kept, self.data, symlinks=True)

    def look(self, first: bool = False, next_day: bool = True) -> list[str]:
        """What is wrong after a `forget` that came to its end, and after the next day; `first` keeps the states to compare."""
        settings = self.settings
        problems = [f"marker in {item}" for item in files_with(self.data, MARKER) + tables_with(settings, MARKER)]
        platform = Platform(settings)
        problems += [f"restated: {row}" for row in platform.query("select * from marts.restatements")]
        states = {"forgotten": self._state(platform)}
        if next_day:
            problems += self._run_the_next_day(platform)
            states["next day"] = self._state(platform)
        if first:
            self.reference.write_text(json.dumps(states))
        else:
            problems += _differences(json.loads(self.reference.read_text()), states)
        return problems or ["none"]

    def _run_the_next_day(self, platform: Platform) -> list[str]:
        for path in self.to_come.glob("*/*"):
            shutil.copytree(path, self.data / "landing" / path.parent.name / path.name)
        run = platform.run(DAYS[2], with_checks=False)
        problems = [] if run.success else [f"the next day failed: {run}"]
        problems += [f"marker in {item} after the next day" for item in tables_with(self.settings, MARKER)]
        return problems + self._against_the_oracle(platform)

    def _against_the_oracle(self, platform: Platform) -> list[str]:
        landing = self.data / "landing"
        expected = truth(landing, DAYS, Thresholds(max_quarantined_share=Decimal(QUARANTINED)))
        lines = disagreements(platform.tables(), expected)
        if platform.counts() != dict(expected.counts):
            lines.append(f"counts: {platform.counts()}, expected {dict(expected.counts)}")
        try:
            assert_spark_agrees(platform)
        except AssertionError as error:
            lines.append(str(error))
        return lines

    def _state(self, platform: Platform) -> dict[str, list[str]]:
        """Every row of every table of warehouse, lake and speed layer, but for stamps."""
        settings, state = self.settings, {}
        with connect(settings) as connection:
            schemas = "('RAW', 'STAGING', 'INTERMEDIATE', 'MARTS')"
            sql = f"select table_schema, table_name from information_schema.tables where table_schema in {schemas}"
            names = [f'{schema}."{table}"' for schema, table in fetch_all(connection, sql)]
        for name in sorted(names):
            state[name] = _plain(platform.query(f"select * from {name}"), name)
        for table, ledger in read_ledger(Lake.of(settings)).items():
            state[f"lake {table}"] = _plain(platform.events(table))
            state[f"ledger {table}"] = [
                f"{day} {item.landed} {item.published} {item.quarantined} {item.duplicates}"
                for day, item in sorted(ledger.published.items())
            ]
        for table in ("users", "orders"):
            rows = Lake.of(settings).load(f"quarantine.{table}").scan().to_arrow().to_pylist()
            state[f"quarantine {table}"] = _plain(rows)
        client = clickhouse(settings)
        try:
            state["speed layer"] = sorted(map(str, client.query("select * from orders_realtime").result_rows))
        finally:
            client.close()
        return state


def _plain(rows: list[dict[str, Any]], name: str = "") -> list[str]:
    stamps = _STAMPS | ({"created_at"} if name.startswith("MARTS") else set())
    kept = [row for row in rows if not str(row.get("entity", "")).startswith(_MARK_OF_A_BUILD)]
    return sorted(str({key: value for key, value in row.items() if key not in stamps}) for row in kept)


def _differences(expected: dict[str, dict[str, list[str]]], actual: dict[str, dict[str, list[str]]]) -> list[str]:
    problems = []
    for moment, tables in actual.items():
        for name in sorted({*tables, *expected[moment]}):
            held, kept = tables.get(name, []), expected[moment].get(name, [])
            before, now = set(kept), set(held)
            if kept != held:
                examples = [*sorted(before - now)[:1], *sorted(now - before)[:1]]
                problems.append(f"{moment}: {name} has {len(held)} rows, without a kill {len(kept)}: {examples}")
    return problems


def _put_in_quarantine(path: Path, key: int) -> None:
    """One more row of the person, whose key is lost: all its personal values are the person's."""
    rows = pq.read_table(path)
    files = sorted(path.parents[1].rglob("*.parquet"))
    own = next(row for file in files for row in pq.read_table(file).to_pylist() if str(row["id"]) == str(key))
    lost = own | {"id": None}
    for name in ("email", "first_name", "last_name"):
        lost[name] = f"{MARKER} {own[name]}"
    pq.write_table(pa.concat_tables([rows, pa.Table.from_pylist([lost], rows.schema)]), path)


def _bumped(rows: pa.Table) -> pa.Table:
    """The rows as later versions."""
    number = rows.schema.get_field_index("__source_lsn")
    kind = rows.schema.field(number).type
    later = [None if value is None else int(value) + 1 for value in rows.column("__source_lsn").to_pylist()]
    return rows.set_column(number, rows.schema.field(number), pa.array(later, pa.int64()).cast(kind))
