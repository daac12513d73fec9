from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from pyspark.sql import SparkSession

from ecommerce_platform.analytics.assets import analytics_key, build_assets, published_input
from ecommerce_platform.analytics.compute import refresh
from ecommerce_platform.analytics.declared import AS_OF, TABLES
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.resource import build_resources as iceberg_resources
from ecommerce_platform.lakehouse.assets import build_assets as lakehouse_assets
from ecommerce_platform.lakehouse.assets import event_key
from ecommerce_platform.landing.resource import build_resources as landing_resources
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.resource import build_resources

DAY = date(2026, 1, 1)
NOON = 1767268800000
MILLISECONDS_A_DAY = 86_400_000


def day(number: int) -> date:
    return DAY + timedelta(days=number - 1)


class Shop:
    """An installation with a landing zone to write to, and runs of its lakehouse and analytics."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.instance = dg.DagsterInstance.ephemeral()

    def land(self, table: str, number: int, *rows: dict[str, Any], file: str = "part-0.parquet") -> None:
        """Writes a file of a day; times are noon of the day, unless a row says otherwise."""
        now = NOON + (number - 1) * MILLISECONDS_A_DAY
        names = [*load_contracts()[table].column_names, "__op", "__source_lsn"]
        defaults: dict[str, Any] = {"__op": "c", "created_at": now * 1000, "updated_at": now * 1000}
        full = [{**dict.fromkeys(names), **defaults, "__ts_ms": now, "__source_ts_ms": now, **row} for row in rows]
        columns = set(load_contracts()[table].column_names) | {"__op", "__source_lsn", "__ts_ms", "__source_ts_ms"}
        content = pa.Table.from_pylist([{key: row[key] for key in row if key in columns} for row in full])
        path = Path(self.settings.landing_uri) / table / f"date={day(number)}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(content, path)

    def run(self, first: int, last: int, *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
        """One run for the range of days; of everything, unless assets are named."""
        lake = Lake.of(self.settings)
        definitions = dg.Definitions(
            assets=[*lakehouse_assets(self.settings, lake), *build_assets(self.settings, lake)],
            jobs=[dg.define_asset_job("run", selection=list(keys) or dg.AssetSelection.all())],
            resources={
                **landing_resources(self.settings),
                **iceberg_resources(self.settings),
                **build_resources(self.settings),
            },
        )
        tags = {
            ASSET_PARTITION_RANGE_START_TAG: day(first).isoformat(),
            ASSET_PARTITION_RANGE_END_TAG: day(last).isoformat(),
        }
        return definitions.resolve_job_def("run").execute_in_process(instance=self.instance, tags=tags)

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        dicts = Lake.of(self.settings).load(f"analytics.{table}").scan().to_arrow().to_pylist()
        return sorted(tuple(row[column] for column in columns) for row in dicts)


def no_session() -> SparkSession:
    raise AssertionError("this needs no Spark")


@pytest.fixture
def shop(spark: SparkSession, local_settings: Settings) -> Shop:
    """Day 1: a user, a product, an order. Day 2: the order is shipped. Day 3: nothing but an order."""
    shop = Shop(local_settings)
    shop.land("users", 1, {"id": 1, "email": "a@shop.example", "first_name": "Ada", "__source_lsn": 1})
    shop.land("products", 1, {"id": 5, "name": "Pen", "price": "2.50", "__source_lsn": 2})
    pending = {"id": 9, "user_id": 1, "status": "pending", "total_amount": "5.00"}
    shop.land("orders", 1, {**pending, "__source_lsn": 3})
    item = {"id": 1, "order_id": 9, "product_id": 5, "quantity": 2, "unit_price": "2.50"}
    shop.land("order_items", 1, {**item, "__source_lsn": 4})
    shipped = {**pending, "status": "shipped", "__op": "u", "created_at": NOON * 1000}
    shop.land("orders", 2, {**shipped, "__source_lsn": 5})
    return shop


REVENUE = ("date", "total_orders", "total_revenue", "total_items_sold")


@pytest.mark.slow
def test_a_range_is_one_run_and_its_result_is_that_of_all_published_days(shop: Shop) -> None:
    result = shop.run(1, 2)
    assert result.success
    assert shop.rows("daily_business_metrics", *REVENUE) == [(day(1), 1, Decimal("5.00"), 2)]
    assert shop.rows("customer_metrics", "id", "first_name", "total_spent") == [(1, "Ada", Decimal("5.00"))]
    assert shop.rows("product_analytics", "date", "product_id", "units_sold") == [(day(1), 5, 2)]
    (event, *_) = result.asset_materializations_for_node("spark_analytics")
    assert event.metadata["as_of"].value == "2026-01-02"
    assert event.metadata["dagster/row_count"].value == 1
    snapshot = Lake.of(shop.settings).load("analytics.customer_metrics").current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary[AS_OF] == "2026-01-02"
    assert str(snapshot.snapshot_id) in {
        item.metadata["snapshot_id"].value for item in result.asset_materializations_for_node("spark_analytics")
    }

    # The same days again change nothing, and start no Spark.
    published = published_input(Lake.of(shop.settings), BusinessSpan.of(shop.settings))
    again = refresh(no_session, Lake.of(shop.settings), shop.settings.spark, published, TABLES, "another run")
    assert {name: item.written for name, item in again.items()} == dict.fromkeys(TABLES, False)

    # A late file of day 1 does; an order of a day that only orders have published does not count yet.
    shop.land(
        "orders", 1, {"id": 10, "status": "delivered", "total_amount": "0.01", "__source_lsn": 6}, file="late.parquet"
    )
    shop.land("orders", 3, {"id": 11, "status": "delivered", "total_amount": "7.00", "__source_lsn": 7})
    shop.run(1, 3, event_key("orders"))
    shop.run(1, 3, *(analytics_key(name) for name in TABLES))
    assert shop.rows("daily_business_metrics", *REVENUE) == [(day(1), 2, Decimal("5.01"), 2)]

    # Once the other tables have published day 3, too, it does.
    shop.run(3, 3)
    assert shop.rows("daily_business_metrics", *REVENUE)[-1] == (day(3), 1, Decimal("7.00"), 0)


def test_one_of_the_tables_can_be_asked_for_alone(shop: Shop) -> None:
    shop.run(1, 1, *map(event_key, source_tables()), analytics_key("product_analytics"))
    assert shop.rows("product_analytics", "product_id") == []
    assert not (shop.settings.data_dir / "warehouse" / "analytics" / "customer_metrics").exists()


def test_before_anything_is_published_the_tables_are_there_and_empty(
    spark: SparkSession, local_settings: Settings
) -> None:
    published = published_input(Lake.of(local_settings), BusinessSpan.of(local_settings))
    assert published.days == ()
    written = refresh(lambda: spark, Lake.of(local_settings), local_settings.spark, published, TABLES, "first run")
    assert [(item.rows, item.written) for item in written.values()] == [(0, True)] * 3


def test_the_analytics_assets_explain_themselves(local_settings: Settings) -> None:
    (assets,) = build_assets(local_settings, Lake.of(local_settings))
    expected: Sequence[dg.AssetKey] = [analytics_key(name) for name in TABLES]
    assert assets.keys == set(expected)
    for spec in assets.specs:
        assert spec.group_name == "analytics"
        assert spec.kinds == {"spark", "iceberg"}
        assert list(spec.owners) == ["team:data-platform"]
        assert {dependency.asset_key for dependency in spec.deps} == {event_key(table) for table in source_tables()}
    assert assets.backfill_policy == dg.BackfillPolicy.single_run()
