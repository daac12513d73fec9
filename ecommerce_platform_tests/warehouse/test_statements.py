"""Every statement that the warehouse room sends is Snowflake's own, with documented functions only."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.load import load_sql
from ecommerce_platform.warehouse.load.days import load_tables
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.load.spark_tables import load_spark_tables
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.upgrade import initialise
from ecommerce_platform_tests.snowflake_dialect import NotSnowflake, assert_snowflake
from ecommerce_platform_tests.warehouse.conftest import RUN
from ecommerce_platform_tests.warehouse.faults import WatchedConnection
from ecommerce_platform_tests.warehouse.lake import day, events, publish

CONTRACTS = load_contracts()


@pytest.mark.slow
def test_everything_that_a_load_and_a_reload_send_is_snowflakes(settings: Settings) -> None:
    sent: list[str] = []

    def open_connection() -> WatchedConnection:
        return WatchedConnection(settings, lambda number, sql, after: sent.append(sql))

    for rows in (1, 2):
        for table, contract in CONTRACTS.items():
            publish(settings, table, {day(1): events(contract, day(1), rows), day(2): []})
        load_tables(LoadSource.of(settings), open_connection, list(CONTRACTS), [day(1), day(2)], RUN)  # type: ignore[arg-type]
    load_spark_tables(LoadSource.of(settings), open_connection, ["customer_metrics"], RUN)  # type: ignore[arg-type]
    with open_connection() as connection:
        initialise(connection, settings.snowflake)  # type: ignore[arg-type]

    assert any(sql.startswith("copy into") for sql in sent)
    assert any("SUPERSEDED" in sql for sql in sent)
    for sql in set(sent):
        assert_snowflake(sql)


def test_statements_that_are_rare_are_snowflakes() -> None:
    column = CONTRACTS["orders"].column("total_amount")
    assert_snowflake(ddl.add_column(ddl.raw_table("orders"), column))
    assert_snowflake(ddl.widen_column(ddl.raw_table("orders"), column))
    assert_snowflake(load_sql.put(Path("/some folder/it's"), "a/b"))
    assert_snowflake(load_sql.copy("loading", CONTRACTS["orders"].all_event_columns, ("id",), "a/b"))


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("select epoch_us(created_at) from raw.orders", "epoch_us"),
        ("select date_diff('day', a, b) from t", "date_diff"),
        ("select a from t qualify list_sort(a) = 1", "list_sort"),
        ("select from where", "does not parse"),
        ("pragma table_info('t')", "pragma"),
        ("select a, read_parquet('x') from t", "read_parquet"),
    ],
)
def test_what_only_another_engine_knows_is_found(sql: str, complaint: str) -> None:
    with pytest.raises(NotSnowflake, match=complaint):
        assert_snowflake(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "with a (x) as (select 1), b as (select x from a) select iff(x > 0, 1, 0) from b where x in (1, 2)",
        "merge into t using (select 1 as id) as s on t.id = s.id when matched then update set a = 1 "
        "when not matched then insert (id, a) values (s.id, 2)",
        "select sum(a) over (partition by b order by c) from t qualify row_number() over (order by c) = 1",
        "select * from a asof join b match_condition (a.t >= b.t) on a.id = b.id",
        "create table if not exists raw.t (a number(10, 2), b string) cluster by (to_date(b))",
        "insert into raw.rank (a, b) select listagg(a, ',') within group (order by a), count(distinct b) from t",
    ],
)
def test_snowflakes_own_syntax_passes(sql: str) -> None:
    assert_snowflake(sql)
