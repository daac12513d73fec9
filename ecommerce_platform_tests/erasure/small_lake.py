"""A lake of three days without Spark and servers, written by PyIceberg as ingestion leaves it, with a marked person in it.

What belongs here: making it, one try to forget, and what must be true after. What does not: the tests.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.erasure.erase import Request, erase_files
from ecommerce_platform.erasure.plan import plan_files, subject_of
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, scan
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.ledger import AuditedCounts, DayRecord, RefusedDay, read_ledger
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, ensure_quarantine_table, open_catalog
from ecommerce_platform.landing.files import LandingZone, list_table
from ecommerce_platform.landing.forgotten import ForgottenFiles, rewritten_files
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.erasure.marked import MARKER
from ecommerce_platform_tests.erasure.search import files_with

CONTRACTS = load_contracts()
FIRST, SECOND, THIRD = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def user(key: int | None, lsn: int, **changes: Any) -> dict[str, Any]:
    """A row of `users` as files have it; that of key 7 is marked."""
    name = MARKER if key == 7 else f"user {key}"
    row = {"id": key, "email": f"{name}@x.org", "first_name": name, "last_name": "L", "created_at": NOON}
    return {
        **row,
        "updated_at": NOON,
        "__op": "c",
        "__ts_ms": NOON,
        "__source_ts_ms": NOON,
        "__source_lsn": lsn,
        **changes,
    }


def order(key: int, user_id: int, lsn: int) -> dict[str, Any]:
    address = f"{MARKER} street" if user_id == 7 else "1 Main St"
    row = {"id": key, "user_id": user_id, "status": "pending", "total_amount": None, "shipping_address": address}
    return {
        **row,
        "created_at": NOON,
        "updated_at": NOON,
        "__op": "c",
        "__ts_ms": NOON,
        "__source_ts_ms": NOON,
        "__source_lsn": lsn,
    }


class SmallLake:
    """Landing files and what ingestion makes of them, without Spark."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.catalog = settings, open_catalog(Lake.of(settings))
        self.quarantine = ensure_quarantine_table(self.catalog, Lake.of(settings), CONTRACTS["users"])

    def land(self, table: str, day: date, rows: list[dict[str, Any]], name: str = "part-0.parquet") -> None:
        folder = f"{self.settings.landing_uri.removeprefix('s3://')}/{table}/date={day}"
        store = LandingZone.of(self.settings).filesystem()
        store.create_dir(folder, recursive=True)
        schema = pa.schema(
            [(name, pa.timestamp("us", "UTC")) for name in ("created_at", "updated_at", "__ts_ms", "__source_ts_ms")]
        )
        types = {field.name: field.type for field in schema} | {
            "id": pa.int64(),
            "user_id": pa.int64(),
            "__source_lsn": pa.int64(),
        }
        arrow_schema = pa.schema([(column, types.get(column, pa.string())) for column in rows[0]])
        pq.write_table(pa.Table.from_pylist(rows, arrow_schema), f"{folder}/{name}", filesystem=store)

    def content(self, table: str, day: date) -> str:
        return scan(Intake.of(self.settings), CONTRACTS[table], [day]).days[day].content_id

    def ingest(self, table: str, day: date, *, refused: bool = False) -> None:
        """Publishes what lies in landing, or refuses it on a branch."""
        arrival = scan(Intake.of(self.settings), CONTRACTS[table], [day]).days[day]
        rows = [
            {**row, "date": day, "__source_file": file.path, "__source_row": number}
            for file in arrival.files
            for number, row in enumerate(self._read(file.uri))
            if row["id"] is not None
        ]
        iceberg = ensure_event_table(self.catalog, Lake.of(self.settings), CONTRACTS[table])
        branch = publishing.audit_branch("run", 1)
        publishing.start_branch(self.catalog, iceberg, branch)
        iceberg = self.catalog.load_table(iceberg.name())
        arrow = pa.Table.from_pylist(rows, iceberg.schema().as_arrow())
        iceberg.overwrite(arrow, overwrite_filter=f"date = '{day}'", branch=branch)
        iceberg = self.catalog.load_table(iceberg.name())
        snapshot = publishing.branch_snapshot(iceberg, branch)
        if refused:
            name = publishing.refused_branch(day.isoformat(), arrival.content_id)
            counts = AuditedCounts(len(rows), len(rows), 0, 0, 0, 0, 1, 1, checksum="1")
            refusal = RefusedDay(table, day, "too many in quarantine", arrival.content_id, name, "run", counts)
            publishing.record_refusals(self.catalog, iceberg, [refusal], snapshot, drop=branch)
            return
        landed = arrival.rows
        record = DayRecord(
            table,
            day,
            snapshot,
            arrival.content_id,
            landed,
            len(rows),
            landed - len(rows),
            0,
            1,
            1,
            "run",
            checksum="1",
        )
        publishing.publish(self.catalog, iceberg, snapshot, [record])

    def _read(self, uri: str) -> list[dict[str, Any]]:
        return pq.read_table(
            uri.removeprefix("s3://"), filesystem=LandingZone.of(self.settings).filesystem()
        ).to_pylist()

    def put_in_quarantine(self, day: date, row: dict[str, Any], content: str) -> None:
        text = json.dumps({name: str(value) if value is not None else None for name, value in row.items()})
        item = {"date": day, "source_file": f"date={day}/part-0.parquet", "source_row": 1, "reason": "null_key"}
        item |= {
            "column_name": "id",
            "detail": "found nothing",
            "original_values": text,
            "run_id": "run",
            "content_id": content,
        }
        self.quarantine.append(pa.Table.from_pylist([item], self.quarantine.schema().as_arrow()))
        self.quarantine.refresh()

    def state(self) -> dict[str, Any]:
        """Everything but what is personal: rows of every branch, ledgers without names of contents and snapshots."""
        content: dict[str, Any] = {}
        for name in ("ecommerce.users", "ecommerce.orders", "quarantine.users"):
            table = self.catalog.load_table(name)
            for ref, reference in sorted(table.metadata.refs.items()):
                rows = table.scan(snapshot_id=reference.snapshot_id).to_arrow().to_pylist()
                hidden = ("email", "first_name", "shipping_address", "last_name", "original_values", "content_id")
                hers = [row for row in rows if 7 in (row.get("user_id"), row.get("id"))]
                rest = [row for row in rows if row not in hers]
                content[f"{name} {ref}"] = sorted(
                    [str({key: value for key, value in row.items() if key not in hidden}) for row in hers]
                    + [
                        str({key: value for key, value in row.items() if name.startswith("e") or key not in hidden})
                        for row in rest
                    ]
                )
        for table_name, ledger in read_ledger(Lake.of(self.settings), ["users", "orders"]).items():
            content[f"ledger {table_name}"] = [
                replace(item, content_id="", snapshot_id=0, checksum=None) for item in ledger.published.values()
            ] + [replace(item, content_id="", audited=None) for item in ledger.refused.values()]
        return content


def filled(settings: Settings) -> SmallLake:
    """Three days: one that was published twice, one with orders and a row in quarantine, one that is refused on its branch."""
    lake = SmallLake(settings)
    lake.land("users", FIRST, [user(7, 1), user(8, 2)])
    lake.ingest("users", FIRST)
    lake.land("users", FIRST, [user(7, 1), user(8, 2), user(9, 3)])
    lake.ingest("users", FIRST)
    lake.land("users", SECOND, [user(10, 20), user(None, 21, email=f"{MARKER}@x.org", first_name=MARKER)])
    lake.ingest("users", SECOND)
    lake.put_in_quarantine(
        SECOND, user(None, 21, email=f"{MARKER}@x.org", first_name=MARKER), lake.content("users", SECOND)
    )
    lake.land("users", THIRD, [user(7, 30), user(11, 31)])
    lake.ingest("users", THIRD, refused=True)
    lake.land("orders", SECOND, [order(70, 7, 40), order(80, 8, 41)])
    lake.ingest("orders", SECOND)
    return lake


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the erasure catches it."""


def forget(lake: SmallLake, die_at: int | None = None, alone: bool = False) -> list[str]:
    """One try; the steps that it reached."""
    steps: list[str] = []

    def reached(step: str) -> None:
        steps.append(step)
        if len(steps) == die_at:
            raise Killed(step)

    subject = subject_of(Lake.of(lake.settings), "users", 7)
    request = Request(lake.settings, "users", 7, "asked", "ada", "forget", alone=alone, reached=reached)
    erase_files(request, plan_files(Lake.of(lake.settings), LandingZone.of(lake.settings), subject))
    return steps


def assert_forgotten(lake: SmallLake, before: dict[str, Any]) -> None:
    assert files_with(lake.settings.data_dir, MARKER) == []
    assert lake.state() == before
    for table, days in (("users", (FIRST, SECOND)), ("orders", (SECOND,))):
        ledger = read_ledger(Lake.of(lake.settings), [table])[table]
        # A run of these days finds what is published: nothing is written, nothing is gone.
        assert {day: ledger.published[day].content_id for day in days} == {
            day: lake.content(table, day) for day in days
        }
    users = read_ledger(Lake.of(lake.settings), ["users"])["users"]
    assert users.refused[THIRD].content_id == lake.content("users", THIRD)
    # Of the days whose rows changed nobody knows the checksum; the other day has its own still.
    assert {day: record.checksum for day, record in users.published.items()} == {FIRST: None, SECOND: "1"}
    assert users.refused[THIRD].audited == AuditedCounts(2, 2, 0, 0, 0, 0, 1, 1)
    contents = set(lake.catalog.load_table("quarantine.users").scan().to_arrow().column("content_id").to_pylist())
    assert contents == {lake.content("users", SECOND)}
    assert (
        plan_files(
            Lake.of(lake.settings), LandingZone.of(lake.settings), subject_of(Lake.of(lake.settings), "users", 7)
        ).holdings
        == ()
    )
    rewritten = rewritten_files(ForgottenFiles.of(lake.settings))[0]
    for table in ("users", "orders"):
        listed = list_table(LandingZone.of(lake.settings), table).days.values()
        versions = {file.path: file.version for files in listed for file in files}
        assert rewritten[table]
        assert {path: after for path, (_, after) in rewritten[table].items()}.items() <= versions.items()
