"""Every small mistake in the Spark transformations is noticed by a test of theirs."""

from __future__ import annotations

from types import FunctionType

import pytest
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ecommerce_platform.analytics.figures import customers, daily, exact, products, purchases
from ecommerce_platform_tests.analytics import test_exact, test_transformations
from ecommerce_platform_tests.analytics.test_transformations import Frames
from ecommerce_platform_tests.analytics.test_transformations import shop as shop
from ecommerce_platform_tests.mutants.scored import scored

pytestmark = pytest.mark.mutation

FUNCTIONS: tuple[FunctionType, ...] = (
    exact.quotient,
    exact.hundredths,
    exact.money,
    purchases.purchases_of,
    purchases.purchased_items,
    customers.calculate_customer_metrics,
    daily.calculate_daily_business_metrics,
    daily._orders_by_day,
    daily._with_quotients,
    products.calculate_product_analytics,
)  # type: ignore[assignment]
#: Mutants that compute the same, by a part of their description: why no test can notice.
SAME: tuple[tuple[str, str], ...] = (
    ("units < 0 -> units <= 0", "nothing has no sign"),
    ("divisor < 0 -> divisor <= 0", "a divisor of 0 is answered apart"),
    ("quotient 15: 0 -> 1", "a divisor of 0 is answered apart, before anything is divided"),
    ("quotient 18: 0 -> 1", "whole numbers below 1 are those up to 0, as above"),
    ("quotient 19: 1 -> 2", "a wider type of the same number"),
    ("calculate_customer_metrics 10: 1 -> 2", "rows are counted, whatever is in them"),
    ("orders.where('business_date is not null') -> orders", "no date meets no day of the calendar"),
    ("F.lit(False)) -> F.col('registered_on') == F.col('business_date')", "unknown counts and sums as no does"),
    ("_orders_by_day 8: 1 -> 2", "rows are counted, whatever is in them"),
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_mistake_is_noticed(function: FunctionType, spark: SparkSession, shop: Frames) -> None:
    tests = test_exact if function in (exact.quotient, exact.hundredths, exact.money) else test_transformations
    score = scored(function, tests, SAME, (Py4JError, PySparkException), {"spark": spark, "shop": shop})
    assert score.killed or score.failed
    assert not score.survivors, "\n".join(score.survivors)
