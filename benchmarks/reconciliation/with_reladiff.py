"""reladiff 0.6 over the same tables, run by .venv-benchmarks: with_reladiff.py '{"clickhouse": …, "snowflake": …}'

What belongs here: the thinnest adapter between reladiff and the stand-ins, and one measured call. reladiff's own SQL, search,
threads and comparison are untouched, but for these points:

- transport: reladiff speaks ClickHouse's native protocol; the stand-in has HTTP, so statements go through clickhouse-connect;
- `%M` in ClickHouse's formatDateTime has become the month's name, and reladiff means minutes: the setting for the old meaning is
  given with the connection (without it reladiff reports every order, here and on ClickHouse's servers);
- Snowflake's `BITAND(md5_number_lower64(x), mask)`: the stand-in's MD5 half is a decimal, of which no bits can be taken; the same
  lower 60 bits are taken with `mod(…, 2^60)`, which costs the same;
- the stand-in's information_schema has no `datetime_precision`; the columns' 6 places are written into that question;
- Snowflake's `convert_timezone('UTC', x)` of a TIMESTAMP_NTZ, which the stand-in has not, is left out: the times are in UTC.

This file runs without the platform's packages.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import clickhouse_connect
import reladiff
from reladiff.databases import clickhouse, snowflake

from benchmarks import bytes_moved

COLUMNS = ("user_id", "status", "total_amount", "shipping_address", "created_at", "updated_at")


class SnowflakeDialect(snowflake.Dialect):
    """Snowflake's dialect within what the stand-in knows."""

    def md5_as_int(self, s: str) -> str:
        return f"mod(md5_number_lower64({s}), {2**60})"

    def normalize_timestamp(self, value: str, coltype: Any) -> str:
        return f"to_char({value}, 'YYYY-MM-DD HH24:MI:SS.FF6')"


class Snowflake(snowflake.Snowflake):
    dialect = SnowflakeDialect()

    def select_table_schema(self, path: Any) -> str:
        return super().select_table_schema(path).replace("datetime_precision", "6 as datetime_precision")


class _Cursor:
    """Just what reladiff asks of a DB-API cursor."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._rows: list[Any] = []
        self.description: list[tuple[str]] = []

    def execute(self, sql: str, arguments: Any = None) -> None:
        answer = self._client.query(sql)
        self._rows = [tuple(row) for row in answer.result_rows]
        self.description = [(name,) for name in answer.column_names]

    def fetchall(self) -> list[Any]:
        return self._rows


class _Connection:
    def __init__(self, client: Any) -> None:
        self._client = client

    def cursor(self) -> _Cursor:
        return _Cursor(self._client)


class Clickhouse(clickhouse.Clickhouse):
    """ClickHouse over HTTP."""

    def create_connection(self) -> _Connection:
        settings = {"formatdatetime_parsedatetime_m_is_month_name": 0}
        return _Connection(clickhouse_connect.get_client(**self._args, settings=settings))


def main(addresses: dict[str, Any]) -> None:
    """Compare all orders; the threads, factor and threshold are reladiff's defaults."""
    speed_database = Clickhouse(thread_count=1, **addresses["clickhouse"])
    speed_database.default_schema = "default"
    batch_database = Snowflake(schema="STAGING", **addresses["snowflake"])
    names = {"key_columns": ("id",), "extra_columns": COLUMNS, "case_sensitive": False}
    speed = reladiff.connect_to_table(speed_database, "orders_now", **names)
    batch = reladiff.connect_to_table(batch_database, ("STAGING", "ORDERS_ENHANCED"), **names)
    bytes_moved.install()
    started, cpu = time.perf_counter(), time.process_time()
    # Any one row of a changed order is enough to know its key.
    keys = sorted({int(row[0]) for _, row in reladiff.diff_tables(speed, batch)})
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu
    print(json.dumps({"keys": keys, "seconds": seconds, "cpu_seconds": cpu_seconds, "bytes": bytes_moved.received()}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
