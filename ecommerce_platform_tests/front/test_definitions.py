"""The code location as a whole: it loads in a fresh interpreter, and its lineage explains itself."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.definitions import build_definitions
from ecommerce_platform.settings import load_settings

TABLES = ("users", "products", "orders", "order_items")
ANALYTICS = ("customer_metrics", "product_analytics", "daily_business_metrics")
MARTS = ("daily_business_metrics", "customer_tier_analytics", "product_performance", "customer_analytics")
KEYS = {
    *(f"landing/{table}" for table in TABLES),
    *(f"iceberg/{table}" for table in (*TABLES, *ANALYTICS)),
    *(f"snowflake/raw/{table}" for table in TABLES),
    *(f"staging/{table}_enhanced" for table in TABLES),
    *(f"intermediate/int_{name}" for name in ("customer_metrics", "product_analytics", "order_analytics")),
    *(f"marts/{mart}" for mart in MARTS),
    *(f"reconciliation/{report}" for report in ("daily_business_metrics", "order_discrepancies", "convergence")),
}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(load_settings(data_dir=tmp_path_factory.mktemp("data")))


def specs(definitions: dg.Definitions) -> Iterator[dg.AssetSpec]:
    yield from definitions.resolve_all_asset_specs()


def test_every_asset_key_that_others_rely_on_is_there(definitions: dg.Definitions) -> None:
    missing = KEYS - {spec.key.to_user_string() for spec in specs(definitions)}
    assert not missing


def test_every_asset_has_partitions_group_description_owner_and_kind(definitions: dg.Definitions) -> None:
    for spec in specs(definitions):
        name = spec.key.to_user_string()
        assert isinstance(spec.partitions_def, dg.DailyPartitionsDefinition), name
        assert spec.group_name
        assert spec.group_name != "default", name
        assert spec.description, name
        assert list(spec.owners) == ["team:data-platform"], name
        assert spec.kinds, name


def test_a_range_of_days_is_one_run_for_every_asset_that_is_materialized(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run(), key.to_user_string()


def test_the_daily_job_covers_every_materializable_asset(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("daily_batch")
    graph = definitions.resolve_asset_graph()
    assert set(job.asset_layer.executable_asset_keys) >= set(graph.materializable_asset_keys)


def test_lineage_leads_from_landing_to_the_report(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    report = dg.AssetKey(["reconciliation", "daily_business_metrics"])
    ancestors = {key.to_user_string() for key in graph.get_ancestor_asset_keys(report)}
    assert {"landing/orders", "iceberg/orders", "snowflake/raw/orders", "staging/orders_enhanced"} <= ancestors


def test_the_code_location_loads_in_a_fresh_interpreter(tmp_path: Path) -> None:
    code = "import ecommerce_platform.definitions as d; print(len(list(d.defs.resolve_all_asset_specs())))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= len(KEYS)
