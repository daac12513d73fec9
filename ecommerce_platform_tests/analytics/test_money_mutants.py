"""Every small mistake in the Spark transformations is noticed by a test of theirs."""

from __future__ import annotations

from types import FunctionType

import pytest
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ecommerce_platform.analytics import customers, daily, exact, products, purchases
from ecommerce_platform_tests.analytics import test_exact, test_transformations
from ecommerce_platform_tests.analytics.test_transformations import Frames
from ecommerce_platform_tests.analytics.test_transformations import shop as shop
from ecommerce_platform_tests.mutants.judges import noticed
from ecommerce_platform_tests.mutants.python import in_place, mutants
from ecommerce_platform_tests.mutants.report import Score, written

pytestmark = pytest.mark.mutation

FUNCTIONS: tuple[FunctionType, ...] = (
    exact.quotient,
    exact.money,
    purchases.is_purchase,
    purchases.purchases_of,
    purchases.purchased_items,
    customers.calculate_customer_metrics,
    daily.calculate_daily_business_metrics,
    daily._orders_by_day,
    daily._with_quotients,
    products.calculate_product_analytics,
)  # type: ignore[assignment]
TESTS = (test_exact, test_transformations)
#: Mutants that compute the same, by a part of their description: why no test can notice.
SAME: tuple[tuple[str, str], ...] = ()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_mistake_is_noticed(function: FunctionType, spark: SparkSession, shop: Frames) -> None:
    given, score = {"spark": spark, "shop": shop}, Score(f"{function.__module__}.{function.__name__}")
    assert not noticed(TESTS, given), "the tests fail before anything is mutated"
    for mutant in mutants(function):
        with in_place(function, mutant):
            try:
                found = noticed(TESTS, given)
            except (Py4JError, PySparkException):
                score.failed.append(mutant.what)
                continue
            except (AttributeError, NameError):
                continue  # names something that is not there: no mistake that anybody would make
        if found:
            score.killed += 1
        elif any(part in mutant.what for part, _ in SAME):
            score.same += 1
        else:
            score.survivors.append(mutant.what)
    written(score)
    assert score.killed
    assert not score.survivors, "\n".join(score.survivors)
