"""What breaks around a landing day: disk, catalog, files. Each fault is a named test, here or where `FAULTS` says."""

from __future__ import annotations

import importlib
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.unreadable import SPARK_ERRORS
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.ingest.tables import open_catalog
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, counts, order

_HERE = "ecommerce_platform_tests.lakehouse."
#: Fault -> module and test.
FAULTS = {
    "disk full": ("test_faults", "test_a_full_disk_publishes_nothing_and_the_same_run_again_does_all"),
    "locked catalog, for a moment": ("test_faults", "test_a_catalog_that_is_locked_for_a_moment_is_waited_for"),
    "locked catalog, for good": ("test_faults", "test_a_catalog_that_stays_locked_ends_the_run_and_changes_nothing"),
    "commit conflict": ("test_faults", "test_a_commit_conflict_writes_the_day_again_on_the_new_main"),
    "commit conflict between look and commit": (
        "test_publish",
        "test_a_publication_between_the_last_look_and_the_commit_is_not_overwritten",
    ),
    "lost answer of the catalog": ("test_publish", "test_a_lost_answer_to_the_commit_publishes_once"),
    "unreadable file": ("test_arrivals", "test_an_unreadable_file_refuses_its_day_and_names_itself"),
    "unreadable data": ("test_ingest", "test_a_file_whose_data_cannot_be_read_refuses_its_day_only"),
    "file vanishes while it is read": (
        "test_ingest",
        "test_a_file_that_vanishes_before_spark_reads_it_leaves_the_day_without_it",
    ),
    "file changes while it is read": ("test_ingest", "test_a_file_that_changes_while_it_is_read_is_read_again"),
    "truncated and empty files": ("corpus.test_corpus", "test_each_kind_of_file_has_its_outcome"),
    "empty day": ("test_ingest", "test_empty_days_are_recorded_without_starting_spark"),
    "killed between two steps": (
        "test_crashes",
        "test_a_killed_run_leaves_the_last_good_state_and_the_next_run_finishes_it",
    ),
    "two runs of one day": ("test_crashes", "test_two_runs_of_the_same_days_at_once_publish_them_once"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_test(fault: str) -> None:
    module, name = FAULTS[fault]
    assert callable(getattr(importlib.import_module(_HERE + module), name))


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A file system of its own at `folder`; skips where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix in ([], ["sudo", "-n"]):
        mount = [*prefix, "mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        if shutil.which(mount[0]) and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            break
    else:
        pytest.skip("this user may not mount a small file system")
    try:
        yield
    finally:
        subprocess.run([*prefix, "umount", "-l", str(folder)], check=True)


def test_a_full_disk_publishes_nothing_and_the_same_run_again_does_all(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    lake.ingest(FIRST)
    # Texts that do not compress, several times what the disk holds.
    texts = [f"{key * 7919 % 999983:06d} {key * 104729 % 99999989:08d} {key**3}" for key in range(20_000)]
    lake.land(SECOND, *(order(key, key + 1, shipping_address=text) for key, text in enumerate(texts)))
    data = Path(lake.settings.lakehouse.warehouse or "") / "ecommerce" / "orders" / "data" / f"date={SECOND}"

    with small_disk(data, kilobytes=64), pytest.raises(SPARK_ERRORS, match="No space left on device"):
        lake.ingest(SECOND)

    assert lake.rows("id") == [(1,)]
    assert sorted(lake.ledger.published) == [FIRST]
    assert dict(lake.ledger.refused) == {}
    assert counts(lake.ingest(SECOND), SECOND) == (20_000, 20_000, 0, 0)
    assert lake.branches() == []


def catalog_file(lake: SmallLake) -> Path:
    return lake.settings.data_dir / "catalog.db"


def test_a_catalog_that_is_locked_for_a_moment_is_waited_for(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1))
    locked: list[sqlite3.Connection] = []

    def lock(table: str, step: str) -> None:
        if step == "audited":
            other = sqlite3.connect(catalog_file(lake), isolation_level=None, check_same_thread=False)
            other.execute("begin immediate")
            locked.append(other)
            threading.Timer(1.0, other.execute, ["rollback"]).start()

    lake.reached = lock
    assert counts(lake.ingest(FIRST), FIRST) == (1, 1, 0, 0)
    assert len(locked) == 1
    locked[0].close()


@pytest.mark.slow
def test_a_catalog_that_stays_locked_ends_the_run_and_changes_nothing(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(FIRST, order(1, 1))
    lake.ingest(FIRST)
    lake.land(FIRST, order(1, 1), order(2, 2))
    monkeypatch.setattr("ecommerce_platform.iceberg.catalog.LOCK_TIMEOUT_SECONDS", 1)
    with closing(sqlite3.connect(catalog_file(lake), isolation_level=None, check_same_thread=False)) as other:

        def lock(table: str, step: str) -> None:
            if step == "audited":
                other.execute("begin immediate")

        lake.reached = lock
        with pytest.raises(OperationalError, match="database is locked"):
            lake.ingest(FIRST)
        other.execute("rollback")
    assert lake.rows("id") == [(1,)]

    lake.reached = lambda table, step: None
    assert counts(lake.ingest(FIRST), FIRST) == (2, 2, 0, 0)
    assert lake.branches() == []


def test_a_commit_conflict_writes_the_day_again_on_the_new_main(lake: SmallLake) -> None:
    """Another writer moves `main` after the audit: what was audited is not what would be published."""
    lake.land(FIRST, order(1, 1))
    lake.land(SECOND, order(2, 2))
    lake.ingest(SECOND)
    written: list[str] = []

    def other_writer(table: str, step: str) -> None:
        if step == "audited":
            written.append(step)
            if len(written) == 1:
                catalog = open_catalog(Lake.of(lake.settings))
                theirs = catalog.load_table("ecommerce.orders")
                publishing.start_branch(catalog, theirs, "theirs")
                theirs = catalog.load_table("ecommerce.orders")
                theirs.append(theirs.schema().as_arrow().empty_table(), branch="theirs")
                theirs = catalog.load_table("ecommerce.orders")
                publishing.publish(catalog, theirs, publishing.branch_snapshot(theirs, "theirs"), [])

    lake.reached = other_writer
    assert counts(lake.ingest(FIRST), FIRST) == (1, 1, 0, 0)
    assert written == ["audited", "audited"]
    assert lake.rows("id") == [(1,), (2,)]
