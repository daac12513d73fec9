"""What the marts hold, as one value: equal for equal rows, whichever engine made them.

What belongs here: reading marts and a digest of them. What does not: who made them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform_tests.end_to_end.compare import AUDIT_STAMPS, plain

#: Mart to its key.
MARTS: Mapping[str, tuple[str, ...]] = {
    "daily_business_metrics": ("date",),
    "customer_tier_analytics": ("date", "customer_tier"),
    "product_performance": ("date", "product_id"),
    "customer_analytics": ("customer_id",),
}
Query = Callable[[str], tuple[Sequence[str], Iterable[Sequence[Any]]]]


def digest(query: Query, name_of: Callable[[str], str]) -> dict[str, tuple[int, str]]:
    """Rows of each mart and the digest of all its values; `query` returns names and rows."""
    digests = {}
    for mart, key in MARTS.items():
        names, rows = query(f"select * from {name_of(mart)} order by {', '.join(key)}")
        lower = [name.lower() for name in names]
        kept = sorted((name, at) for at, name in enumerate(lower) if name not in AUDIT_STAMPS["marts"])
        hashed, count = hashlib.sha256(), 0
        for row in rows:
            hashed.update(repr([(name, str(plain(row[at]))) for name, at in kept]).encode())
            count += 1
        digests[mart] = (count, hashed.hexdigest()[:16])
    return digests


def digest_of_warehouse(settings: Settings) -> dict[str, tuple[int, str]]:
    """Of the marts in Snowflake."""
    with connect(settings) as connection, connection.cursor() as cursor:

        def query(sql: str) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
            cursor.execute(sql)
            return [column.name for column in cursor.description], cursor.fetchall()

        return digest(query, lambda mart: f"marts.{mart}")
