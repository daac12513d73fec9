"""The three Iceberg tables of the analytics: names, columns, and how one is replaced in a single commit.

What belongs here: tables as values, and writing. What does not: what is computed (customers.py, products.py, daily.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.exact import MONEY_DIGITS
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.catalog import load_iceberg_table, pyiceberg_catalog
from ecommerce_platform.spark.metadata_files import sound_table

CUSTOMER_METRICS = "customer_metrics"
PRODUCT_ANALYTICS = "product_analytics"
DAILY_BUSINESS_METRICS = "daily_business_metrics"

AS_OF = "ecommerce.as-of"
APPLIED_DAYS = "ecommerce.applied-days"
BASIS = "ecommerce.basis"
RUN_ID = "ecommerce.run-id"


class AnalyticsError(RuntimeError):
    """The analytics cannot be computed or written; the message says what to do."""


@dataclass(frozen=True)
class AnalyticsColumn:
    """A column: its name, its type in Spark, and what it means in a sentence."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class AnalyticsTable:
    """One of the three tables."""

    name: str
    description: str
    columns: tuple[AnalyticsColumn, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


#: Sums, products and averages: any row that a contract accepts fits.
_MONEY, _RATIO, _COUNT = f"decimal({MONEY_DIGITS},2)", "decimal(5,4)", "bigint"


def _columns(*columns: tuple[str, str, str]) -> tuple[AnalyticsColumn, ...]:
    return tuple(AnalyticsColumn(*column) for column in columns)


TABLES: Mapping[str, AnalyticsTable] = {
    table.name: table
    for table in (
        AnalyticsTable(
            CUSTOMER_METRICS,
            "One row a known user: purchases (revenue orders) to date.",
            _columns(
                ("id", _COUNT, "Key of the user."),
                ("email", "string", "Latest known address."),
                ("first_name", "string", "Latest known first name."),
                ("last_name", "string", "Latest known last name."),
                ("total_orders", _COUNT, "Purchases."),
                ("total_spent", _MONEY, "Sum of their amounts."),
                ("avg_order_value", _MONEY, "total_spent / total_orders; 0 without purchases."),
                ("first_order_date", "date", "Earliest business date in the span of a purchase."),
                ("last_order_date", "date", "Latest business date in the span of a purchase."),
                ("unique_products_purchased", _COUNT, "Distinct products among the items of purchases."),
                ("total_items_purchased", _COUNT, "Sum of quantity over the items of purchases."),
            ),
        ),
        AnalyticsTable(
            PRODUCT_ANALYTICS,
            "One row for each product and business date in the span on which purchases contain it.",
            _columns(
                ("date", "date", "Business date of the purchases."),
                ("product_id", _COUNT, "Key of the product, known or not."),
                ("units_sold", _COUNT, "Sum of quantity."),
                ("total_revenue", _MONEY, "Sum of quantity × unit_price."),
                ("avg_selling_price", _MONEY, "total_revenue / units_sold; 0 when no unit was sold."),
                ("unique_customers", _COUNT, "Distinct buyers."),
                ("total_orders", _COUNT, "Distinct purchases."),
            ),
        ),
        AnalyticsTable(
            DAILY_BUSINESS_METRICS,
            "One row for each date from the first to the last business date in the span.",
            _columns(
                ("date", "date", "Business date."),
                ("new_customers", _COUNT, "Active customers who registered on that date."),
                ("returning_customers", _COUNT, "The other active customers."),
                ("total_active_customers", _COUNT, "Distinct customers with an order."),
                ("total_orders", _COUNT, "Orders of any status."),
                ("completed_orders", _COUNT, "Shipped or delivered orders."),
                ("cancelled_orders", _COUNT, "Cancelled orders."),
                ("avg_order_value", _MONEY, "total_revenue / purchases; 0 without purchases."),
                ("total_revenue", _MONEY, "Sum of the amounts of purchases."),
                ("revenue_from_new_customers", _MONEY, "Of customers who registered on that date."),
                ("revenue_from_returning_customers", _MONEY, "Of all others."),
                ("total_items_sold", _COUNT, "Sum of quantity over the items of purchases."),
                ("unique_products_sold", _COUNT, "Distinct products among them."),
                ("customer_acquisition_rate", _RATIO, "new / active customers; 0 without any."),
                ("order_completion_rate", _RATIO, "completed / total orders; 0 without any."),
                ("average_items_per_order", _MONEY, "total_items_sold / purchases; 0 without any."),
            ),
        ),
    )
}

#: As the design document has them for every Iceberg table.
PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "snappy",
    "write.metadata.compression-codec": "gzip",
    "write.target-file-size-bytes": "134217728",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "commit.retry.num-retries": "4",
    "commit.retry.min-wait-ms": "100",
    # A few thousand rows: a shuffle before the write would cost more than the smaller number of files saves.
    "write.distribution-mode": "none",
}


@dataclass(frozen=True)
class WrittenTable:
    """What the table holds: its snapshot, and what it was computed from (a digest; `written` is false when it was so already)."""

    table: str
    snapshot_id: int
    rows: int
    bytes: int
    basis: str
    written: bool


def identifier(settings: Settings, table: str) -> str:
    """`namespace.table`, as PyIceberg names it."""
    return f"{settings.lakehouse.analytics_namespace}.{table}"


def spark_name(settings: Settings, namespace: str, table: str) -> str:
    """The table's quoted name in Spark SQL."""
    return f"`{settings.lakehouse.catalog_name}`.`{namespace}`.`{table}`"


def current(settings: Settings, table: str) -> WrittenTable | None:
    """What the table holds now, read without a JVM; None when it was never written."""
    try:
        iceberg = load_iceberg_table(settings, identifier(settings, table))
    except (NoSuchTableError, NoSuchNamespaceError):
        return None
    snapshot = iceberg.current_snapshot()
    if snapshot is None or snapshot.summary is None:
        return None
    summary = snapshot.summary.additional_properties
    return WrittenTable(
        table=table,
        snapshot_id=snapshot.snapshot_id,
        rows=int(summary.get("total-records") or 0),
        bytes=int(summary.get("total-files-size") or 0),
        basis=summary.get(BASIS, ""),
        written=False,
    )


def ensure_table(spark: SparkSession, settings: Settings, table: AnalyticsTable) -> str:
    """Creates the table where it is missing, and widens columns that an earlier release made narrower; its quoted name.

    Raises LostTableError when the folder holds a table, or later commits, that the catalog does not know.
    """
    sound_table(settings, pyiceberg_catalog(settings), identifier(settings, table.name))
    name = spark_name(settings, settings.lakehouse.analytics_namespace, table.name)
    columns = ", ".join(
        f"`{column.name}` {column.type} comment {_literal(column.description)}" for column in table.columns
    )
    properties = ", ".join(f"{_literal(key)} = {_literal(value)}" for key, value in PROPERTIES.items())
    spark.sql(
        f"create table if not exists {name} ({columns}) using iceberg comment {_literal(table.description)} "
        f"tblproperties ({properties})"
    )
    found = {field.name: field.dataType.simpleString() for field in spark.table(name).schema.fields}
    for column in table.columns:
        if found.get(column.name, column.type) != column.type:
            spark.sql(f"alter table {name} alter column `{column.name}` type {column.type}")
    return name


def replace(
    spark: SparkSession, settings: Settings, table: AnalyticsTable, rows: DataFrame, properties: Mapping[str, str]
) -> WrittenTable:
    """Replaces the whole table by `rows` in one commit, whose snapshot carries `properties`. Readers see the old or the new.

    Raises AnalyticsError when the columns of `rows` are not those of the table.
    """
    found = tuple((field.name, field.dataType.simpleString()) for field in rows.schema.fields)
    expected = tuple((column.name, column.type) for column in table.columns)
    if found != expected:
        raise AnalyticsError(f"{table.name}: the computed columns are {found}, expected {expected}")
    name = ensure_table(spark, settings, table)
    writer = rows.writeTo(name)
    for key, value in properties.items():
        writer = writer.option(f"snapshot-property.{key}", value)
    writer.overwrite(F.lit(True))
    result = current(settings, table.name)
    if result is None:
        raise AnalyticsError(f"{table.name} was written, and PyIceberg does not find it: do both use the same catalog?")
    return WrittenTable(**{**result.__dict__, "written": True})


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
