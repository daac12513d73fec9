"""What a kind of bad row is, and the files that rows lie in: their schemas, how they are written, and a good row's values.

The contract is that of orders, with `user_id` required: so every reason for quarantine occurs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ecommerce_platform.contracts import Column, LogicalType, load_contracts
from ecommerce_platform_tests.lakehouse.lake import NOON, ORDER_SCHEMA

_ORDERS = load_contracts()["orders"]
CONTRACT = replace(
    _ORDERS,
    columns=(
        *(replace(column, required=column.required or column.name == "user_id") for column in _ORDERS.columns),
        Column("due_on", LogicalType.DATE),
        Column("is_gift", LogicalType.BOOLEAN),
    ),
)


@dataclass(frozen=True)
class Quarantined:
    """The row is kept aside, for this reason in this column."""

    reason: str
    column: str


@dataclass(frozen=True)
class Published:
    """The row is an event, with these values. `flag` is the rule of the contract that flags it downstream."""

    values: dict[str, Any]
    flag: str = ""


@dataclass(frozen=True)
class Duplicate:
    """The row equals the one before it, which is published: it is dropped and counted."""


Outcome = Quarantined | Published | Duplicate


@dataclass(frozen=True)
class RowKind:
    """One kind of row: the file that it lies in, how it differs from a good row, and what becomes of it."""

    name: str
    file: str
    changes: dict[str, Any]
    outcome: Outcome


TEXT = pa.schema([(name, pa.string()) for name in (*ORDER_SCHEMA.names, "due_on", "is_gift")])


def with_epochs(kind: pa.DataType) -> pa.Schema:
    """The shop's schema with integers of another size in its timestamps."""
    return ORDER_SCHEMA.set(5, pa.field("created_at", kind)).set(6, pa.field("updated_at", kind))


SCHEMAS = {
    "shop": ORDER_SCHEMA,
    "text": TEXT,
    "wide": ORDER_SCHEMA.set(3, pa.field("total_amount", pa.decimal128(18, 4))).set(
        10, pa.field("__source_lsn", pa.uint64())
    ),
    "bytes": ORDER_SCHEMA.set(2, pa.field("status", pa.binary())).set(3, pa.field("total_amount", pa.binary())),
    "seconds": with_epochs(pa.int32()),
    "milliseconds": ORDER_SCHEMA,
    "nanoseconds": with_epochs(pa.uint64()),
    "int96": ORDER_SCHEMA.set(5, pa.field("created_at", pa.timestamp("us"))),
    "narrow": pa.schema(
        [
            ("id", pa.uint32()),
            ("user_id", pa.decimal128(20, 0)),
            ("status", pa.dictionary(pa.int32(), pa.string())),
            ("total_amount", pa.decimal128(9, 2)),
            ("shipping_address", pa.null()),
            ("created_at", pa.timestamp("ms")),
            ("updated_at", pa.timestamp("ns")),
            ("__op", pa.large_string()),
            ("__ts_ms", pa.timestamp("ms", "UTC")),
            ("__source_ts_ms", pa.timestamp("us", "Europe/Berlin")),
            ("__source_lsn", pa.uint64()),
        ]
    ),
    "days": ORDER_SCHEMA.append(pa.field("due_on", pa.int32())).append(pa.field("is_gift", pa.bool_())),
    "dates": ORDER_SCHEMA.append(pa.field("due_on", pa.date32())),
    "typed": ORDER_SCHEMA.set(5, pa.field("created_at", pa.timestamp("us", "UTC"))),
}
#: How a file is written, where not by default.
OPTIONS: dict[str, dict[str, Any]] = {
    "int96": {"use_deprecated_int96_timestamps": True, "compression": "gzip"},
    "narrow": {"compression": "zstd", "store_decimal_as_integer": True},
}
#: Good values in the file's physical form, where they differ from the shop's.
GOOD: dict[str, dict[str, Any]] = {
    "shop": {},
    "text": {
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
        "__ts_ms": "2026-01-01T12:00:00Z",
        "__source_ts_ms": "2026-01-01T12:00:00Z",
    },
    "wide": {"total_amount": Decimal("10.0000")},
    "bytes": {"status": b"pending", "total_amount": (1000).to_bytes(2, "big")},
    "seconds": {"created_at": NOON // 1000, "updated_at": NOON // 1000},
    "milliseconds": {"created_at": NOON, "updated_at": NOON},
    "nanoseconds": {"created_at": NOON * 10**6, "updated_at": NOON * 10**6},
    "int96": {"created_at": datetime(2026, 1, 1, 12)},  # noqa: DTZ001 - a timestamp without a zone
    "narrow": {
        "user_id": Decimal(1),
        "total_amount": Decimal("10.00"),
        "shipping_address": None,
        "created_at": datetime(2026, 1, 1, 12),  # noqa: DTZ001
        "updated_at": datetime(2026, 1, 1, 12),  # noqa: DTZ001
        "__ts_ms": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "__source_ts_ms": datetime(2026, 1, 1, 12, tzinfo=UTC),
    },
    "days": {},
    "dates": {},
    "typed": {"created_at": datetime(2026, 1, 1, 12, tzinfo=UTC)},
}


def unfit(name: str, reason: str, column: str, file: str = "shop", **changes: Any) -> RowKind:
    return RowKind(name, file, changes, Quarantined(reason, column))


def fine(
    name: str, file: str = "shop", expected: dict[str, Any] | None = None, flag: str = "", **changes: Any
) -> RowKind:
    return RowKind(name, file, changes, Published(expected or {}, flag))
