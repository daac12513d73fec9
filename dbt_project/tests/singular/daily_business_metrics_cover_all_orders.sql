-- Rendered from the metrics in ecommerce_platform/daily_metrics.py by
-- `python -m ecommerce_platform.transformation.sources`; changes made here are overwritten.
-- On each date in the span, the mart has what the orders add up to: none is lost or counted twice on the way.
{{ config(meta={'dagster': {'ref': {'name': 'mart_daily_business_metrics'}}}) }}
with measured as (
    select
        orders.business_date as date,
        count(*) as measure_1,
        count(distinct orders.user_id) as measure_2,
        sum(
            iff(
                orders.status in ('processing', 'shipped', 'delivered'),
                orders.total_amount, null
            )
        ) as measure_3,
        count_if(orders.status in ('processing', 'shipped', 'delivered')) as measure_4
    from {{ ref('base_orders') }} as orders
    where {{ is_in_span('orders.business_date') }}
    group by orders.business_date
),

expected as (
    select
        measured.date,
        measured.measure_1 as total_orders,
        measured.measure_2 as total_active_customers,
        measured.measure_3 as total_revenue,
        {{ ratio_or_zero('measured.measure_3', 'measured.measure_4', 2, 38) }} as avg_order_value
    from measured
)

select
    coalesce(mart.date, expected.date) as date,
    mart.total_orders,
    coalesce(expected.total_orders, 0) as expected_total_orders,
    mart.total_active_customers,
    coalesce(expected.total_active_customers, 0) as expected_total_active_customers,
    mart.total_revenue,
    coalesce(expected.total_revenue, 0) as expected_total_revenue,
    mart.avg_order_value,
    coalesce(expected.avg_order_value, 0) as expected_avg_order_value
from {{ ref('mart_daily_business_metrics') }} as mart
full outer join expected
    on mart.date = expected.date
where
    coalesce(mart.total_orders, 0) <> coalesce(expected.total_orders, 0)
    or coalesce(mart.total_active_customers, 0) <> coalesce(expected.total_active_customers, 0)
    or coalesce(mart.total_revenue, 0) <> coalesce(expected.total_revenue, 0)
    or coalesce(mart.avg_order_value, 0) <> coalesce(expected.avg_order_value, 0)
