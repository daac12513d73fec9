{{ config(
    materialized='table',
    alias='products_enhanced',
    cluster_by=['to_date(created_at)', 'category']
) }}

-- Rebuilt each time: what is popular moves with the as-of day.
with products as (
    select base_products.*
    from {{ ref('base_products') }} as base_products
),

recent_orders as (
    select orders.id
    from {{ ref('base_orders') }} as orders
    where
        {{ status_in('orders.status', 'revenue_statuses') }}
        and orders.business_date > cast(dateadd('day', -{{ var('recent_days') }}, {{ as_of_day() }}) as date)
        and orders.business_date <= {{ as_of_day() }}
),

recent_purchases as (
    select
        items.product_id,
        count(distinct items.order_id) as purchases
    from {{ ref('base_order_items') }} as items
    inner join recent_orders
        on items.order_id = recent_orders.id
    group by items.product_id
),

ranked as (
    select
        products.id,
        coalesce(recent_purchases.purchases, 0) as purchases,
        rank() over (order by coalesce(recent_purchases.purchases, 0) desc) as popularity_rank,
        count(*) over () as product_count
    from products
    left join recent_purchases
        on products.id = recent_purchases.product_id
)

select
    products.id,
    products.name,
    products.description,
    products.price,
    products.stock_quantity,
    products.category,
    products.created_at,
    products.updated_at,
    {{ price_tier('products.price') }} as price_tier,
    coalesce(products.stock_quantity > 0, false) as is_in_stock,
    (
        ranked.purchases > 0
        and {{ in_top_share('ranked.popularity_rank', 'ranked.product_count') }}
    ) as is_popular,
    (
        {{ is_not_blank('products.name') }}
        and {{ is_not_blank('products.description') }}
        and {{ is_not_blank('products.category') }}
        and products.price is not null
        and products.stock_quantity is not null
    ) as has_complete_info,
    {{ audit_stamp() }} as processed_at
from products
inner join ranked
    on products.id = ranked.id
