"""Landing days as observations of the landing assets."""

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.execution.partitions import daily_partitions
from ecommerce_platform.landing.assets import build_assets, landing_key
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.landing.watched_shop import DAY, Shop, write


def test_a_tick_records_the_data_versions_of_the_days_that_it_launches(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    shop.tick()
    assert {(event.asset_key.path[-1], event.partition) for event in shop.events} == {
        (table, "2026-01-01") for table in source_tables()
    }


def observed(shop: Shop) -> list[tuple[str, str | None, str]]:
    """One observation of all landing assets: table, day and data version of what it recorded."""
    job = dg.define_asset_job("observe", selection=dg.AssetSelection.assets(*map(landing_key, source_tables())))
    definitions = dg.Definitions(
        assets=build_assets(LandingZone.of(shop.settings), shop.settings.start_date),
        jobs=[job],
        resources=shop.resources,
    )
    result = definitions.resolve_job_def("observe").execute_in_process(instance=shop.instance)
    days = [
        event.asset_observation_data.asset_observation
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_OBSERVATION
    ]
    return [(item.asset_key.path[-1], item.partition, item.tags[DATA_VERSION_TAG]) for item in days]


def test_an_observation_records_only_what_changed_since_the_last_one(shop: Shop) -> None:
    write(shop.settings, "orders", DAY)
    path = write(shop.settings, "users", DAY)
    first = observed(shop)
    assert [(table, day) for table, day, _ in first] == [("orders", "2026-01-01"), ("users", "2026-01-01")]
    assert observed(shop) == []
    path.unlink()
    ((table, day, version),) = observed(shop)
    assert (table, day) == ("users", "2026-01-01")
    assert version not in {old for _, _, old in first}


def test_the_landing_assets_explain_themselves(local_settings: Settings) -> None:
    specs = {
        spec.key: spec
        for assets in build_assets(LandingZone.of(local_settings), local_settings.start_date)
        for spec in assets.specs
    }
    assert set(specs) == {landing_key(table) for table in source_tables()}
    for spec in specs.values():
        assert spec.group_name == "landing"
        assert list(spec.owners) == ["team:data-platform"]
        assert spec.description
        assert "parquet" in spec.kinds
        assert spec.partitions_def == daily_partitions(local_settings.start_date)
