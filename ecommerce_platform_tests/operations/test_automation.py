"""What starts by itself is documented by name, switched off on one machine, and writes each table from one run at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.definitions import build_definitions
from ecommerce_platform.operations import jobs
from ecommerce_platform.operations.automation import Automation, build_automation
from ecommerce_platform.settings import PROJECT_DIR, Profile, load_settings
from ecommerce_platform_tests.dagster_home import instance_of

INSTANCE = Path(jobs.__file__).parent / "dagster.yaml"


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(load_settings(data_dir=tmp_path_factory.mktemp("data")))


@pytest.fixture
def automation(tmp_path: Path) -> Automation:
    return build_automation(load_settings(data_dir=tmp_path))


def test_the_documentation_names_all_of_it(automation: Automation) -> None:
    text = (PROJECT_DIR / "docs" / "operations.md").read_text()
    for item in (*automation.schedules, *automation.sensors):
        assert f"`{item.name}`" in text
    for job in automation.jobs:
        assert f"`{job.name}`" in text, job.name


def test_on_one_machine_nothing_starts_by_itself_and_elsewhere_everything_does(tmp_path: Path) -> None:
    local = load_settings(data_dir=tmp_path)
    here, elsewhere = build_automation(local), build_automation(local.model_copy(update={"profile": Profile.KIND}))
    assert {item.default_status.value for item in (*here.schedules, *here.sensors)} == {"STOPPED"}
    running = {
        item.name for item in (*elsewhere.schedules, *elsewhere.sensors) if item.default_status.value == "RUNNING"
    }
    # Without an address there is no receiver.
    assert running == {item.name for item in (*elsewhere.schedules, *elsewhere.sensors)} - {"notifications"}


def test_the_code_location_has_all_of_it(definitions: dg.Definitions, automation: Automation) -> None:
    repository = definitions.get_repository_def()
    assert {item.name for item in repository.sensor_defs} >= {item.name for item in automation.sensors}
    assert {item.name for item in repository.schedule_defs} >= {item.name for item in automation.schedules}


def test_every_step_that_writes_a_table_has_a_pool_that_no_other_step_has(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    # Steps that only check have no keys: they read.
    pools = {step.op.name: step.op.pool for step in graph.assets_defs if step.keys and step.is_materializable}
    assert None not in pools.values(), pools
    assert len(set(pools.values())) == len(pools)


def test_a_new_dagster_home_lets_one_run_use_a_pool_and_ends_runs_whose_process_is_gone(tmp_path: Path) -> None:
    shutil.copy(INSTANCE, tmp_path / "dagster.yaml")
    with instance_of(tmp_path) as instance:
        pools = instance.get_concurrency_config().pool_config
        assert pools.default_pool_limit == 1
        assert str(pools.pool_granularity.value) == "run"
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        assert not instance.run_retries_enabled


def test_people_are_expected_fresh_marts_and_reports(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        has_one = graph.get(key).freshness_policy_or_from_metadata is not None
        assert has_one == (graph.get(key).group_name in ("marts", "reconciliation")), key.to_user_string()
