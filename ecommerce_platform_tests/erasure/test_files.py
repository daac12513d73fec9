"""Landing and lake without a person: every file, snapshot and branch, from any step on; all other rows as they were.

No Spark and no servers: the lake is written by PyIceberg, as ingestion leaves it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.erasure.erase import Request, erase_files
from ecommerce_platform.erasure.errors import ErasureError
from ecommerce_platform.erasure.plan import plan_files, subject_of
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, file_groups, scan
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.landing.forgotten import ForgottenError, ForgottenFiles, find_entry, load_forgotten, write_entry
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.erasure.marked import MARKER
from ecommerce_platform_tests.erasure.search import files_with
from ecommerce_platform_tests.erasure.small_lake import (
    CONTRACTS,
    FIRST,
    SECOND,
    THIRD,
    Killed,
    SmallLake,
    assert_forgotten,
    filled,
    forget,
    order,
    user,
)


@pytest.fixture
def lake(local_settings: Settings) -> SmallLake:
    return filled(local_settings)


def test_a_person_is_in_no_file_any_more_and_nothing_else_has_changed(lake: SmallLake) -> None:
    assert len(files_with(lake.settings.data_dir, MARKER)) >= 8
    lost = Path(lake.settings.lakehouse.warehouse or "") / "ecommerce/users/data/date=2026-01-01/lost.parquet"
    pq.write_table(pa.table({"id": [7], "email": [f"{MARKER}@x.org"]}), lost)
    before = lake.state()
    forget(lake, alone=True)
    assert_forgotten(lake, before)
    assert not lost.exists()


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.soak)])
def test_an_erasure_that_is_killed_at_any_step_goes_on(lake: SmallLake, tmp_path: Path, every: int) -> None:
    before = lake.state()
    shutil.copytree(lake.settings.data_dir, tmp_path / "kept")
    steps = forget(lake)
    assert len(steps) > 15
    for number in range(1, len(steps) + 1, every):
        shutil.rmtree(lake.settings.data_dir)
        shutil.copytree(tmp_path / "kept", lake.settings.data_dir)
        again = SmallLake(lake.settings)
        with pytest.raises(Killed):
            forget(again, die_at=number)
        forget(again)
        assert_forgotten(again, before)


def test_a_person_who_is_landed_again_is_known_and_others_are_not(lake: SmallLake) -> None:
    forget(lake)
    lake.land("users", THIRD, [user(7, 50), user(12, 51)], "late.parquet")
    lake.land("orders", THIRD, [order(71, 7, 60), order(81, 8, 61)], "late.parquet")
    for table, matches in (("users", {"id": {7}}), ("orders", {"user_id": {7}})):
        (group,) = file_groups(
            CONTRACTS[table],
            [scan(Intake.of(lake.settings), CONTRACTS[table], [THIRD]).days[THIRD]],
        )
        assert group.forgotten is not None
        known = {group.forgotten.key: set(group.forgotten.keys)} if table == "users" else group.forgotten.references
        assert {name: set(keys) for name, keys in (known or {}).items()} == matches


def test_a_person_who_is_forgotten_twice_leaves_the_days_of_both_times_as_published(lake: SmallLake) -> None:
    forget(lake)
    (entry,) = load_forgotten(lake.settings).entries
    write_entry(
        ForgottenFiles.of(lake.settings), replace(entry, done_at="2026-01-05T00:00:00+00:00")
    )  # as after the warehouse's part
    lake.land("users", FIRST, [user(7, 50), user(13, 51)], "late.parquet")
    lake.ingest("users", FIRST)
    before = lake.state()
    forget(lake)
    assert_forgotten(lake, before)


def test_a_file_that_came_meanwhile_is_ingested_as_ever(lake: SmallLake) -> None:
    subject = subject_of(Lake.of(lake.settings), "users", 7)

    def late(step: str) -> None:
        if step == "landing users after":
            lake.land("users", FIRST, [user(20, 70)], "late.parquet")

    request = Request(lake.settings, "users", 7, "asked", "ada", "forget", reached=late)
    erase_files(request, plan_files(Lake.of(lake.settings), LandingZone.of(lake.settings), subject))
    # The ledger does not say that the late file is published.
    assert read_ledger(Lake.of(lake.settings), ["users"])["users"].published[FIRST].content_id != lake.content(
        "users", FIRST
    )
    Path(lake.settings.landing_uri, "users", f"date={FIRST}", "late.parquet").unlink()
    assert read_ledger(Lake.of(lake.settings), ["users"])["users"].published[FIRST].content_id == lake.content(
        "users", FIRST
    )


def test_landing_that_the_platform_may_not_write_is_named_and_its_days_keep_their_content(lake: SmallLake) -> None:
    privacy = lake.settings.privacy.model_copy(update={"rewrite_landing": False})
    lake.settings = lake.settings.model_copy(update={"privacy": privacy})
    contents = {day: lake.content("users", day) for day in (FIRST, SECOND)}
    subject = subject_of(Lake.of(lake.settings), "users", 7)
    request = Request(lake.settings, "users", 7, "asked", "ada", "forget", alone=True)
    _, refused, _ = erase_files(request, plan_files(Lake.of(lake.settings), LandingZone.of(lake.settings), subject))
    assert {item.file.path for item in refused} == {f"date={day}/part-0.parquet" for day in (FIRST, SECOND, THIRD)}
    assert all("may not write" in item.problem for item in refused)
    assert {path.partition("/")[0] for path in files_with(lake.settings.data_dir, MARKER)} == {"landing"}
    ledger = read_ledger(Lake.of(lake.settings), ["users"])["users"]
    assert {day: ledger.published[day].content_id for day in contents} == contents


def test_the_list_holds_hashes_and_no_ingestion_goes_on_without_its_key(lake: SmallLake) -> None:
    forget(lake)
    (entry,) = load_forgotten(lake.settings).entries
    text = json.dumps([entry.person, entry.owned, entry.reason])
    assert entry.owned["orders"]
    assert '"7"' not in text
    assert find_entry(ForgottenFiles.of(lake.settings), entry.person) == entry
    key = lake.settings.data_dir / "forgotten.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.write_text("another")
    with pytest.raises(ForgottenError, match=r"written with another key .* nothing is ingested"):
        scan(Intake.of(lake.settings), CONTRACTS["users"], [FIRST])


def test_a_reason_is_needed(lake: SmallLake) -> None:
    subject = subject_of(Lake.of(lake.settings), "users", 7)
    with pytest.raises(ErasureError, match="a reason is needed"):
        erase_files(
            Request(lake.settings, "users", 7, " ", "ada", "forget"),
            plan_files(Lake.of(lake.settings), LandingZone.of(lake.settings), subject),
        )
    assert not load_forgotten(lake.settings)
