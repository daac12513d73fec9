-- The units of all products and days are the units of all lines that name a product, of purchases in the span.
{{ config(meta={'dagster': {'ref': {'name': 'mart_product_performance'}}}) }}
with mart as (
    select coalesce(sum(performance.units_sold), 0) as units
    from {{ ref('mart_product_performance') }} as performance
),

lines as (
    select coalesce(sum(items.quantity), 0) as units
    from {{ ref('base_order_items') }} as items
    inner join {{ ref('base_orders') }} as orders
        on items.order_id = orders.id
    where
        {{ is_in_span('orders.business_date') }}
        and {{ status_in('orders.status', 'revenue_statuses') }}
        and items.product_id is not null
)

select
    mart.units,
    lines.units as expected_units
from mart
cross join lines
where mart.units <> lines.units
