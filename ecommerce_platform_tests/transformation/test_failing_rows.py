"""What a failing dbt test shows: keys and values of its first rows, in the run's message, the log and the check."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.failing_rows import FailedTest, FailingRows
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRunError, dbt_run, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, load_parsed
from ecommerce_platform.warehouse.sql.connection import connect, execute
from ecommerce_platform_tests.transformation.conftest import Transform
from ecommerce_platform_tests.transformation.raw_events import item, load_day, order, product, user
from ecommerce_platform_tests.transformation.test_assets import DAYS, materialize

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ORDERS = "STAGING.ORDERS_ENHANCED"
USERS = "STAGING.USERS_ENHANCED"


def failed_tests(settings: Settings, *select: str) -> dict[str, FailedTest]:
    with dbt_run(settings, DbtRequest(command="test", select=select), "failing") as run:
        with suppress(DbtRunError):
            for _ in run.events:
                pass
        return {test.name: test for test in run.failed_tests.values()}


def test_business_flags_name_the_key_and_what_the_test_looks_at(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform
) -> None:
    orders = [order(key, 10 + key, "2026-01-01", user_id=1, total_amount="-5.00") for key in range(1, 8)]
    strange = order(8, 30, "2026-01-01", user_id=9, status="a|b\x1b[2J\n; c=d", created_at="9999-12-31 23:59:59")
    secret = user(1, 1, "2026-01-01", email="nonsense")
    load_day(connection, "2026-01-01", [secret, product(1, 2, "2026-01-01"), *orders, strange])
    transform()

    failed = failed_tests(transformation_settings)

    assert failed["orders_amount_not_negative"].line() == (
        "test orders_amount_not_negative warns of 7 rows: id=1 total_amount=-5.00; id=2 total_amount=-5.00; "
        "id=3 total_amount=-5.00; id=4 total_amount=-5.00; id=5 total_amount=-5.00; and 2 more"
    )
    assert failed["orders_known_user"].line() == "test orders_known_user warns of 1 row: id=8 user_id=9"
    assert failed["orders_date_in_span"].line() == (
        "test orders_date_in_span warns of 1 row: id=8 created_at=9999-12-31T23:59:59 has_date_in_span=false"
    )
    status = failed["orders_known_status"]
    assert status.line() == 'test orders_known_status warns of 1 row: id=8 status="a|b\\x1b[2J\\n; c=d"'
    assert status.markdown().splitlines() == [
        "| id | status |",
        "| --- | --- |",
        "| 8 | a\\|b\\\\x1b\\[2J\\\\n; c=d |",
    ]
    assert failed["users_valid_email"].rows == (("1", "false"),)
    assert "nonsense" not in str(failed)


@pytest.mark.soak
def test_tests_of_dbt_itself_name_the_key_and_no_personal_value(
    transformation_settings: Settings, connection: SnowflakeConnection, transform: Transform
) -> None:
    load_day(
        connection,
        "2026-01-01",
        [user(1, 1, "2026-01-01", email="ada@b.example"), user(2, 2, "2026-01-01"), order(5, 3, "2026-01-01")],
    )
    transform()
    execute(connection, f"update {ORDERS} set created_at = null where id = 5")
    execute(connection, f"update {USERS} set customer_tier = 'iron' where id = 2")
    execute(connection, f"insert into {USERS} select * from {USERS} where id = 1")
    try:
        names = (
            "not_null_stg_orders_enhanced_created_at",
            "users_customer_tier_is_known",
            "unique_stg_users_enhanced_id",
        )
        failed = failed_tests(transformation_settings, *names)
        assert [failed[name].line() for name in names] == [
            f"test {names[0]} failed for 1 row: id=5 created_at=NULL",
            f"test {names[1]} failed for 1 row: id=2 customer_tier=iron",
            f"test {names[2]} failed for 1 row: id=1 row_count=2",
        ]
        with pytest.raises(DbtRunError) as failure:
            run_dbt(transformation_settings, DbtRequest(command="test", select=names[:1]), "message")
        assert str(failure.value).endswith(f" nodes: {names[0]}: failed for 1 row: id=5 created_at=NULL")
    finally:
        transform(full_refresh=True)


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


@pytest.mark.slow
def test_the_check_and_the_log_of_the_step_show_the_rows(
    transformation_settings: Settings, connection: SnowflakeConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    far = order(2, 5, "2026-01-01", created_at="0001-01-01")
    shop = [user(1, 1, "2026-01-01"), product(1, 2, "2026-01-01"), order(1, 3, "2026-01-01"), item(1, 4, "2026-01-01")]
    load_day(connection, DAYS[0], [*shop, far])
    load_day(connection, DAYS[1], [])
    assert materialize(transformation_settings).success
    execute(connection, "update MARTS.DAILY_BUSINESS_METRICS set total_orders = total_orders + 1")
    load_day(connection, DAYS[1], [user(2, 9, "2026-01-02")])
    logged(capfd)

    result = materialize(transformation_settings)

    assert not result.success
    checks: dict[str, Any] = {check.check_name: check for check in result.get_asset_check_evaluations()}
    warned, broken = checks["orders_date_in_span"], checks["daily_business_metrics_cover_all_orders"]
    assert not warned.passed
    assert warned.metadata["failing_rows"].value.splitlines() == [
        "| id | created_at | has_date_in_span |",
        "| --- | --- | --- |",
        "| 2 | 0001-01-01T00:00:00 | false |",
    ]
    assert not broken.passed
    header, _, row = broken.metadata["failing_rows"].value.splitlines()
    assert header.startswith("| date | total_orders | expected_total_orders | ")
    assert row.startswith("| 2026-01-01 | 2 | 1 | ")
    assert broken.description.startswith("failed for 1 row: date=2026-01-01 total_orders=2 expected_total_orders=1 ")
    lines = logged(capfd).splitlines()
    assert (
        len([line for line in lines if re.search(r"WARNING.*test orders_date_in_span warns of 1 row: id=2 ", line)])
        == 1
    )
    messages = [
        line for line in lines if re.search(r"ERROR.*test daily_business_metrics_cover_all_orders failed for 1", line)
    ]
    assert len(messages) == 1
    assert "failing_rows" not in checks["orders_known_status"].metadata
    execute(connection, "delete from STAGING.APPLIED_DAYS")


def test_rows_that_cannot_be_read_leave_the_verdict_and_name_the_reason(
    transformation_settings: Settings, connection: SnowflakeConnection
) -> None:
    parsed = load_parsed(DbtProject.of(transformation_settings))
    (unique_id,) = [name for name, node in parsed.nodes.items() if node.name == "orders_amount_not_negative"]
    parsed.nodes[unique_id].compiled_code = "select nowhere from STAGING.ORDERS_ENHANCED"
    with FailingRows(partial(connect, transformation_settings), parsed) as failing:
        failed = failing.of(unique_id, "fail", 3)
    assert re.fullmatch(
        "test orders_amount_not_negative failed for 3 rows, which cannot be shown: .*nowhere.*", failed.line(), re.I
    )
    assert "nowhere" in failed.markdown().lower()


def test_what_a_test_computes_of_personal_columns_is_personal(
    transformation_settings: Settings, connection: SnowflakeConnection
) -> None:
    parsed = load_parsed(DbtProject.of(transformation_settings))
    (unique_id,) = [name for name, node in parsed.nodes.items() if node.name == "daily_business_metrics_has_no_gaps"]
    parsed.nodes[unique_id].compiled_code = """
        with people as (select 7 as id, 'ada@b.example' as email),
        addresses as (select people.id, lower(people.email) as address from people)
        select id, address as "where", 'Ada' as full_name, 1.50 as price from addresses -- ends in a comment"""
    with FailingRows(partial(connect, transformation_settings), parsed) as failing:
        failed = failing.of(unique_id, "warn", 1)
    assert failed.finding() == "warns of 1 row: id=7 where=(personal) full_name=(personal) price=1.50"
