"""Settings that decide published figures: thresholds of the business definitions, the marts' span, the comparison of the layers.

What belongs here: names, types, defaults. What does not: the definitions themselves (docs/definitions.md).
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from ecommerce_platform.settings.sections import Section


class BusinessSettings(Section):
    """Thresholds of the business definitions. A change computes everything again."""

    tier_silver: Decimal = Decimal("500")
    """Lifetime spend from which a customer is silver."""
    tier_gold: Decimal = Decimal("2000")
    """Lifetime spend from which a customer is gold."""
    tier_platinum: Decimal = Decimal("5000")
    """Lifetime spend from which a customer is platinum."""
    price_mid_range: Decimal = Decimal("25")
    """Price from which a product is mid-range."""
    price_premium: Decimal = Decimal("100")
    """Price from which a product is premium."""
    order_medium: Decimal = Decimal("50")
    """Amount from which an order is medium."""
    order_large: Decimal = Decimal("200")
    """Amount from which an order is large."""
    top_percent: int = 20
    """Share of products, in percent, that are popular or top performers."""
    assumed_cost_ratio: Decimal = Field(Decimal("0.6"), ge=0, le=Decimal("9.9999"), decimal_places=4)
    """Cost of a product as a share of its catalog price: the source has no cost."""
    active_days: int = 90
    """Customers who bought in so many days are active."""
    at_risk_days: int = 180
    """Customers who bought before, but not for so many days or longer, are at risk."""
    recent_days: int = 30
    """Window of popularity and of days of inventory."""


class MartsSettings(Section):
    """The published figures."""

    month_closes_after_days: int = Field(5, ge=0)
    """Days after a month's end on which its books close: what changes later is a late change."""
    years_before_start: int = Field(10, ge=0, le=1000)
    """Business dates from so many years before `ECOMMERCE_START_DATE` have rows in the marts by date. A change computes
    everything again."""
    years_after_last_day: int = Field(1, ge=0, le=1000)
    """Business dates up to so many years after the last applied day have rows in the marts by date. A change computes
    everything again."""


class ReconciliationSettings(Section):
    """The comparison of the layers. Tolerances are shares (0.05 is 5 %). What the `max_*` leave unexamined is reported."""

    tolerance: Decimal = Field(Decimal("0.05"), ge=0)
    """Above it a metric warns."""
    failure: Decimal = Field(Decimal("0.10"), ge=0)
    """Above it a metric is an error."""
    metric_tolerance: dict[str, Decimal] = Field(default_factory=dict)
    """`tolerance` for single metrics."""
    metric_failure: dict[str, Decimal] = Field(default_factory=dict)
    """`failure` for single metrics."""
    ignore_columns: tuple[str, ...] = ()
    """Columns of orders that are not compared."""
    lag_window_seconds: int = Field(900, ge=0)
    """A discrepancy that is still seen so long after it was first seen is confirmed."""
    convergence_limit_hours: int = Field(72, ge=0)
    """A day that has not converged by then is an error."""
    max_findings: int = Field(100_000, gt=0)
    """Orders that one reconciliation explains at most."""
    max_fetched_rows: int = Field(20_000_000, gt=0)
    """Rows that it may fetch to find out which differ."""
    max_seconds: int = Field(1800, gt=0)
    """How long it may take."""
    query_seconds: int = Field(600, gt=0)
    """How long one of its queries may take in ClickHouse. A minute later it is given up here, even when an answer has begun."""
    query_memory_bytes: int = Field(4_000_000_000, gt=0)
    """Memory of one of its queries in ClickHouse."""
    wait_for_models_seconds: int = Field(60, ge=0)
    """How long it waits for a dbt run to finish."""
    wait_for_other_seconds: float = Field(1800, ge=0)
    """How long it waits for another reconciliation of the same warehouse."""
    again_first_gap_seconds: int = Field(900, gt=0)
    """A day that differs is reconciled again after so long."""
    again_factor: float = Field(2.0, ge=1)
    """Each further gap is so many times longer."""
    again_longest_gap_seconds: int = Field(6 * 3600, gt=0)
    """The longest gap."""
    reports_uri: str = ""
    """Where the HTML reports go: a folder or `s3://bucket/prefix`; in the data directory when empty."""
    reports_retention_days: int = Field(365, ge=1)
    """Maintenance removes pages of business dates that are older."""
    report_pages: int = Field(14, ge=0)
    """Pages written by one run; those of other dates are written when they are asked for."""
