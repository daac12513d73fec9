"""A new day on a long history does not read the history: what each model may read of each large table."""

from __future__ import annotations

import pytest

from benchmarks.model_reads import Shop, measured

DAYS, ORDERS = 120, 250
#: In hundredths of a table's rows, all statements of the model added up. The new day changes the orders of three days; what is
#: read at once is a row group, of which `orders` has 15 here.
MOST = {
    "base_changed_keys": {"raw.orders": 40, "raw.order_items": 10},
    "base_orders": {"raw.orders": 15, "staging.base_orders": 20},
    "base_order_items": {"raw.order_items": 10, "staging.base_order_items": 20},
    "int_order_analytics": {
        "staging.base_orders": 25,
        "staging.orders_enhanced": 25,
        "staging.order_items_enhanced": 25,
        "intermediate.int_order_analytics": 25,
    },
    "daily_business_metrics": {"intermediate.int_order_analytics": 60, "staging.order_items_enhanced": 25},
    "int_customer_metrics": {"staging.order_items_enhanced": 40},
    "int_product_analytics": {"staging.order_items_enhanced": 40, "intermediate.int_order_analytics": 45},
    "customer_analytics": {"staging.order_items_enhanced": 40, "intermediate.int_order_analytics": 45},
    "product_performance": {"intermediate.int_product_analytics": 60, "marts.product_performance": 120},
}


@pytest.mark.slow
def test_a_new_day_reads_the_rows_that_it_concerns() -> None:
    reads, rows = measured(Shop(ORDERS), DAYS)
    shares = {
        (model, table): round(100 * reads[model][table] / max(rows[table], 1))
        for model, read in reads.items()
        for table in read
    }
    assert rows["raw.orders"] > ORDERS * DAYS
    too_much = {
        (model, table): shares[model, table]
        for model, tables in MOST.items()
        for table, most in tables.items()
        if not 0 < shares[model, table] <= most
    }
    assert not too_much, shares
