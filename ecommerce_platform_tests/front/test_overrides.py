"""Resources in the place of those that the settings name: what Dagster runs and shows takes lake and landing zone from them."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.analytics.assets import analytics_key
from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.definitions import build_definitions
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.assets import event_key
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.landing.assets import landing_key
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.operations.maintenance import JOB_NAME
from ecommerce_platform.settings import load_settings
from ecommerce_platform.stand_ins.servers import down


def test_an_unknown_override_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such resource: sparkk"):
        build_definitions(load_settings(data_dir=tmp_path), sparkk=object())


def test_a_landing_zone_of_its_own_takes_the_place_of_the_settings(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    day = tmp_path / "elsewhere" / "orders" / f"date={settings.start_date}"
    day.mkdir(parents=True)
    (day / "part-0.parquet").write_bytes(b"")
    zone = LandingZone(str(tmp_path / "elsewhere"))
    job = build_definitions(settings, landing_zone=zone).resolve_job_def("observe_landing_files")
    with dg.DagsterInstance.ephemeral() as instance:
        observed = job.execute_in_process(instance=instance).get_asset_observation_events()
    (observation,) = [event.asset_observation_data.asset_observation for event in observed]
    assert (observation.asset_key, observation.partition) == (landing_key("orders"), str(settings.start_date))


def test_a_lake_of_its_own_takes_the_place_of_the_settings(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    lake = Lake.of(load_settings(data_dir=tmp_path / "elsewhere"))
    ensure_event_table(open_catalog(lake), lake, load_contracts()["orders"])
    check = dg.AssetCheckKey(event_key("orders"), "row_conservation")
    job = build_definitions(settings, lake=lake).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.get_subset(asset_check_selection={check}).execute_in_process(instance=instance)
    (evaluation,) = done.get_asset_check_evaluations()
    assert (evaluation.asset_check_key, evaluation.passed) == (check, True)
    assert not (tmp_path / "data" / "catalog.db").exists()


def test_assets_are_shown_with_the_names_that_they_have_in_the_lake_and_the_landing_zone(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    names = {
        "catalog_name": "other",
        "namespace": "shop",
        "quarantine_namespace": "kept",
        "analytics_namespace": "figures",
    }
    lake = replace(Lake.of(settings), section=settings.lakehouse.model_copy(update=names))
    definitions = build_definitions(settings, lake=lake, landing_zone=LandingZone("s3://elsewhere/shop/"))
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    orders, figures, landed = (
        specs[key] for key in (event_key("orders"), analytics_key("customer_metrics"), landing_key("orders"))
    )
    assert orders.metadata["dagster/table_name"] == "other.shop.orders"
    assert orders.metadata["quarantine_table"] == "kept.orders"
    assert figures.metadata["dagster/table_name"] == "other.figures.customer_metrics"
    assert landed.metadata["dagster/uri"] == "s3://elsewhere/shop/orders"
    assert landed.kinds == {"parquet", "s3"}


def test_the_sensor_asks_a_lake_of_its_own_what_is_published_of_a_day_without_files(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data")
    lake, zone = Lake.of(load_settings(data_dir=tmp_path / "elsewhere")), LandingZone(str(tmp_path / "landing"))
    for table in source_tables():
        day = tmp_path / "landing" / table / f"date={settings.start_date}"
        day.mkdir(parents=True)
        (day / "part-0.parquet").write_bytes(b"")
    definitions = build_definitions(settings, lake=lake, landing_zone=zone)
    sensor = definitions.get_repository_def().get_sensor_def("new_landing_files")
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(cursor: str | None) -> str | None:
            resources = {name: definitions.resources[name] for name in ("landing_zone", "lake")}
            context = dg.build_sensor_context(instance, cursor, definitions=definitions, resources=resources)
            return sensor.evaluate_tick(context).cursor

        seen = tick(None)
        for file in (tmp_path / "landing").rglob("*.parquet"):
            file.unlink()
        tick(seen)
    assert (tmp_path / "elsewhere" / "catalog.db").exists()
    assert not (tmp_path / "data" / "catalog.db").exists()


@pytest.mark.slow
def test_maintenance_reads_a_lake_of_its_own_before_it_removes_expired_landing_files(tmp_path: Path) -> None:
    expiring = {"remove_expired": True, "retention_days": 1}
    settings = load_settings(data_dir=tmp_path / "data", landing=expiring)
    lake, zone = Lake.of(load_settings(data_dir=tmp_path / "elsewhere")), LandingZone(str(tmp_path / "landing"))
    (tmp_path / "landing" / "orders").mkdir(parents=True)
    job = build_definitions(settings, lake=lake, landing_zone=zone).resolve_job_def(JOB_NAME)
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance).success
    finally:
        down(settings.data_dir)
    assert not (tmp_path / "data" / "catalog.db").exists()
