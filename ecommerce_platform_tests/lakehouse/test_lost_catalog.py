"""A catalog that is lost, foreign or old costs no file of the lake: everything that would write or remove refuses by name."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.erasure.plan import subject_of
from ecommerce_platform.iceberg.installation import (
    ForeignWarehouseError,
)
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import LostTableError
from ecommerce_platform.iceberg.shared_catalogs import close_catalogs
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.lakehouse.maintenance.orphans import OrphanError, refuse_foreign_history, refuse_large_share
from ecommerce_platform.lakehouse.maintenance.plan import MaintenanceReport
from ecommerce_platform.lakehouse.maintenance.soundness import refuse_unsound_catalog
from ecommerce_platform.lakehouse.maintenance.work import Maintenance, run_maintenance
from ecommerce_platform.operations.doctor import examine
from ecommerce_platform.settings import Settings, SparkSettings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.lakehouse.catalogs import ORDERS, catalog_file, lakehouse, published
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, order


def files_of(settings: Settings, pattern: str = "*") -> set[Path]:
    paths = Path(settings.lakehouse.warehouse or "").glob(f"*/*/**/{pattern}")
    return {path for path in paths if path.is_file()}


def other_catalogs(settings: Settings, tmp_path: Path) -> dict[str, Settings]:
    return {
        "deleted": settings,
        "another file": lakehouse(settings, catalog_uri=f"sqlite:///{tmp_path / 'other.db'}"),
        "another name": lakehouse(settings, catalog_name="glacier"),
    }


def maintenance(settings: Settings, spark: SparkSession, now: datetime | None = None) -> dict[str, MaintenanceReport]:
    job = Maintenance(Lake.of(settings), lambda: spark, "maintenance", now or datetime.now(UTC))
    return {report.table: report for report in run_maintenance(job)}


@pytest.mark.parametrize("how", spread(["deleted", "another file", "another name"], everyday=0, slow=1))
def test_a_catalog_that_knows_no_table_of_the_warehouse_writes_and_removes_nothing(
    four_days: Settings, tmp_path: Path, how: str
) -> None:
    settings = other_catalogs(four_days, tmp_path)[how]
    if how == "deleted":
        catalog_file(settings).unlink()
    for path in files_of(settings):
        os.utime(path, (0, 0))
    before = files_of(settings)

    with pytest.raises(ForeignWarehouseError, match="lakehouse register"):
        open_catalog(Lake.of(settings))  # of every ingestion, maintenance and decision
    with pytest.raises(LostTableError, match=r"ecommerce\.orders.*lakehouse register"):
        read_ledger(Lake.of(settings))  # of sensors, loads and analytics
    with pytest.raises(ForeignWarehouseError, match=r"1 tables lie there \(ecommerce\.orders\)"):
        refuse_unsound_catalog(Lake.of(settings))
    (finding,) = [item for item in examine(settings) if item.system == "catalog"]
    assert not finding.ok
    assert "lakehouse register" in finding.message
    assert files_of(settings) == before


def test_one_table_that_the_catalog_lost_is_not_made_again_in_its_folder(four_days: Settings) -> None:
    ensure_event_table(open_catalog(Lake.of(four_days)), Lake.of(four_days), load_contracts()["users"])
    open_catalog(Lake.of(four_days)).drop_table("ecommerce.orders")
    with pytest.raises(LostTableError, match=r"no table ecommerce\.orders, but its metadata lies"):
        ensure_event_table(open_catalog(Lake.of(four_days)), Lake.of(four_days), ORDERS)
    with pytest.raises(LostTableError, match=r"ecommerce\.orders"):
        refuse_unsound_catalog(Lake.of(four_days))
    with pytest.raises(LostTableError, match=r"ecommerce\.orders"):
        subject_of(Lake.of(four_days), "users", 7)  # of an erasure: what the lost table holds of the person would stay
    assert Lake.of(four_days).load("ecommerce.users") is not None


def test_a_catalog_put_back_from_yesterday_is_refused_before_it_forks_the_history(
    local_settings: Settings, spark: SparkSession
) -> None:
    published(local_settings, 1, 2)
    copy = catalog_file(local_settings).with_name("backup.db")
    shutil.copy(catalog_file(local_settings), copy)
    published(local_settings, 3, 4)
    copy.replace(catalog_file(local_settings))
    close_catalogs()
    for path in files_of(local_settings):
        os.utime(path, (0, 0))
    before = files_of(local_settings)

    with pytest.raises(LostTableError, match="older copy"):
        ensure_event_table(open_catalog(Lake.of(local_settings)), Lake.of(local_settings), ORDERS)
    with pytest.raises(LostTableError, match="older copy"):
        refuse_unsound_catalog(Lake.of(local_settings))
    report = maintenance(local_settings, spark)["ecommerce.orders"]
    assert "older copy" in report.refused
    assert files_of(local_settings) == before


def test_what_a_table_made_over_a_lost_one_does_not_know_is_not_removed(
    four_days: Settings, spark: SparkSession
) -> None:
    """As releases before this one left it: a lost catalog, and new tables in the old folders."""
    for path in files_of(four_days):
        os.utime(path, (0, 0))
    hidden = Path(four_days.lakehouse.warehouse or "").with_name("elsewhere")
    Path(four_days.lakehouse.warehouse or "").rename(hidden)
    catalog_file(four_days).unlink()
    published(four_days, 5, 6, 7, 8)
    shutil.copytree(hidden, four_days.lakehouse.warehouse or "", dirs_exist_ok=True, ignore=lambda _, names: [
        name for name in names if name.startswith("installation.")
    ])  # fmt: skip
    before = files_of(four_days)

    report = maintenance(four_days, spark)["ecommerce.orders"]

    assert "look like orphans and are none" in report.refused
    assert files_of(four_days) == before


@pytest.mark.soak
def test_orphans_above_the_share_stay_until_a_person_decides(four_days: Settings, spark: SparkSession) -> None:
    known = files_of(four_days, "*.parquet")
    strays = [path.with_name(f"stray-{number}.parquet") for number, path in enumerate([*known] * 2)]
    for path in strays:
        path.write_bytes(b"half a file")
        os.utime(path, (0, 0))

    report = maintenance(four_days, spark)["ecommerce.orders"]
    assert f"{len(strays)} of {len(known) + len(strays)} data files" in report.refused
    assert "ECOMMERCE_LAKEHOUSE__MAX_ORPHAN_SHARE=1" in report.refused
    assert all(path.exists() for path in strays)

    agreed = maintenance(lakehouse(four_days, max_orphan_share=1), spark)["ecommerce.orders"]
    assert (agreed.refused, agreed.orphan_files_removed) == ("", len(strays))
    assert files_of(four_days, "*.parquet") == known


def test_the_share_is_of_data_files_and_one_file_never_stops_maintenance(four_days: Settings) -> None:
    table = Lake.of(four_days).load("ecommerce.orders")
    addresses = [f"file://{path}" for path in sorted(files_of(four_days, "*.parquet"))]
    metadata = [f"file://{path}" for path in sorted(files_of(four_days, "*.avro"))]
    assert len(addresses) == 4
    refuse_large_share(Lake.of(four_days), table, addresses[:1])
    refuse_large_share(Lake.of(four_days), table, metadata)
    with pytest.raises(OrphanError, match="2 of 4 data files"):
        refuse_large_share(Lake.of(four_days), table, addresses[:2])
    refuse_large_share(Lake.of(lakehouse(four_days, max_orphan_share=0.5)), table, addresses[:2])


def test_what_lost_and_killed_commits_leave_is_no_foreign_history(four_days: Settings) -> None:
    table = Lake.of(four_days).load("ecommerce.orders")
    current = Path(table.metadata_location.removeprefix("file://"))
    version = int(current.name.split("-")[0])
    shutil.copy(current, current.with_name(f"{version:05d}-00000000-0000-0000-0000-00000000000a.gz.metadata.json"))
    shutil.copy(current, current.with_name(f"{version + 1:05d}-00000000-0000-0000-0000-00000000000b.gz.metadata.json"))
    current.with_name(f"{version:05d}-cut-off.gz.metadata.json").write_bytes(current.read_bytes()[:40])
    refuse_foreign_history(Lake.of(four_days), table)
    assert ensure_event_table(open_catalog(Lake.of(four_days)), Lake.of(four_days), ORDERS).metadata == table.metadata
    refuse_unsound_catalog(Lake.of(four_days))


def test_the_attack_catalog_deleted_ingest_maintenance(four_days: Settings, spark_application: None) -> None:
    """What removed 16 of 20 data files: each step by itself, whatever the one before said."""
    for path in files_of(four_days):
        os.utime(path, (0, 0))
    before = files_of(four_days, "*.parquet")
    catalog_file(four_days).unlink()
    # A session that has not seen the catalog, as a new process has it.
    fresh = four_days.model_copy(update={"spark": SparkSettings(extra={"spark.sql.catalog.iceberg.process": "second"})})
    outcomes = []
    for step in (lambda: published(fresh, 5), lambda: maintenance(fresh, build_session(fresh))):
        try:
            step()
            outcomes.append("done")
        except (ForeignWarehouseError, LostTableError) as error:
            outcomes.append(type(error).__name__)
    assert before - files_of(four_days, "*.parquet") == set()
    assert outcomes == ["LostTableError", "ForeignWarehouseError"]


def test_a_lost_quarantine_refuses_the_run_and_no_day(lake: SmallLake) -> None:
    lenient = lake.settings.landing.model_copy(update={"max_quarantined_share": 1})
    lake.settings = lake.settings.model_copy(update={"landing": lenient})
    for on in (FIRST, SECOND):
        lake.land(on, order(1, 1), order(None, 2))
    lake.ingest(FIRST)
    open_catalog(Lake.of(lake.settings)).drop_table("quarantine.orders")
    with pytest.raises(LostTableError, match=r"no table quarantine\.orders"):
        lake.ingest(SECOND)
    assert (sorted(lake.ledger.published), lake.ledger.refused) == ([FIRST], {})
