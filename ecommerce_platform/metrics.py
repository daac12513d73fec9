"""Status sets, declared once and rendered for Spark, dbt and ClickHouse.

What belongs here: what a revenue order is. What does not: the metrics that reconciliation compares (daily_metrics.py), queries
(each room writes its own around these expressions) and thresholds (settings/__init__.py). The prose is docs/definitions.md.
"""

from __future__ import annotations

from ecommerce_platform.settings import BusinessSettings

PENDING = "pending"
CANCELLED = "cancelled"
COMPLETED_STATUSES = ("shipped", "delivered")
REVENUE_STATUSES = ("processing", *COMPLETED_STATUSES)
KNOWN_STATUSES = (PENDING, *REVENUE_STATUSES, CANCELLED)
DELIVERED = "delivered"
TIERS = ("bronze", "silver", "gold", "platinum")

#: What PostgreSQL's connector writes for a large text that an update did not change.
UNCHANGED_PLACEHOLDER = "__debezium_unavailable_value"

EMAIL_PATTERN = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}$"


def in_statuses(column: str, statuses: tuple[str, ...]) -> str:
    """SQL condition, the same in all three engines: `column` is one of `statuses` (all known words, safe to inline)."""
    return f"{column} in ({', '.join(repr(status) for status in statuses)})"


def dbt_vars(business: BusinessSettings) -> dict[str, object]:
    """The definitions as dbt variables; decimals as text, so that they arrive in SQL as they are written."""
    return {
        "completed_statuses": list(COMPLETED_STATUSES),
        "revenue_statuses": list(REVENUE_STATUSES),
        "known_statuses": list(KNOWN_STATUSES),
        "cancelled_status": CANCELLED,
        "delivered_status": DELIVERED,
        "unchanged_placeholder": UNCHANGED_PLACEHOLDER,
        "email_pattern": EMAIL_PATTERN,
        **{name: str(value) for name, value in business.model_dump().items()},
    }
