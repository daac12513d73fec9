"""The truth by another route: staging, intermediate and mart tables from the landing files alone, in plain DuckDB SQL.

What belongs here: running the SQL of oracle_sql/ over the decoded events. What does not: decoding (landing_decode.py) and
anything of the platform; the SQL is written from docs/definitions.md, and never from the dbt models or the Spark code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

from ecommerce_platform_tests.end_to_end.event_order import EVENT_ORDER
from ecommerce_platform_tests.end_to_end.landing_decode import (
    COLUMNS,
    Counts,
    Landing,
    as_arrow,
    decode_landing,
)
from ecommerce_platform_tests.end_to_end.moved_texts import with_moved_texts

SQL_DIR = Path(__file__).parent / "oracle_sql"

#: Table (schema.name, as in the warehouse, in lower case) to its key.
KEYS: dict[str, tuple[str, ...]] = {
    "staging.users_enhanced": ("id",),
    "staging.products_enhanced": ("id",),
    "staging.orders_enhanced": ("id",),
    "staging.order_items_enhanced": ("id",),
    "intermediate.int_customer_metrics": ("id",),
    "intermediate.int_product_analytics": ("date", "product_id"),
    "intermediate.int_order_analytics": ("order_id",),
    "marts.daily_business_metrics": ("date",),
    "marts.customer_tier_analytics": ("date", "customer_tier"),
    "marts.product_performance": ("date", "product_id"),
    "marts.customer_analytics": ("customer_id",),
}


@dataclass(frozen=True)
class Thresholds:
    """The settings of docs/definitions.md, with its defaults."""

    tier_silver: Decimal = Decimal(500)
    tier_gold: Decimal = Decimal(2000)
    tier_platinum: Decimal = Decimal(5000)
    price_mid_range: Decimal = Decimal(25)
    price_premium: Decimal = Decimal(100)
    order_medium: Decimal = Decimal(50)
    order_large: Decimal = Decimal(200)
    top_percent: int = 20
    assumed_cost_ratio: Decimal = Decimal("0.6")
    active_days: int = 90
    at_risk_days: int = 180
    recent_days: int = 30
    start_date: date = date(2026, 1, 1)
    years_before_start: int = 10
    years_after_last_day: int = 1
    max_quarantined_share: Decimal = Decimal("0.01")

    def variables(self) -> dict[str, int]:
        """Whole numbers only: money in cents, the ratio as a fraction."""
        money = (
            *("tier_silver", "tier_gold", "tier_platinum"),
            *("price_mid_range", "price_premium", "order_medium", "order_large"),
        )
        dividend, divisor = self.assumed_cost_ratio.as_integer_ratio()
        return {
            **{f"{name}_cents": int(getattr(self, name) * 100) for name in money},
            "top_percent": self.top_percent,
            "cost_ratio_dividend": dividend,
            "cost_ratio_divisor": divisor,
            "active_days": self.active_days,
            "at_risk_days": self.at_risk_days,
            "recent_days": self.recent_days,
            "years_before_start": self.years_before_start,
            "years_after_last_day": self.years_after_last_day,
        }


@dataclass(frozen=True)
class Truth:
    """All that should be true after `applied` days: tables by name, rows of each table and day, and the as-of day."""

    tables: dict[str, pa.Table]
    counts: dict[tuple[str, date], Counts]
    applied: tuple[date, ...]

    @property
    def as_of(self) -> date:
        return max(self.applied)


def oracle(landing: Path, days: Iterable[date], thresholds: Thresholds | None = None) -> dict[str, pa.Table]:
    """The eleven tables after `days` of `landing` were applied, keyed as in KEYS and sorted by their keys."""
    return truth(landing, days, thresholds).tables


def truth(landing: Path, days: Iterable[date], thresholds: Thresholds | None = None) -> Truth:
    """Tables, row counts and applied days after `days` of `landing`."""
    thresholds = thresholds or Thresholds()
    decoded = decode_landing(Path(landing), days, thresholds.max_quarantined_share)
    return Truth(tables=compute(decoded, thresholds), counts=decoded.counts, applied=decoded.applied)


def compute(decoded: Landing, thresholds: Thresholds) -> dict[str, pa.Table]:
    """The eleven tables over decoded events."""
    if not decoded.applied:
        raise ValueError(f"none of the days could be applied: {decoded.counts}")
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        database.execute(f"set variable as_of = date '{max(decoded.applied)}'")
        database.execute(f"set variable start_date = date '{thresholds.start_date}'")
        for name, value in thresholds.variables().items():
            database.execute(f"set variable {name} = {int(value)}")
        for table in COLUMNS:
            events = with_moved_texts(decoded.events[table], table)
            positions = pa.array([event[EVENT_ORDER] for event in events], type=pa.int64())
            database.register("incoming", as_arrow(events, table).append_column(EVENT_ORDER, positions))
            database.execute(f"create table event_{table} as from incoming")
            database.unregister("incoming")
        for file in ("state.sql", "staging.sql", "marts.sql"):
            database.execute((SQL_DIR / file).read_text(encoding="utf-8"))
        return {
            name: database.sql(f"from {name.replace('.', '_')} order by {', '.join(key)}").to_arrow_table()
            for name, key in KEYS.items()
        }
