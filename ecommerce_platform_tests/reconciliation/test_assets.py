"""Dagster's view: one run over a range of days, its metadata, and which checks pass."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.landing.forgotten import Entry, ForgottenFiles, write_entry
from ecommerce_platform.reconciliation.assets import build_assets
from ecommerce_platform.reconciliation.checks import build_checks
from ecommerce_platform.reconciliation.resource import build_resources
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.reconciliation.two_layers import DAY, NOON, Event, TwoLayers

ORDERS = [
    Event(order_id, order_id, amount=Decimal("10.00"), user=order_id, created=NOON + timedelta(days=order_id % 3))
    for order_id in range(1, 61)
]
METRICS = ("active_customers", "total_orders", "total_revenue", "avg_order_value")


def run(two: TwoLayers, settings: Settings, lake: Lake | None = None) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(
        assets=build_assets(settings.start_date),
        asset_checks=build_checks(),
        resources={**build_resources(settings), "lake": lake or Lake.of(settings)},
        executor=dg.in_process_executor,
        jobs=[dg.define_asset_job("all", dg.AssetSelection.groups("reconciliation"))],
    )
    tags = {
        "dagster/asset_partition_range_start": str(DAY),
        "dagster/asset_partition_range_end": str(DAY + timedelta(days=2)),
    }
    return definitions.resolve_job_def("all").execute_in_process(raise_on_error=False, tags=tags)


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {item.check_name: item.severity.value for item in result.get_asset_check_evaluations() if not item.passed}


def test_a_clean_speed_layer_passes_every_check(two: TwoLayers, servers_settings: Settings) -> None:
    two.both(*ORDERS)
    result = run(two, servers_settings)
    assert result.success
    assert len(result.get_asset_check_evaluations()) == 7
    assert failures(result) == {}


FAULTS = {
    # 20 orders of 10.00 on each business date.
    "3 % of revenue": ({"amount": Decimal("16.00")}, {"converged": "WARN"}),
    "7.5 % of revenue": ({"amount": Decimal("25.00")}, {"converged": "WARN", "total_revenue": "WARN", "avg_order_value": "WARN"}),
    "50 % of revenue": (
        {"amount": Decimal("110.00")},
        {"converged": "WARN", "total_revenue": "ERROR", "avg_order_value": "ERROR"},
    ),
    "a status that leaves all sums equal": ({"status": "delivered"}, {"converged": "WARN"}),
    "another status, not of revenue": ({"status": "pending"}, {"converged": "WARN"}),
}  # fmt: skip


@pytest.mark.parametrize("fault", spread(FAULTS, everyday=1, slow=1))
def test_a_fault_fails_exactly_the_checks_that_it_should(
    two: TwoLayers, servers_settings: Settings, fault: str
) -> None:
    changes, expected = FAULTS[fault]
    two.batch(*ORDERS)
    two.speed(ORDERS[0].but(**changes), *ORDERS[1:])
    result = run(two, servers_settings)
    assert failures(result) == expected
    assert result.success is ("ERROR" not in expected.values())
    rows = two.connection.cursor().execute("select order_id, state from reconciliation.order_discrepancies").fetchall()
    assert rows == [(1, "suspected")]


@pytest.mark.soak
def test_tolerances_and_the_lag_window_are_settings(two: TwoLayers, servers_settings: Settings) -> None:
    two.batch(*ORDERS)
    two.speed(ORDERS[0].but(amount=Decimal("25.00")), *ORDERS[2:])
    limits = servers_settings.reconciliation
    lax = limits.model_copy(update={"tolerance": Decimal("0.5"), "failure": Decimal("0.6"), "lag_window_seconds": 0})
    result = run(two, servers_settings.model_copy(update={"reconciliation": lax}))
    assert failures(result) == {"converged": "WARN", "confirmed_discrepancies": "ERROR", "id_alignment": "ERROR"}
    assert not result.success
    strict = limits.model_copy(update={"metric_tolerance": {"total_orders": Decimal(0)}, "failure": Decimal("0.9")})
    again = failures(run(two, servers_settings.model_copy(update={"reconciliation": strict})))
    assert again["total_orders"] == "WARN"


def test_reports_are_written_and_linked_with_a_plot_in_the_metadata(two: TwoLayers, servers_settings: Settings) -> None:
    two.batch(*ORDERS)
    two.speed(*ORDERS[1:])
    metadata: dict[str, dict[str, dg.MetadataValue]] = {}
    for event in run(two, servers_settings).get_asset_materialization_events():
        one = event.step_materialization_data.materialization
        metadata.setdefault(one.asset_key.path[-1], {}).update(one.metadata)
    overview = Path(str(metadata["convergence"]["overview"].value))
    assert "1 of 3 business dates has not converged (1 order)" in overview.read_text()
    page = Path(str(metadata["order_discrepancies"]["report page"].value))
    assert page.parent == overview.parent
    assert str(metadata["convergence"]["curve"].value).startswith("![Orders that differ")
    assert "base64," in str(metadata["convergence"]["curve"].value)
    assert "missing_in_speed" in str(metadata["order_discrepancies"]["findings"].value)


def test_a_report_that_cannot_be_written_leaves_the_reconciliation_standing(
    two: TwoLayers, servers_settings: Settings, tmp_path: Path
) -> None:
    two.both(*ORDERS)
    (tmp_path / "file").write_text("in the way")
    limits = servers_settings.reconciliation.model_copy(update={"reports_uri": str(tmp_path / "file" / "reports")})
    result = run(two, servers_settings.model_copy(update={"reconciliation": limits}))
    assert result.success
    rows = two.connection.cursor().execute("select count(*) from reconciliation.runs").fetchone()
    assert rows == (1,)


def test_a_missing_order_warns_that_the_keys_are_not_aligned(two: TwoLayers, servers_settings: Settings) -> None:
    two.batch(*ORDERS)
    two.speed(*ORDERS[1:])
    assert failures(run(two, servers_settings)) == {
        "id_alignment": "WARN",
        "converged": "WARN",
    }


def test_each_partition_has_its_materializations_with_the_cut_off(two: TwoLayers, servers_settings: Settings) -> None:
    two.both(*ORDERS)
    result = run(two, servers_settings)
    events = result.get_asset_materialization_events()
    assert len(events) == 3 * 3
    for event in events:
        metadata = event.step_materialization_data.materialization.metadata
        assert metadata["cut-off"].value == "2026-01-05 12:00:00"
        assert "report" in metadata or "verdict" in metadata or "verified through" in metadata


def test_without_a_speed_layer_there_is_nothing_to_compare(two: TwoLayers, servers_settings: Settings) -> None:
    two.batch(*ORDERS)
    two.client.command("drop table orders_realtime")
    result = run(two, servers_settings)
    assert result.success
    assert len(result.get_asset_materialization_events()) == 9


def test_who_is_forgotten_is_asked_of_the_lake_that_the_step_has(
    two: TwoLayers, servers_settings: Settings, tmp_path: Path
) -> None:
    two.both(*ORDERS)
    elsewhere = load_settings(data_dir=tmp_path / "elsewhere")
    entry = Entry("0" * 64, "users", "another key", "asked", "ada", "2026-02-01T00:00:00+00:00")
    write_entry(ForgottenFiles.of(elsewhere), entry)
    (failed, *_) = [
        event for event in run(two, servers_settings, Lake.of(elsewhere)).all_events if event.is_step_failure
    ]
    assert "it is the key of the list of forgotten people" in str(failed.event_specific_data)
