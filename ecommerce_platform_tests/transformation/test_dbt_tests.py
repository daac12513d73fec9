"""dbt's own tests: the unit tests of the models, and that the data tests find what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRunError, run_dbt
from ecommerce_platform.warehouse.sql.connection import execute
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


def test_the_models_unit_tests_pass(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform
) -> None:
    transform()
    request = DbtRequest(command="test", select=("test_type:unit",), with_unit_tests=True)
    results = run_dbt(transformation_settings, request, "unit-tests")
    assert len(results) == 6
    assert {status for status, _ in results.values()} == {"pass"}


@pytest.mark.slow
def test_business_flags_warn_and_broken_sums_fail(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(
        connection,
        "2026-01-01",
        [
            user(1, 1, "2026-01-01", email="nonsense"),
            product(1, 2, "2026-01-01", price="-1.00"),
            order(1, 3, "2026-01-01", user_id=9, status="lost", total_amount="-5.00", shipping_address=None),
            item(1, 4, "2026-01-01", quantity=0, unit_price="-1.00"),
        ],
    )
    transform()
    results = run_dbt(transformation_settings, DbtRequest(command="test"), "flags")
    warned = {name.split(".")[2] for name, (status, _) in results.items() if status == "warn"}
    assert warned == {
        "users_valid_email",
        "products_price_not_negative",
        "orders_amount_not_negative",
        "orders_known_status",
        "orders_known_user",
        "orders_have_shipping_address",
        "order_items_quantity_positive",
        "order_items_unit_price_not_negative",
    }
    execute(connection, "update MARTS.DAILY_BUSINESS_METRICS set new_customers = new_customers + 1")
    execute(connection, "delete from MARTS.CUSTOMER_TIER_ANALYTICS where customer_tier = 'bronze'")
    with pytest.raises(DbtRunError) as failure:
        run_dbt(transformation_settings, DbtRequest(command="test"), "broken")
    assert set(failure.value.failed) == {"daily_customers_add_up", "customer_tier_analytics_agrees_with_customers"}
