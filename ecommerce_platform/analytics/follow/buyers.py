"""What each user has bought, kept in Iceberg: `analytics.purchases_by_user`, one row a buyer.

What belongs here: the table, and how it follows from one version of the latest state to the next. What does not: the row of a
customer (figures/customers.py), and the versions themselves (changes.py).

A user's sums follow from sums and the orders and items that differ, and so do the first date, the last date and the number of
products, when it is known how often each date and each product is there. So a row has two maps of counts, and no order and no
item is read but those that differ. The table is nobody's but the analytics': it can be dropped at any time and comes back from
the state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.figures.exact import hundredths
from ecommerce_platform.analytics.figures.purchases import purchases_of
from ecommerce_platform.analytics.follow.changes import SIDE, Differences, Version, within
from ecommerce_platform.analytics.follow.latest import load_state
from ecommerce_platform.analytics.tables import current, ensure_internal, write
from ecommerce_platform.contracts import load_contracts

PURCHASES_BY_USER = "purchases_by_user"
#: Property of a snapshot: the definition and the snapshots of the states that it was made from, as JSON.
MADE_FROM = "ecommerce.purchases-of"
#: The states that purchases are made of.
STATES = ("orders", "order_items")
#: Numbers that are added up: purchases, their amounts in hundredths, units of their items.
_SUMS = ("orders", "spent", "units")


def columns() -> dict[str, str]:
    """Columns and Spark types: the user, the sums, and how many purchases a UTC date of creation and how many items a product
    has. What has no date or no product is in the sums alone.
    """
    contracts = load_contracts()
    user, product = contracts["orders"].column("user_id"), contracts["order_items"].column("product_id")
    sums = dict.fromkeys(_SUMS, "bigint")
    return {
        "user_id": user.spark_type,
        **sums,
        "dates": "map<date,bigint>",
        "products": f"map<{product.spark_type},bigint>",
    }


def follow_purchases(differences: Differences, definition: str, *, rebuild: bool = False) -> DataFrame:
    """Brings the table to the new version of the latest state; its rows, read from the commit. With `rebuild`, from all of that
    version in any case.
    """
    new = differences.new
    spark, lake = new.spark, new.lake
    states = {table: new.states[table].snapshot_id for table in STATES}
    made_from = json.dumps([definition, dict(sorted(states.items()))])
    before = current(lake, PURCHASES_BY_USER)
    name = ensure_internal(spark, lake, lake.analytics(PURCHASES_BY_USER), columns())
    known = before.properties.get(MADE_FROM) if before is not None and not rebuild else None
    if known != made_from:
        old = _version_of(known, new, definition)
        if before is not None and old is not None:
            rows = _added(read_purchases(new, before.snapshot_id), _difference(old, differences))
            write(rows, name, {MADE_FROM: made_from}, before=before.snapshot_id)
        else:
            nothing = spark.table(name).limit(0)
            write(_added(nothing, _all(new)), name, {MADE_FROM: made_from})
        before = current(lake, PURCHASES_BY_USER)
    assert before is not None, "it was written just now"
    return read_purchases(new, before.snapshot_id)


def read_purchases(version: Version, snapshot_id: int) -> DataFrame:
    """The rows of a snapshot."""
    name = version.lake.in_spark(version.lake.analytics(PURCHASES_BY_USER))
    return version.spark.sql(f"select * from {name} version as of {int(snapshot_id)}")


def totals(buyers: DataFrame, span: tuple[date, date]) -> DataFrame:
    """What a customer's row takes from here (`customer_rows`): id, total_orders, total_spent in hundredths, first_order_date,
    last_order_date, unique_products_purchased, total_items_purchased. Dates are those of the span.
    """
    dates = F.filter(F.map_keys("dates"), lambda day: day.between(F.lit(span[0]), F.lit(span[1])))
    return buyers.select(
        F.col("user_id").alias("id"),
        F.col("orders").alias("total_orders"),
        F.col("spent").alias("total_spent"),
        F.array_min(dates).alias("first_order_date"),
        F.array_max(dates).alias("last_order_date"),
        F.size("products").alias("unique_products_purchased"),
        F.col("units").alias("total_items_purchased"),
    )


def _version_of(text: str | None, new: Version, definition: str) -> Version | None:
    """The version that a snapshot was made from; None where it is not known, of another definition, or has expired."""
    known, snapshots = json.loads(text) if text else (None, {})
    states = {table: load_state(new.lake, table, snapshot) for table, snapshot in snapshots.items()}
    kept = {table: state for table, state in states.items() if state is not None}
    if known != definition or len(kept) < len(STATES):
        return None
    return Version(new.spark, new.lake, kept, new.span)


def _all(new: Version) -> DataFrame:
    """The rows from all orders and items of a version."""
    purchases = purchases_of(new.rows("orders")).withColumn(SIDE, F.lit(1))
    buyers = purchases.select(F.col("id").alias("order_id"), "user_id", SIDE)
    return _summed(purchases, new.rows("order_items").join(buyers, "order_id"))


def _difference(old: Version, differences: Differences) -> DataFrame:
    """What the rows of two versions differ by: those of the orders and items that one version alone has.

    With O and I for purchases and items, new O ⋈ new I - old O ⋈ old I = (new O - old O) ⋈ old I + new O ⋈ (new I - old I).
    """
    orders, items = purchases_of(differences.since(old, "orders")), differences.since(old, "order_items")
    changed = orders.select(F.col("id").alias("order_id"), "user_id", SIDE)
    of_orders = old.rows("order_items").where(within(changed, "order_id", "order_id")).join(changed, "order_id")
    now = purchases_of(differences.new.rows("orders").where(within(items, "order_id", "id")))
    of_items = items.join(now.select(F.col("id").alias("order_id"), "user_id"), "order_id")
    return _summed(orders, of_orders.unionByName(of_items, allowMissingColumns=True))


def _summed(purchases: DataFrame, items: DataFrame) -> DataFrame:
    """Rows from purchases and items, each with its buyer; those whose side is -1 are subtracted."""
    known = F.col("user_id").isNotNull()
    of_orders = _counted(
        purchases.where(known).withColumn("date", F.to_date("created_at")),
        "date",
        "dates",
        {"orders": F.col(SIDE), "spent": F.col(SIDE) * F.coalesce(hundredths(F.col("total_amount")), F.lit(0))},
    )
    of_items = _counted(
        items.where(known), "product_id", "products", {"units": F.col(SIDE) * F.coalesce(F.col("quantity"), F.lit(0))}
    )
    return of_orders.join(of_items, "user_id", "full")


def _counted(rows: DataFrame, value: str, name: str, sums: Mapping[str, Column]) -> DataFrame:
    """For each user the sums, and a map `name` of how often each value is there, without those that are there no more and no
    less than before.
    """
    added = [F.sum(amount.cast("bigint")).alias(column) for column, amount in sums.items()]
    # One shuffle for both steps: rows of a user are together after it, and so are those of a user and a value.
    by_value = rows.repartition("user_id").groupBy("user_id", value).agg(F.sum(SIDE).alias("rows"), *added)
    entry = F.when(F.col(value).isNotNull() & (F.col("rows") != 0), F.struct(value, "rows"))
    return by_value.groupBy("user_id").agg(
        *(F.sum(column).alias(column) for column in sums), F.map_from_entries(F.collect_list(entry)).alias(name)
    )


def _added(before: DataFrame, difference: DataFrame) -> DataFrame:
    """Rows and what they differ by, added up; a user without purchases has none."""
    was, more = before.alias("was"), difference.alias("more")
    joined = was.join(more, "user_id", "full").select(
        "user_id",
        *((_or_zero(f"was.{name}") + _or_zero(f"more.{name}")).alias(name) for name in _SUMS),
        *(_counts_of(name).alias(name) for name in ("dates", "products")),
    )
    return joined.where((F.col("orders") != 0) | (F.size("products") > 0))


def _or_zero(name: str) -> Column:
    return F.coalesce(F.col(name), F.lit(0))


def _counts_of(name: str) -> Column:
    """The counts of both maps added up, without those that come to nothing."""
    kind = columns()[name]
    was, more = (F.coalesce(F.col(f"{side}.{name}"), F.create_map().cast(kind)) for side in ("was", "more"))
    both = F.map_zip_with(was, more, lambda _, one, two: F.coalesce(one, F.lit(0)) + F.coalesce(two, F.lit(0)))
    return F.map_filter(both, lambda _, count: count != 0)
