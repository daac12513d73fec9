"""A measure of the declared metrics as an aggregate, in both engines' SQL: the two must compute the same.

What belongs here: the two expressions. What does not: the queries around them (batch.py, speed.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ecommerce_platform.contracts import LogicalType
from ecommerce_platform.daily_metrics import Measure, Orders
from ecommerce_platform.metrics import in_statuses
from ecommerce_platform.reconciliation.layers.clickhouse_types import Comparable

_WHOLE = (LogicalType.BIGINT, LogicalType.INT)


def snowflake_measure(measure: Measure, place: Callable[[str], str]) -> str:
    """The measure over orders in Snowflake; `place` gives the expression of a column."""
    counts = None if measure.statuses is None else in_statuses(f"coalesce({place('status')}, '')", measure.statuses)
    if isinstance(measure, Orders):
        return "count(*)" if counts is None else f"count_if({counts})"
    number = place(measure.column)
    return f"coalesce(sum({number if counts is None else f'iff({counts}, {number}, 0)'}), 0)"


def clickhouse_measure(measure: Measure, place: Mapping[str, str], of: Mapping[str, Comparable]) -> str:
    """The measure over current versions in ClickHouse; `place` has the value of each column, `of` how it is compared."""
    counts = None if measure.statuses is None else in_statuses(f"ifNull({place['status']}, '')", measure.statuses)
    if isinstance(measure, Orders):
        return "count()" if counts is None else f"countIf({counts})"
    comparable = of[measure.column]
    number = comparable.number(place[measure.column])
    if comparable.column.type in _WHOLE:
        number = f"toInt256({number})"  # a sum of Int64 would start again at the lowest number
    return f"sum(ifNull({number}, 0))" if counts is None else f"sumIf(ifNull({number}, 0), {counts})"
