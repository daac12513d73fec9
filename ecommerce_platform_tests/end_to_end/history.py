"""Small shop histories written by hand, and the landing files that they become.

What belongs here: a way to say "order 1 is delivered on day 3" in one line of a test. What does not: histories themselves
(cases/) and larger shops (the sample shop).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PLACEHOLDER = "__debezium_unavailable_value"
MONTH = (2026, 1)

COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "users": {"id": pa.int64(), "email": pa.string(), "first_name": pa.string(), "last_name": pa.string()},
    "products": {
        "id": pa.int64(),
        "name": pa.string(),
        "description": pa.string(),
        "price": pa.string(),
        "stock_quantity": pa.int32(),
        "category": pa.string(),
    },
    "orders": {
        "id": pa.int64(),
        "user_id": pa.int64(),
        "status": pa.string(),
        "total_amount": pa.string(),
        "shipping_address": pa.string(),
    },
    "order_items": {
        "id": pa.int64(),
        "order_id": pa.int64(),
        "product_id": pa.int64(),
        "quantity": pa.int32(),
        "unit_price": pa.string(),
    },
}
for _table, _columns in COLUMNS.items():
    _columns |= {"created_at": pa.int64()} | ({} if _table == "order_items" else {"updated_at": pa.int64()})
METADATA = {"__op": pa.string(), "__ts_ms": pa.int64(), "__source_ts_ms": pa.int64(), "__source_lsn": pa.int64()}

DEFAULTS: dict[str, dict[str, Any]] = {
    "users": {"email": "someone@example.com", "first_name": "Ann", "last_name": "Lee"},
    "products": {
        "name": "Thing",
        "description": "A thing",
        "price": "10.00",
        "stock_quantity": 100,
        "category": "Books",
    },
    "orders": {"user_id": 1, "status": "pending", "total_amount": "100.00", "shipping_address": "1 Street"},
    "order_items": {"order_id": 1, "product_id": 1, "quantity": 1, "unit_price": "10.00"},
}


def day(number: int) -> date:
    """The day of January 2026 (0 and below: the days before)."""
    return date(*MONTH, 1) + timedelta(days=number - 1)


def moment(words: str) -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Change:
    """One row of a landing file: in the folder of `landed`, in the file of that name."""

    table: str
    landed: date
    row: dict[str, Any]
    file: str = "part-00000.parquet"


@dataclass
class History:
    """Collects changes; an update repeats what it does not name, LSNs rise unless they are given."""

    changes: list[Change] = field(default_factory=list)
    _rows: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    _lsn: int = 1000

    def change(
        self,
        op: str,
        table: str,
        landed: int,
        *,
        at: str | None = None,
        seen: str | None = None,
        lsn: int | None = -1,
        file: str = "part-00000.parquet",
        **values: Any,
    ) -> Change:
        """Adds one event. `at`: commit time (noon of the landing day); `seen`: connector time (a second later)."""
        committed = moment(at) if at else datetime.combine(day(landed), datetime.min.time(), UTC) + timedelta(hours=12)
        observed = moment(seen) if seen else committed + timedelta(seconds=1)
        key = (table, values["id"])
        if op == "d":
            row = dict.fromkeys(COLUMNS[table]) | {"id": values["id"]}
        else:
            row = DEFAULTS[table] | {"created_at": committed} | self._rows.get(key, {})
            row |= {} if table == "order_items" else {"updated_at": committed}
            row |= {name: moment(v) if name.endswith("_at") and isinstance(v, str) else v for name, v in values.items()}
            self._rows[key] = {name: value for name, value in row.items() if value != PLACEHOLDER}
        if lsn == -1:
            self._lsn += 10
            lsn = self._lsn
        row |= {"__op": op, "__ts_ms": observed, "__source_ts_ms": committed, "__source_lsn": lsn}
        self.changes.append(Change(table, day(landed), row, file))
        return self.changes[-1]

    def insert(self, table: str, landed: int, **values: Any) -> Change:
        return self.change("c", table, landed, **values)

    def update(self, table: str, landed: int, **values: Any) -> Change:
        return self.change("u", table, landed, **values)

    def delete(self, table: str, landed: int, **values: Any) -> Change:
        return self.change("d", table, landed, **values)

    def read(self, table: str, landed: int, **values: Any) -> Change:
        """A snapshot row, without an LSN unless one is given."""
        return self.change("r", table, landed, **({"lsn": None} | values))

    def again(self, change: Change, landed: int | None = None, file: str | None = None) -> Change:
        """The same event once more: in the same file, another file, or another day's folder."""
        repeated = replace(
            change, landed=change.landed if landed is None else day(landed), file=change.file if file is None else file
        )
        self.changes.append(repeated)
        return repeated


def write_landing(landing: Path, changes: Iterable[Change]) -> Path:
    """The changes as Debezium-flattened Parquet files, rows in the order given. Returns `landing`."""
    files: dict[Path, list[Change]] = defaultdict(list)
    for change in changes:
        files[landing / change.table / f"date={change.landed.isoformat()}" / change.file].append(change)
    for path, rows in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema(COLUMNS[rows[0].table] | METADATA)
        pq.write_table(pa.Table.from_pylist([physical(change.row) for change in rows], schema=schema), path)
    landing.mkdir(parents=True, exist_ok=True)
    return landing


def physical(row: dict[str, Any]) -> dict[str, Any]:
    """Epoch milliseconds in the metadata, microseconds in the business columns."""
    return {
        name: epoch(value, 1_000 if name.endswith("_ts_ms") else 1_000_000) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def epoch(value: datetime, units_per_second: int) -> int:
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since.days * 86_400 + since.seconds
    return seconds * units_per_second + since.microseconds * units_per_second // 1_000_000
