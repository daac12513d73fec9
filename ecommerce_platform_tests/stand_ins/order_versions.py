"""The table of order versions, loaded and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.speed_layer.realtime import (
    load_realtime,
)

TABLE = "orders_realtime"
CREATED = datetime(2026, 1, 1, 10, 11, 12, 123456, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNCHANGED = "__debezium_unavailable_value"
MICROS = (CREATED - _EPOCH) // timedelta(microseconds=1)
MILLIS = MICROS // 1000


Write = Callable[..., Path]


def load(client: Client, path: Path) -> int:
    return load_realtime(client, TABLE, path, load_contracts()["orders"]).rows


def current(client: Client, columns: str) -> Sequence[Any]:
    return list(client.query(f"select {columns} from {TABLE} final order by id").result_rows)
