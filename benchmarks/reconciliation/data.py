"""Both layers with the same orders, but for those that were planted: on the stand-ins, in a folder of their own.

What belongs here: making the orders (any number of them, in bounded memory), loading them and planting differences. What does
not: looking for them.

One in twenty orders has a second event, so the speed layer holds versions that no merge has dropped yet. Addresses are about
35 characters, some of them null, some not ASCII; order ids have gaps; the orders were created on 90 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import clickhouse_connect
import duckdb
import snowflake.connector
from clickhouse_connect.driver.client import Client
from snowflake.connector import SnowflakeConnection

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform.speed_layer.realtime import create_orders_realtime
from ecommerce_platform.stand_ins.servers import ensure_clickhouse
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.sql.connection import connection_arguments, execute

FIRST_DAY = date(2026, 1, 1)
BATCH_ID = "orders-2026-01-01-benchmark"
ROWS_A_FILE = 1_000_000
_MACRO = "create macro chance(number, salt, below) as (hash(number, salt) % below)::bigint"
_ORDERS = """
    select number * 3 + 11 as id,
           chance(number, 'o', 250000) + 1 as user_id,
           ['pending', 'processing', 'shipped', 'delivered', 'delivered', 'cancelled'][chance(number, 's', 6) + 1] as status,
           (chance(number, 'a', 5000000)::decimal(18, 2) / 100)::decimal(10, 2) as total_amount,
           case when number % 211 = 0 then null
                when number % 37 = 0 then 'Rue de la Forêt ' || (number % 977) || ', 69000 Besançon'
                else (number % 977) || ' Elm Street, Springfield, OR ' || (90000 + number % 9973) end as shipping_address,
           timestamp '2026-01-01' + to_microseconds(chance(number, 'c', 90 * 86400000000)) as created_at,
           created_at + to_seconds(chance(number, 'u', 600000)) as updated_at,
           'INSERT' as __op,
           timestamp '2026-04-01' as __ts_ms,
           timestamp '2026-04-01' as __source_ts_ms,
           1000 + number * 2 as __source_lsn
    from range({first}, {last}) as numbers(number)
"""
_STATE = ("id", "user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at")
_STAGING = """
create or replace table staging.orders_enhanced (
    id NUMBER, user_id NUMBER, status STRING, total_amount NUMBER(10,2), shipping_address STRING,
    created_at TIMESTAMP_NTZ, updated_at TIMESTAMP_NTZ, order_size_category STRING, days_to_fulfillment NUMBER,
    is_repeat_customer BOOLEAN, is_valid_order BOOLEAN, has_shipping_address BOOLEAN, processed_at TIMESTAMP_NTZ)
"""


def settings_of(folder: Path) -> Settings:
    """Settings of an installation in `folder`, with limits that let a whole table of orders be compared."""
    return Settings(
        data_dir=folder,
        reconciliation={
            "max_findings": 10_000_000, "max_fetched_rows": 200_000_000, "max_seconds": 7200,
            "query_seconds": 3600, "query_memory_bytes": 4_000_000_000,
        },
    )  # fmt: skip


def connect_both(settings: Settings) -> tuple[Client, SnowflakeConnection]:
    """Clients with time enough for the largest question."""
    endpoint = ensure_clickhouse(settings.data_dir)
    client = clickhouse_connect.get_client(
        host=endpoint.host,
        port=endpoint.port,
        password=endpoint.password,
        autogenerate_session_id=False,
        send_receive_timeout=3600,
        settings={"max_memory_usage": settings.reconciliation.query_memory_bytes},
    )
    arguments = connection_arguments(settings, "benchmark") | {"network_timeout": 3600, "socket_timeout": 3600}
    return client, snowflake.connector.connect(**arguments)


def load(settings: Settings, orders: int) -> None:
    """Both layers with `orders` orders, all applied, none differing."""
    client, connection = connect_both(settings)
    contract = load_contracts()["orders"]
    for definition in ddl.table_definitions(load_contracts()):
        execute(connection, ddl.create_table(definition))
    execute(connection, f"create stage if not exists {ddl.LOAD_STAGE}")
    execute(connection, _STAGING)
    client.command("drop table if exists orders_realtime")
    create_orders_realtime(client, "orders_realtime", contract)
    client.command("create or replace view orders_now as select * from orders_realtime final where is_deleted = 0")
    for table in ("raw.orders", "raw.load_ledger", "staging.applied_days"):
        execute(connection, f"delete from {table}")
    for number, file in enumerate(_files(settings.data_dir / "made", orders)):
        _to_clickhouse(client, file)
        _to_snowflake(connection, file, number)
        file.unlink()
    ledger = (("orders", FIRST_DAY, BATCH_ID), "table_name, date, batch_id")
    for table in ("raw.load_ledger", "staging.applied_days"):
        execute(connection, f"insert into {table} ({ledger[1]}) values (%s, %s, %s)", ledger[0])
    connection.close()
    client.close()


def _files(folder: Path, orders: int) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as engine:
        engine.execute(_MACRO)
        for first in range(0, orders, ROWS_A_FILE):
            path = folder / f"orders-{first}.parquet"
            sql = _ORDERS.format(first=first, last=min(orders, first + ROWS_A_FILE))
            engine.execute(f"copy ({sql}) to '{path}' (format parquet, compression snappy)")
            yield path


def _to_clickhouse(client: Client, file: Path) -> None:
    """Every twentieth order first as it was before its last change, in a part of its own."""
    shown = ", ".join(_STATE)
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        casts = (
            "created_at::timestamptz as created_at, updated_at::timestamptz as updated_at, "
            "__source_ts_ms::timestamptz as __source_ts_ms, 0::utinyint as is_deleted"
        )
        for earlier in (True, False):
            status = "'pending' as status, __source_lsn - 1 as __source_lsn" if earlier else "status, __source_lsn"
            condition = "id % 20 = 0" if earlier else "true"
            sql = (
                f"select {shown}, __op, __source_lsn, __source_ts_ms, is_deleted from (select * exclude (status, __source_lsn, "
                f"created_at, updated_at, __source_ts_ms), {status}, {casts} from read_parquet('{file}') where {condition})"
            )
            for batch in engine.sql(sql).to_arrow_reader(250_000):
                client.insert_arrow("orders_realtime", _table(batch))


def _table(batch):  # type: ignore[no-untyped-def]
    import pyarrow as pa

    return pa.Table.from_batches([batch])


def _to_snowflake(connection: SnowflakeConnection, file: Path, number: int) -> None:
    folder = f"benchmark-{number}"
    execute(connection, f"put 'file://{file}' @{ddl.LOAD_STAGE}/{folder} auto_compress = false overwrite = true")
    state = [_column(name) for name in _STATE]
    form = "file_format = (type = parquet use_logical_type = true) force = true"
    execute(
        connection,
        f"copy into staging.orders_enhanced ({', '.join(_STATE)}) from "
        f"(select {', '.join(state)} from @{ddl.LOAD_STAGE}/{folder}/) {form}",
    )
    events = [*state, "$1:__op::string", *(f"$1:{name}::timestamp_ntz" for name in ("__ts_ms", "__source_ts_ms"))]
    place = f"'{BATCH_ID}', '{FIRST_DAY}'::date, 'part-{number}.parquet'"
    constants = f"$1:__source_lsn::number(38, 0), {place}, $1:id::number(38, 0)"
    execute(
        connection,
        f"copy into raw.orders ({', '.join(_STATE)}, __op, __ts_ms, __source_ts_ms, __source_lsn, batch_id, date, "
        f"__source_file, __source_row) from (select {', '.join(events)}, {constants} from @{ddl.LOAD_STAGE}/{folder}/) "
        f"{form} purge = true",
    )


def _column(name: str) -> str:
    kinds = {"total_amount": "number(10, 2)", "created_at": "timestamp_ntz", "updated_at": "timestamp_ntz"}
    kind = kinds.get(name, "number(38, 0)" if name.endswith("id") else "string")
    return f"$1:{name}::{kind}"


def plant(settings: Settings, every: int, orders: int) -> list[int]:
    """One order in `every` differs from now on (every = orders: a single one, in the middle); returns their ids.

    The batch layer's rows are changed, as by a model that was wrong: amounts, statuses, times and missing orders in turn.
    """
    ids = [number * 3 + 11 for number in range(every // 2, orders, every)]
    client, connection = connect_both(settings)
    condition = f"mod(id - 11, {3 * every}) = {3 * (every // 2)}"
    place = f"mod((id - {ids[0]}) / {3 * every}, 4)"
    if len(ids) == 1:
        execute(connection, f"update staging.orders_enhanced set total_amount = total_amount + 0.05 where {condition}")
    else:
        execute(
            connection,
            "update staging.orders_enhanced set "
            f"total_amount = total_amount + iff({place} = 0, 0.05, 0), "
            f"status = iff({place} = 1, 'returned', status), "
            f"created_at = iff({place} = 2, dateadd('hour', 2, created_at), created_at) where {condition}",
        )
        execute(connection, f"delete from staging.orders_enhanced where {condition} and {place} = 3")
    connection.close()
    client.close()
    return ids
