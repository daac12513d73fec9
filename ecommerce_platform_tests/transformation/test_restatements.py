"""Which published figures changed, from what to what and why: the log says it, once, and misses nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.random_shop import RandomShop
from ecommerce_platform_tests.transformation.raw_events import load_day, order
from ecommerce_platform_tests.transformation.restatement_log import (
    PUBLISHED,
    Figures,
    last_written,
    log,
    published,
    replay,
    small_history,
)
from ecommerce_platform_tests.transformation.test_assets import DAILY, materialize

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


@pytest.mark.slow
def test_what_was_first_published_and_the_log_give_what_is_published_now(
    connection: SnowflakeConnection, transform: Transform, fresh: None
) -> None:
    shop = RandomShop(seed=17)
    first: dict[str, Figures] = {model: {} for model in PUBLISHED}
    loads = [(day, shop.events(day)) for day in shop.days]
    loads += [(shop.days[1], shop.with_late_file(shop.days[1])), (shop.days[0], shop.events(shop.days[0])[::2])]
    loads += [(shop.days[0], shop.events(shop.days[0]))]
    for day, events in loads:
        load_day(connection, day, events)
        transform()
        for model in PUBLISHED:
            for key, row in published(connection, model).items():
                first[model].setdefault(key, row)
    entries = log(connection)
    assert {entry["change"] for entry in entries} == {"changed", "withdrawn", "restored"}
    for model in PUBLISHED:
        now = published(connection, model)
        columns = list(next(iter(now.values())))
        assert replay(first[model], entries, model, columns) == now, model
    before, written = len(entries), last_written(connection)
    transform(full_refresh=True)
    assert len(log(connection)) == before, "a full refresh on unchanged data restates nothing"
    assert last_written(connection) == written, "rows that are as they were are not written again"


@pytest.mark.slow
def test_a_changed_figure_is_logged_exactly_with_its_cause_and_only_after_the_month_closed_as_late(
    connection: SnowflakeConnection, transform: Transform, fresh: None
) -> None:
    small_history(connection)
    transform()
    assert log(connection) == []
    load_day(
        connection,
        "2026-02-05",
        [order(1, 9, "2026-02-05", "UPDATE", total_amount=Decimal("30.50"), created_at="2026-01-30")],
    )
    transform()
    entries = {entry["column_name"]: entry for entry in log(connection, "model = 'daily_business_metrics'")}
    assert {name: (entry["old_value"], entry["new_value"]) for name, entry in entries.items()} == {
        "avg_order_value": ("20.00", "30.50"),
        "total_revenue": ("20.00", "30.50"),
        "revenue_from_returning_customers": ("20.00", "30.50"),
    }
    entry = entries["total_revenue"]
    assert (str(entry["date"]), entry["change"], entry["closed_month"]) == ("2026-01-30", "changed", False)
    assert str(entry["as_of_day"]) == "2026-02-05"
    assert "orders-2026-02-05-" in entry["cause"]
    assert "2026-01-30" not in entry["cause"]
    assert entry["run_id"] == "test"
    load_day(
        connection, "2026-02-06", [order(1, 10, "2026-02-06", "UPDATE", status="cancelled", created_at="2026-01-30")]
    )
    transform()
    late = log(connection, "as_of_day = '2026-02-06'")
    assert {entry["model"] for entry in late if entry["closed_month"]} == set(PUBLISHED)
    gone = [entry for entry in late if entry["model"] == "product_performance"]
    assert {entry["change"] for entry in gone} == {"withdrawn"}
    assert all(entry["new_value"] is None for entry in gone)


@pytest.mark.slow
def test_a_run_that_restates_a_closed_month_says_so_on_the_mart_and_on_the_command_line(
    transformation_settings: Settings, connection: SnowflakeConnection, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_history(connection)
    assert materialize(transformation_settings, partition_range=("2026-01-30", "2026-01-30")).success
    load_day(
        connection, "2026-02-10", [order(1, 9, "2026-02-10", "UPDATE", status="cancelled", created_at="2026-01-30")]
    )
    result = materialize(transformation_settings, partition_range=("2026-02-10", "2026-02-10"))
    assert result.success
    checks = [item for item in result.get_asset_check_evaluations() if item.check_name == "closed_months_stand"]
    assert [check.passed for check in checks] == [False]
    assert "2026-01-30: total_revenue 20.00 → 0.00" in str(checks[0].description)
    metadata = next(
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == DAILY
    )
    entries = log(connection, f"model = 'daily_business_metrics' and run_id = '{result.run_id}'")
    assert metadata["figures_restated"].value == len(entries) > 3
    assert metadata["figures_restated_in_closed_months"].value == len(entries)

    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(transformation_settings.data_dir))
    shown = CliRunner().invoke(app, ["restatements", "--month", "2026-01", "--closed-only", "--format", "json"])
    assert shown.exit_code == 0, shown.output
    assert len(json.loads(shown.stdout)) == len(log(connection))
    none = CliRunner().invoke(app, ["restatements", "--month", "2025-12"])
    assert (none.exit_code, none.stdout) == (0, "")
