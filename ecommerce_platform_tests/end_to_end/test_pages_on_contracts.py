"""The how-to pages on a new column and a new table, word for word, in a checkout of its own; and how many files that touched."""

from __future__ import annotations

import subprocess
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.settings import SnowflakeSettings, load_settings
from ecommerce_platform_tests.end_to_end.history import History, day, write_landing
from ecommerce_platform_tests.end_to_end.platform import Platform
from ecommerce_platform_tests.front.walkthrough import PROJECT, follow, installation, is_left_out, run, steps_of

pytestmark = pytest.mark.soak

LEFT_OUT = "__debezium_unavailable_value"
CONTRACTS = "ecommerce_platform/contracts/sources"


def read(page: str, environment: dict[str, str]) -> None:
    """Applies the page's edits and runs its commands, in their order; each must print what the page says."""
    for step in steps_of((PROJECT / "docs" / "how-to" / page).read_text(encoding="utf-8")):
        if not is_left_out(page, step.commands):
            follow(step, environment)


def touched(environment: dict[str, str]) -> list[str]:
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    listed = subprocess.run(status, cwd=environment["CHECKOUT"], capture_output=True, text=True, check=True)
    return sorted(line[3:] for line in listed.stdout.splitlines())


def commit(environment: dict[str, str]) -> None:
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "state"]):
        subprocess.run(["git", *command], cwd=environment["CHECKOUT"], check=True)


def put(landing: Path, table: str, number: int, rows: list[dict[str, Any]], schema: dict[str, pa.DataType]) -> None:
    changes = {
        "__op": pa.string(), "__ts_ms": pa.int64(), "__source_ts_ms": pa.int64(), "__source_lsn": pa.int64(),
    }  # fmt: skip
    at = 1767268800000 + (number - 1) * 86_400_000
    full = [{"__ts_ms": at, "__source_ts_ms": at, **row} for row in rows]
    folder = landing / table / f"date={day(number)}"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(full, schema=pa.schema({**schema, **changes})), folder / "part-0.parquet")


def payment(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


def land(landing: Path) -> None:
    """Two days of the shop, with gift notes, payments of three forms of UUID, and coupons that have nothing but a key."""
    history = History()
    history.insert("users", 1, id=1)
    history.insert("products", 1, id=1)
    for number in (1, 2):
        history.insert("orders", 1, id=number, status="cancelled", lsn=10 + number)
        history.insert("order_items", 1, id=number, order_id=number, lsn=20 + number)
    history.update("orders", 2, id=1, status="cancelled", lsn=30)
    history.update("orders", 2, id=2, status="cancelled", lsn=31)
    for table in ("users", "products", "order_items"):
        history.update(table, 2, id=1, lsn=40 + len(table))
    write_landing(landing, history.changes)
    for number, notes in ((1, ["for you", None]), (2, [LEFT_OUT, "at last"])):
        file = landing / "orders" / f"date={day(number)}" / "part-00000.parquet"
        pq.write_table(pq.read_table(file, partitioning=None).append_column("gift_note", pa.array(notes)), file)

    columns = {
        "id": pa.uuid(),
        "order_id": pa.int64(),
        "amount": pa.decimal128(10, 2),
        "note": pa.string(),
        "paid_at": pa.int64(),
    }
    paid = {"paid_at": 1767268800000000}
    first = [
        {
            "id": uuid.UUID(payment(n)).bytes,
            "order_id": n,
            "amount": Decimal(n),
            "note": "long",
            "__op": "c",
            "__source_lsn": n,
            **paid,
        }
        for n in (1, 2, 3)
    ]
    put(landing, "payments", 1, first, columns)
    second = [
        {
            "id": payment(1).upper(),
            "order_id": 1,
            "amount": Decimal(7),
            "note": LEFT_OUT,
            "__op": "u",
            "__source_lsn": 11,
            **paid,
        },
        {"id": payment(2), "__op": "d", "__source_lsn": 12},
        {"id": f" {payment(4)} ", "order_id": 2, "amount": None, "note": None, "__op": "c", "__source_lsn": 13, **paid},
    ]
    put(landing, "payments", 2, second, {**columns, "id": pa.string()})
    coupons = {"order_id": pa.int64(), "coupon_id": pa.int32()}
    rows = [{"order_id": order, "coupon_id": coupon, "__op": "r"} for order, coupon in ((1, 1), (1, 2), (2, 1))]
    put(landing, "order_coupons", 1, rows, coupons)
    rows = [
        {"order_id": 1, "coupon_id": 2, "__op": "d", "__source_lsn": 50},
        {"order_id": 2, "coupon_id": 2, "__op": "c", "__source_lsn": 51},
    ]
    put(landing, "order_coupons", 2, rows, coupons)


def test_the_pages_do_what_they_say_and_touch_as_few_files_as_they_say(tmp_path: Path) -> None:
    landing, data = tmp_path / "landing", tmp_path / "data"
    land(landing)
    with installation(tmp_path) as environment:
        environment |= {"ECOMMERCE_LANDING_URI": str(landing), "ECOMMERCE_DATA_DIR": str(data)}
        platform = Platform(load_settings(data_dir=data, landing_uri=str(landing), snowflake=SnowflakeSettings()))
        commit(environment)

        read("new-column.md", environment)

        assert touched(environment) == [
            "dbt_project/models/staging/_staging__models.yml",
            "dbt_project/models/staging/stg_orders_enhanced.sql",
            f"{CONTRACTS}/orders.odcs.yaml",
        ]
        staged = platform.query("select id, gift_note from staging.orders_enhanced order by id")
        assert staged == [{"id": 1, "gift_note": "for you"}, {"id": 2, "gift_note": "at last"}]
        commit(environment)

        coupons = run(".venv/bin/ecommerce-platform contract init order_coupons", environment)
        assert "the key is order_id, coupon_id: all that deletes carry" in coupons.stdout, coupons.stdout
        assert touched(environment) == [f"{CONTRACTS}/order_coupons.odcs.yaml"]
        (Path(environment["CHECKOUT"]) / CONTRACTS / "order_coupons.odcs.yaml").rename(tmp_path / "kept.yaml")
        kept = "cp ../kept.yaml ecommerce_platform/contracts/sources/order_coupons.odcs.yaml"

        read("new-source-table.md", environment)

        assert touched(environment) == [f"{CONTRACTS}/payments.odcs.yaml"]
        raw = platform.query("select id, __op from raw.payments order by __source_lsn")
        assert [(row["id"], row["__op"]) for row in raw] == [
            *((payment(number), "INSERT") for number in (1, 2, 3)),
            *zip((payment(1), payment(2), payment(4)), ("UPDATE", "DELETE", "INSERT"), strict=True),
        ]
        state = platform.query("select id, order_id, amount, note from staging.base_payments order by id")
        assert state == [
            {"id": payment(1), "order_id": 1, "amount": Decimal("7.00"), "note": "long"},
            {"id": payment(3), "order_id": 3, "amount": Decimal("3.00"), "note": "long"},
            {"id": payment(4), "order_id": 2, "amount": None, "note": None},
        ]

        days = "--select '+group:staging' --partition-range 2026-01-01...2026-01-02"
        again = run(
            f"{kept}\n.venv/bin/dagster asset materialize -m ecommerce_platform.definitions {days}", environment
        )
        assert again.returncode == 0, again.stdout[-6000:]
        rows = platform.query("select order_id, coupon_id from staging.base_order_coupons order by 1, 2")
        assert [tuple(row.values()) for row in rows] == [(1, 1), (2, 1), (2, 2)]
