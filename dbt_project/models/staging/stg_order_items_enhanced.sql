{{ config(
    materialized='incremental',
    unique_key='id',
    alias='order_items_enhanced',
    cluster_by=['to_date(created_at)', 'product_category']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
with items as (
    select *
    from {{ ref('base_order_items') }}
    {% if is_incremental() %}
    where
        {{ affected_rows_of_stg_order_items_enhanced() }}
    {% endif %}
),

timed as (
    select
        items.id,
        items.order_id,
        items.product_id,
        items.quantity,
        items.unit_price,
        items.created_at,
        coalesce(orders.created_at, items.created_at) as ordered_at
    from items
    left join {{ ref('base_orders') }} as orders
        on items.order_id = orders.id
),

priced as (
    select
        timed.id,
        timed.order_id,
        timed.product_id,
        timed.quantity,
        timed.unit_price,
        timed.created_at,
        timed.quantity * timed.unit_price as line_total,
        price_history.price as catalog_price
    from timed
    left join {{ ref('base_price_history') }} as price_history
        on
            timed.product_id = price_history.product_id
            and (price_history.valid_from is null or timed.ordered_at >= price_history.valid_from)
            and (price_history.valid_to is null or timed.ordered_at < price_history.valid_to)
)

select
    priced.id,
    priced.order_id,
    priced.product_id,
    priced.quantity,
    priced.unit_price,
    cast(priced.line_total as number(38, 2)) as line_total,
    priced.created_at,
    products.name as product_name,
    products.category as product_category,
    cast((priced.catalog_price - priced.unit_price) * priced.quantity as number(38, 2)) as discount_amount,
    cast(
        round(
            priced.line_total
            - priced.quantity * priced.catalog_price * cast('{{ var("assumed_cost_ratio") }}' as number(5, 4)),
            2
        ) as number(38, 2)
    ) as margin_amount,
    {{ audit_stamp() }} as processed_at
from priced
left join {{ ref('base_products') }} as products
    on priced.product_id = products.id
