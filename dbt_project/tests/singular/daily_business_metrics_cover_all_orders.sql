-- No order of a date in the span is lost or counted twice on the way to the mart, and no revenue.
{{ config(meta={'dagster': {'ref': {'name': 'mart_daily_business_metrics'}}}) }}
with mart as (
    select
        coalesce(sum(metrics.total_orders), 0) as orders,
        coalesce(sum(metrics.total_revenue), 0) as revenue
    from {{ ref('mart_daily_business_metrics') }} as metrics
),

source_orders as (
    select
        count(*) as orders,
        coalesce(
            sum(iff({{ status_in('orders.status', 'revenue_statuses') }}, orders.total_amount, null)), 0
        ) as revenue
    from {{ ref('base_orders') }} as orders
    where {{ is_in_span('orders.business_date') }}
)

select
    mart.orders,
    source_orders.orders as expected_orders,
    mart.revenue,
    source_orders.revenue as expected_revenue
from mart
cross join source_orders
where
    mart.orders <> source_orders.orders
    or mart.revenue <> source_orders.revenue
