import json
import time
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.landing import sensor
from ecommerce_platform.landing.files import LandingTable, LandingZone, list_table
from ecommerce_platform.landing.forgotten import ForgottenFiles
from ecommerce_platform.landing.sensor import build_sensor
from ecommerce_platform.settings import LakehouseSettings, Profile, Settings
from ecommerce_platform_tests.landing.watched_shop import DAY, Shop, write


def test_a_history_is_one_run_of_its_range_and_then_nothing(shop: Shop) -> None:
    for number in range(3):
        write(shop.settings, "orders", DAY + timedelta(days=number))
    (request,) = shop.tick()
    shop.run(request)
    assert shop.ran == [(DAY, DAY + timedelta(days=1), DAY + timedelta(days=2))]
    assert shop.tick() == ()


def test_a_late_file_launches_its_day_alone(shop: Shop) -> None:
    for number in range(3):
        write(shop.settings, "orders", DAY + timedelta(days=number))
    shop.tick()
    write(shop.settings, "users", DAY + timedelta(days=1), "late.parquet")
    (request,) = shop.tick()
    shop.run(request)
    assert shop.ran == [(DAY + timedelta(days=1),)]


def test_a_day_that_loses_some_of_its_files_is_launched(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    path = write(shop.settings, "users", DAY)
    shop.tick()
    path.unlink()
    (request,) = shop.tick()
    assert request.run_key is not None
    assert request.run_key.startswith("2026-01-01...2026-01-01")


def test_a_day_that_only_became_empty_launches_nothing_and_is_warned_of_until_its_files_are_back(shop: Shop) -> None:
    path = write(shop.settings, "orders", DAY)
    shop.tick()
    path.unlink()
    write(shop.settings, "orders", DAY + timedelta(days=1))
    (other,) = shop.tick()
    assert (other.run_key or "").startswith("2026-01-02...2026-01-02")
    assert ("orders", "2026-01-01") in {(event.asset_key.path[-1], event.partition) for event in shop.events}
    for _ in range(2):
        assert shop.tick() == ()
        assert "all files of 2026-01-01 are gone" in str(shop.skip_message)
        assert "--withdraw" in str(shop.skip_message)
    write(shop.settings, "orders", DAY)
    (back,) = shop.tick()
    assert (back.run_key or "").startswith("2026-01-01...2026-01-01")
    assert shop.tick() == ()


def every_table(events: dict[date, int]) -> dict[str, dict[date, int]]:
    return dict.fromkeys(source_tables(), events)


@pytest.mark.parametrize(
    ("events", "retention", "warned"),
    [
        ({}, None, True),
        (every_table({DAY: 0}), None, False),
        (every_table({DAY: 0}) | {"users": {DAY: 3}}, None, True),
        (every_table({DAY: 3, DAY + timedelta(days=9): 1}), None, True),
        (every_table({DAY: 3, DAY + timedelta(days=9): 1}), 9, True),
        (every_table({DAY: 3, DAY + timedelta(days=9): 1}), 8, False),
    ],
    ids=["never published", "withdrawn", "a table not withdrawn", "kept", "kept by retention", "past retention"],
)
def test_an_emptied_day_is_settled_when_it_is_withdrawn_or_past_retention(
    local_settings: Settings, events: dict[str, dict[date, int]], retention: int | None, warned: bool
) -> None:
    landing = local_settings.landing.model_copy(update={"retention_days": retention})
    shop = Shop(local_settings.model_copy(update={"landing": landing}), events)
    path = write(shop.settings, "orders", DAY)
    shop.tick()
    path.unlink()
    for _ in range(2):
        assert shop.tick() == ()
        assert ("are gone" in str(shop.skip_message)) is warned
    write(shop.settings, "orders", DAY)
    assert len(shop.tick()) == 1


def test_a_day_that_goes_back_to_the_files_that_it_had_gets_a_run_of_its_own(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    (first,) = shop.tick()
    late = write(shop.settings, "orders", DAY, "late.parquet")
    (second,) = shop.tick()
    late.unlink()
    before = shop.cursor
    (third,) = shop.tick()
    assert len({first.run_key, second.run_key, third.run_key}) == 3
    shop.cursor = before  # a tick that was killed before Dagster kept its cursor
    assert [request.run_key for request in shop.tick()] == [third.run_key]


def test_a_cursor_that_was_lost_does_not_ask_with_a_key_that_a_launched_run_has_spent(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    (first,) = shop.tick()
    job = shop.definitions.resolve_job_def("daily_batch")
    run = shop.instance.create_run_for_job(job, tags={"dagster/sensor_name": "new_landing_files"})
    shop.instance.report_run_canceled(run)
    shop.cursor = None
    (again,) = shop.tick()
    assert again.run_key != first.run_key


def test_a_cursor_of_the_release_before_is_read(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    shop.tick()
    kept = json.loads(shop.cursor or "")
    shop.cursor = json.dumps({"version": 1, "first": kept["first"], "digests": kept["digests"]})
    assert shop.tick() == ()


def test_a_temporary_file_launches_nothing(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    shop.tick()
    write(shop.settings, "orders", DAY, "part-1.parquet.tmp")
    assert shop.tick() == ()


def test_a_lost_cursor_asks_again_with_the_run_key_that_dagster_already_knows(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    first = shop.tick()
    shop.cursor = None
    assert [request.run_key for request in shop.tick()] == [request.run_key for request in first]


def test_no_run_is_launched_while_one_is_unfinished(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    job = shop.definitions.resolve_job_def("daily_batch")
    run = shop.instance.create_run_for_job(job)
    assert shop.tick() == ()
    assert shop.skip_message == f"a run of daily_batch is not finished yet: {run.run_id} (not_started)"
    shop.instance.report_run_canceled(run)
    assert len(shop.tick()) == 1


def test_many_separate_days_come_a_few_runs_at_a_time_and_none_is_forgotten(shop: Shop) -> None:
    days = [DAY + timedelta(days=2 * number) for number in range(8)]
    for day in days:
        write(shop.settings, "orders", day)
    keys = [request.run_key or "" for _ in range(3) for request in shop.tick()]
    assert [key[:10] for key in keys] == [day.isoformat() for day in days]


def test_a_folder_of_a_day_to_come_waits_for_its_day(shop: Shop) -> None:
    write(shop.settings, "orders", date(2999, 1, 1))
    assert shop.tick() == ()


def test_without_a_landing_zone_the_tick_says_what_to_do(shop: Shop) -> None:
    assert shop.tick() == ()
    assert "ECOMMERCE_LANDING_URI" in str(shop.skip_message)


def test_two_thousand_days_with_ten_thousand_files_cost_one_listing_a_table_and_a_small_cursor(
    local_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = local_settings.model_copy(update={"start_date": date(2020, 1, 1)})
    for number in range(2000):
        for part in range(2):
            write(settings, "orders", date(2020, 1, 1) + timedelta(days=number), f"part-{part}.parquet")
        for table in ("users", "products", "order_items"):
            write(settings, table, date(2020, 1, 1) + timedelta(days=number))
    shop, listed = Shop(settings), []

    def counted(*arguments: Any) -> LandingTable:
        listed.append(arguments[1])
        return list_table(*arguments)

    monkeypatch.setattr(sensor, "list_table", counted)
    started = time.process_time()
    requested = [request.run_key or "" for _ in range(6) for request in shop.tick()]
    with capsys.disabled():
        print(f"\n10,000 files, 2,000 days: {(time.process_time() - started) / 6:.2f} s of CPU a tick")

    assert sorted(listed) == sorted(list(source_tables()) * 6)
    # 2,000 days in ranges of 90, five a tick: the sixth tick finds nothing left.
    assert len(requested) == len(set(requested)) == 23
    assert len(shop.cursor or "") < 20_000
    assert shop.events == []


def test_the_sensor_is_off_on_one_machine_and_on_elsewhere(local_settings: Settings) -> None:
    job = dg.define_asset_job("daily_batch")
    assert build_sensor(local_settings, job).default_status is dg.DefaultSensorStatus.STOPPED
    elsewhere = local_settings.model_copy(update={"profile": Profile.KIND})
    assert build_sensor(elsewhere, job).default_status is dg.DefaultSensorStatus.RUNNING


def test_a_day_that_only_an_erasure_changed_is_not_requested_and_a_quiet_tick_asks_for_none(
    local_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ForgottenFiles] = []
    rewritten: list[dict[str, dict[str, tuple[str, str]]]] = []

    def erasures(files: ForgottenFiles) -> list[dict[str, dict[str, tuple[str, str]]]]:
        asked.append(files)
        return rewritten

    monkeypatch.setattr(sensor, "rewritten_files", erasures)
    path = write(local_settings, "orders", DAY)
    shop = Shop(local_settings)
    lake = Lake.of(local_settings.model_copy(update={"lakehouse": LakehouseSettings(warehouse="/elsewhere")}))
    shop.resources["lake"] = lake
    (request,) = shop.tick()
    shop.run(request)
    asked.clear()
    assert shop.tick() == ()
    assert asked == []
    (before,) = list_table(LandingZone.of(local_settings), "orders").days[DAY]
    path.write_bytes(b"without the person")
    (after,) = list_table(LandingZone.of(local_settings), "orders").days[DAY]
    rewritten.append({"orders": {before.path: (before.version, after.version)}})
    assert shop.tick() == ()
    assert asked == [ForgottenFiles.of(local_settings, lake)]
    path.write_bytes(b"and a late row, too")
    assert len(shop.tick()) == 1
