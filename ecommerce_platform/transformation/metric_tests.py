"""dbt's test of the daily mart, rendered from the declared metrics: what the mart publishes is what the orders add up to.

What belongs here: that test's SQL. What does not: the metrics (daily_metrics.py), and when the file is written (sources.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecommerce_platform.contracts import Contract
from ecommerce_platform.daily_metrics import (
    Customers,
    DailyMetric,
    Definition,
    Measure,
    Orders,
    Ratio,
    measures_of,
    totalled_columns,
)
from ecommerce_platform.metrics import in_statuses

METRIC_TEST_FILE = Path("tests") / "singular" / "daily_business_metrics_cover_all_orders.sql"
_ALL_ORDERS = DailyMetric("total_orders", Orders(), "total_orders")
_HEADER = """-- Rendered from the metrics in ecommerce_platform/daily_metrics.py by
-- `python -m ecommerce_platform.transformation.sources`; changes made here are overwritten.
-- On each date in the span, the mart has what the orders add up to: none is lost or counted twice on the way.
{{ config(meta={'dagster': {'ref': {'name': 'mart_daily_business_metrics'}}}) }}
"""


def render_metric_test(metrics: Sequence[DailyMetric], orders: Contract) -> str:
    """The test's file: one row a date on which a metric's column in the mart is not what the orders say."""
    columns = {metric.mart_column: metric.definition for metric in (_ALL_ORDERS, *metrics) if metric.mart_column}
    definitions = list(columns.values())
    names = {measure: f"measure_{number}" for number, measure in enumerate(_aggregates(definitions), start=1)}
    beside = {
        name
        for definition in definitions
        for name in totalled_columns(measures_of(definition))
        if name not in orders.column_names
    }
    measured = ",\n".join(f"        {_aggregate(measure, beside)} as {name}" for measure, name in names.items())
    join = (
        "\n    left join {{ ref('int_order_analytics') }} as order_analytics\n"
        "        on orders.id = order_analytics.order_id"
        if beside
        else ""
    )
    expected = ",\n".join(
        f"        {_expected(definition, names)} as {column}" for column, definition in columns.items()
    )
    shown = ",\n".join(
        f"    mart.{column},\n    coalesce(expected.{column}, 0) as expected_{column}" for column in columns
    )
    differs = "\n    or ".join(f"coalesce(mart.{column}, 0) <> coalesce(expected.{column}, 0)" for column in columns)
    return f"""{_HEADER}with measured as (
    select
        orders.business_date as date,
{measured}
    from {{{{ ref('base_orders') }}}} as orders{join}
    where {{{{ is_in_span('orders.business_date') }}}}
    group by orders.business_date
),

expected as (
    select
        measured.date,
{expected}
    from measured
)

select
    coalesce(mart.date, expected.date) as date,
{shown}
from {{{{ ref('mart_daily_business_metrics') }}}} as mart
full outer join expected
    on mart.date = expected.date
where
    {differs}
"""


def _aggregates(definitions: Sequence[Definition]) -> dict[Measure | Customers, None]:
    """What is counted or summed, each once."""
    parts = (
        part
        for definition in definitions
        for part in ([definition] if isinstance(definition, Customers) else measures_of(definition))
    )
    return dict.fromkeys(parts)


def _aggregate(measure: Measure | Customers, beside: set[str]) -> str:
    """The aggregate as sqlfluff has it: a condition on a line of its own, since a list of statuses is long."""
    counts = "" if measure.statuses is None else in_statuses("orders.status", measure.statuses)
    match measure:
        case Orders():
            return f"count_if({counts})" if counts else "count(*)"
        case Customers():
            function, distinct, value = "count", "distinct ", "orders.user_id"
        case _:
            function, distinct = "sum", ""
            value = f"{'order_analytics' if measure.column in beside else 'orders'}.{measure.column}"
    if not counts:
        return f"{function}({distinct}{value})"
    lines = (f"{distinct}iff(", f"    {counts},", f"    {value}, null", ")")
    return "\n".join((f"{function}(", *(f"{' ' * 12}{line}" for line in lines), f"{' ' * 8})"))


def _expected(definition: Definition, names: dict[Measure | Customers, str]) -> str:
    if not isinstance(definition, Ratio):
        return f"measured.{names[definition]}"
    dividend, divisor = (f"measured.{names[part]}" for part in (definition.dividend, definition.divisor))
    return f"{{{{ ratio_or_zero('{dividend}', '{divisor}', {definition.places}, 38) }}}}"
